/** Server-sent events: prints a connection as a text/event-stream; called by the endpoint for GET and POST. */
import type { ByeEvent, Clock, RealtimeError, Timer } from '@rt/protocol'
import type { Connection, OpenRequest, OutItem, Wire } from '../ports/connection'
import type { Gateway } from '../ports/gateway'
import type { ByteSink, HttpReply, HttpRequest } from '../ports/http'
import { byeOf } from './bye'
import { shareFlushes } from './flush'

/**
 * No charset: the format is always UTF-8, and some proxies know a stream only by the bare type. `X-Accel-Buffering` frees us from nginx,
 * `no-transform` from compressing middleware.
 */
const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-store, no-transform',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
}

/** Milliseconds after which a bare EventSource comes back, spread so that a restart does not bring all of them at once. */
const RETRY = { least: 1_000, spread: 3_000 }

/** How a `bye` begins as JSON text. */
const BYE = '{"type":"bye"'

/** Milliseconds behind `hello` at which a stream shows whether what is sent comes at once. */
const PROOF = 1_000

const encoder = new TextEncoder()

/** Some antivirus programs hold the first message of a stream until there is a second one; this comment is it. */
const COMMENT = encoder.encode(':\n\n')

const LATE_BEAT = encoder.encode(dataBlock(JSON.stringify({ type: 'beat', after: PROOF })))

/** A stream that ends with its first event: by a status other than 200 a bare EventSource would be lost for good. */
export function byeReply(error: RealtimeError): HttpReply {
  return {
    status: 200,
    headers: HEADERS,
    stream(sink) {
      sink.write(encodeBye(error))
      sink.end()
    },
  }
}

/** Opens streams. `leave` is called when it is over: the reply begins when the gateway has accepted the connection, so that a refusal still is an ordinary error reply. */
export function createSse(
  gateway: Gateway,
  clock: Clock,
): (request: HttpRequest, open: OpenRequest, leave: () => void) => Promise<HttpReply> {
  const encodeFlush = shareFlushes(encodeSse)

  return async (request, open, leave) => {
    let connection: Connection | null = null
    let gone = false
    let sink: ByteSink | null = null
    let early: Uint8Array[] = []
    let started = false
    let ended = false
    let full = false
    let proof: Timer

    const wire: Wire = {
      write(items, cursor) {
        if (ended) return false
        const bytes = encodeFlush(items, cursor)
        if (bytes.length > 0) print(bytes)
        return !full
      },
      close(error) {
        if (ended) return
        if (error !== null) print(encodeBye(error))
        ended = true
        leave()
        clock.clearTimeout(proof)
        sink?.end()
      },
    }

    function print(bytes: Uint8Array): void {
      if (started) {
        put(bytes)
        return
      }
      started = true
      put(join([encoder.encode(`retry: ${RETRY.least + Math.round(Math.random() * RETRY.spread)}\n`), bytes]))
      put(COMMENT)
      proof = clock.setTimeout(() => {
        // What waits already will show as much.
        if (!full) put(LATE_BEAT)
      }, PROOF)
    }

    function put(bytes: Uint8Array): void {
      // Until the host has the reply there is no sink. One flush is kept, and the wire counts as full, so that not more piles up.
      if (sink === null) early.push(bytes)
      full = sink === null || !sink.write(bytes)
      gateway.bytes.sse += bytes.length
    }

    function drained(): void {
      if (!full || ended) return
      full = false
      connection?.drained()
    }

    request.onClose(() => {
      gone = true
      leave()
      clock.clearTimeout(proof)
      connection?.closed()
    })
    connection = await gateway.open(open, wire)
    if (gone) connection.closed()

    return {
      status: 200,
      headers: HEADERS,
      stream(to) {
        sink = to
        let ready = true
        for (const bytes of early) ready = to.write(bytes)
        early = []
        if (ended) return to.end()
        to.onDrain(drained)
        if (ready) drained()
      },
    }
  }
}

/** Each item as one `data:` block, then the cursor as a block of its own that dispatches no event but sets the client's last event id. */
function encodeSse(items: readonly OutItem[], cursor: string | null): Uint8Array {
  const chunks = items.map((item) => {
    item.sse ??= encoder.encode(waitOf(item) + dataBlock(item.json))
    return item.sse
  })
  if (cursor !== null) chunks.push(encoder.encode(`id: ${cursor}\n\n`))
  return join(chunks)
}

function encodeBye(error: RealtimeError): Uint8Array {
  const bye = byeOf(error)
  return encoder.encode(retryOf(bye) + dataBlock(JSON.stringify(bye)))
}

/** A stream that is told to move on goes on for a while; a bare EventSource understands only this of it. */
function waitOf({ kind, json }: OutItem): string {
  return kind === 'control' && json.startsWith(BYE) ? retryOf(JSON.parse(json) as ByeEvent) : ''
}

function retryOf({ retryAfter }: ByeEvent): string {
  return retryAfter === undefined ? '' : `retry: ${Math.round(retryAfter)}\n`
}

/** In JSON a raw line end can only be space between tokens; left in, it would let whoever wrote the payload forge events. */
function dataBlock(json: string): string {
  return `data: ${/[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, ' ') : json}\n\n`
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  let length = 0
  for (const chunk of chunks) length += chunk.length
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
