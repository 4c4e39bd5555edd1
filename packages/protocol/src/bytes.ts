/** Payloads of bytes: base64 in the JSON of commands and events, a Uint8Array for applications; used by both ends. */
import type { Json } from './frames'

// In browsers, Node and every other runtime; not among the types that this package has.
declare function atob(text: string): string
declare function btoa(binary: string): string

/** What a publication carries: JSON as `data`, or bytes as `bytes` (base64). */
export type Payload =
  | { readonly data: Json; readonly bytes?: never }
  | { readonly bytes: string; readonly data?: never }

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Bytes of one call: more arguments than an engine takes would throw. */
const CHUNK = 0x8000

export function isBase64(value: unknown): value is string {
  return typeof value === 'string' && BASE64.test(value)
}

export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let i = 0; i < bytes.length; i += CHUNK) binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK))
  return btoa(binary)
}

/** The text must be base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/** The payload as applications see it. */
export function payloadOf({ data, bytes }: Payload): Json | Uint8Array<ArrayBuffer> {
  return bytes === undefined ? (data as Json) : fromBase64(bytes)
}
