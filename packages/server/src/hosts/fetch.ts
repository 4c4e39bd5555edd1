/** The fetch host: serves the endpoint where a server is a function from web Request to Response; called by `rt.fetch` and `rt.handlers`. */
import { type Clock, RealtimeError, systemClock } from '@rt/protocol'
import type { Gateway } from '../ports/gateway'
import type { Health } from '../ports/health'
import type { ByteSink, HttpReply, HttpRequest } from '../ports/http'
import { createEndpoint, type Endpoint } from '../transports/endpoint'
import { healthReply } from '../transports/health'
import { invalid } from '../transports/reply'

/** Answers SSE, polls and commands. Never rejects. */
export type FetchHandler = (request: Request) => Promise<Response>

/** Bytes in a response's queue from which its connection counts as full. */
const FULL = 16 * 1024

/** Makes the handler for Next.js, Hono, Bun, Deno and whatever else speaks web requests. */
export function createFetchHandler(
  gateway: Gateway,
  clock: Clock = systemClock,
  endpoint: Endpoint = createEndpoint(gateway, clock),
): FetchHandler {
  return async (request) => {
    const closing = new Closing(request.signal)
    const reply = await endpoint(readRequest(request, closing))
    if ('stream' in reply)
      return new Response(streamOf(reply.stream, closing), { status: reply.status, headers: reply.headers })
    return new Response(reply.body, { status: reply.status, headers: reply.headers })
  }
}

/** Answers health checks. */
export function createHealthFetch(health: () => Health): FetchHandler {
  return async (request) => {
    const { status, headers, body } = healthReply(health(), new URL(request.url).pathname)
    return new Response(request.method === 'HEAD' ? null : body, { status, headers: { ...headers } })
  }
}

/** The end of a request, which some runtimes tell by its signal, some by cancelling the response's body, some by both. */
class Closing {
  #closed = false
  readonly #runs: (() => void)[] = []

  constructor(signal: AbortSignal) {
    if (signal.aborted) this.close()
    else signal.addEventListener('abort', () => this.close(), { once: true })
  }

  close(): void {
    this.#closed = true
    for (const run of this.#runs.splice(0)) run()
  }

  onClose(run: () => void): void {
    if (this.#closed) run()
    else this.#runs.push(run)
  }
}

function readRequest(request: Request, closing: Closing): HttpRequest {
  return {
    method: request.method,
    url: new URL(request.url),
    peer: null,
    header: (name) => request.headers.get(name),
    text: (limit) => textOf(request, limit),
    toRequest: () => new Request(request.url, { method: request.method, headers: request.headers }),
    onClose: (run) => closing.onClose(run),
  }
}

function streamOf(
  print: Extract<HttpReply, { stream: unknown }>['stream'],
  closing: Closing,
): ReadableStream<Uint8Array> {
  let drained: (() => void) | null = null
  let full = false
  let open = true
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const sink: ByteSink = {
          write(chunk) {
            if (!open) return false
            controller.enqueue(chunk)
            full = (controller.desiredSize ?? 0) <= 0
            return !full
          },
          onDrain(run) {
            drained = run
          },
          end() {
            if (!open) return
            open = false
            controller.close()
          },
        }
        closing.onClose(() => {
          open = false
        })
        print(sink)
      },
      pull() {
        if (!full) return
        full = false
        drained?.()
      },
      cancel() {
        closing.close()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: FULL }),
  )
}

async function textOf(request: Request, limit: number): Promise<string> {
  const tooLarge = () => new RealtimeError('payload_too_large', `The body is larger than ${limit} bytes.`)
  if (Number(request.headers.get('content-length')) > limit) throw tooLarge()
  if (request.body === null) return ''
  const decoder = new TextDecoder('utf-8', { fatal: true })
  // Bytes that are no text would be stored as other ones than were sent.
  const decode = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined })
    } catch {
      throw invalid('The body is not UTF-8.')
    }
  }
  const reader = request.body.getReader()
  let text = ''
  let size = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return text + decode()
      size += value.byteLength
      if (size > limit) throw tooLarge()
      text += decode(value)
    }
  } catch (error) {
    void reader.cancel().catch(() => {})
    throw error
  }
}
