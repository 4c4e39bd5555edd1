/** Reads the text of our event stream, the blocks that hold only an `id` included, which eventsource-parser keeps to itself. Used by the SSE transport. */
import { createParser } from 'eventsource-parser'

export interface EventStreamListener {
  /** The data of a block. */
  data(text: string): void
  /** An id: the cursor behind everything before it. */
  id(text: string): void
  comment(): void
}

/** The name under which an id is given to the parser as an event of its own. */
const ID = 'id'

/**
 * Returns a function that takes the text in chunks, cut anywhere. Lines end in LF, as our server sends them.
 * It returns false when more than `limit` characters wait for the end of their block: then the stream is not to be read on.
 */
export function createEventStream(listener: EventStreamListener, limit: number): (chunk: string) => boolean {
  let fits = true
  /** The beginning of a line whose end has not come. */
  let rest = ''
  const parser = createParser({
    onEvent: ({ event, data }) => (event === ID ? listener.id(data) : listener.data(data)),
    onComment: () => listener.comment(),
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded') fits = false
    },
    maxBufferSize: limit,
  })
  return (chunk) => {
    // Not by /^id:/m: that would find one behind U+2028 in somebody's text.
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() as string
    let text = ''
    for (const line of lines) text += line.startsWith('id:') ? `\nevent: ${ID}\ndata:${line.slice(3)}\n\n` : `${line}\n`
    if (fits) parser.feed(text)
    return fits && rest.length <= limit
  }
}
