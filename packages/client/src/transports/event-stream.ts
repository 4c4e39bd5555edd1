/** Reads the text of an event stream by the standard's rules, blocks that hold only an `id` included. Used by the SSE transport. */

export interface EventStreamListener {
  /** The data of a block. */
  data(text: string): void
  /** The id of a block, after its data. */
  id(text: string): void
  comment(): void
}

/**
 * Returns a function that takes the text in chunks, cut anywhere (a leading byte order mark is the decoder's business).
 * It returns false when more than `limit` characters wait for the end of their block: then the stream is not to be read on.
 */
export function createEventStream(listener: EventStreamListener, limit: number): (chunk: string) => boolean {
  /** The pieces of a line whose end has not come. */
  let pieces: string[] = []
  let data: string | null = null
  let id: string | null = null
  let waiting = 0
  let afterReturn = false

  const line = (text: string) => {
    if (text === '') {
      const block = { data, id }
      data = id = null
      waiting = 0
      if (block.data !== null) listener.data(block.data)
      if (block.id !== null) listener.id(block.id)
      return
    }
    const colon = text.indexOf(':')
    if (colon === 0) return listener.comment()
    const field = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') {
      data = data === null ? value : `${data}\n${value}`
      waiting += value.length
    } else if (field === 'id' && !value.includes('\0')) id = value
  }

  return (chunk) => {
    const text = afterReturn && chunk[0] === '\n' ? chunk.slice(1) : chunk
    if (chunk !== '') afterReturn = chunk.endsWith('\r')
    if (/[\r\n]/.test(text)) {
      const lines = (pieces.join('') + text).split(/\r\n|[\r\n]/)
      pieces = [lines.pop() as string]
      for (const each of lines) line(each)
    } else pieces.push(text)
    let size = waiting
    for (const piece of pieces) size += piece.length
    return size <= limit
  }
}
