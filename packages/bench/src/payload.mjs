/** The messages that every kind of server sends: 128 bytes of JSON with a number; made by servers, counted by the generator. */

/** Stands once in each message and nowhere else in what any of the servers sends. */
export const MARK = 0x21
/** Digits of the number behind the mark. */
export const DIGITS = 6
export const BYTES = 128

const EMPTY = JSON.stringify({ text: '' }).length

/** The message with this number, as a value; `JSON.stringify` of it has {@link BYTES} bytes. */
export function message(number) {
  const text = `!${String(number).padStart(DIGITS, '0')}`
  return { text: text.padEnd(BYTES - EMPTY, 'x') }
}
