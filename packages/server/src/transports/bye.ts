/** How a stream says that it ends: the `bye` event with a hint when to come back; used by the SSE and the WebSocket transport. */
import type { ByeEvent, RealtimeError } from '@rt/protocol'

/** Milliseconds over which clients that got no hint of their own are spread when they come back. */
const SPREAD = 2_000

/** The last event of a stream that ends by `error`. Who may come back is told when; an error that would only repeat itself gives no time. */
export function byeOf(error: RealtimeError): ByeEvent {
  const retryAfter = error.retryAfter ?? (error.retryable ? Math.round(Math.random() * SPREAD) : undefined)
  return { type: 'bye', error: error.toJSON(), ...(retryAfter !== undefined && { retryAfter }) }
}
