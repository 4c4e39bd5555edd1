/** Model sockets: the client's end is what createClient takes for a WebSocket, the node's end is a stream that can be drained. */
import type { Socket } from '@rt/client'
import type { Clock, ServerEvent } from '@rt/protocol'
import type { Leaving } from '@rt/server/internal'

/** Milliseconds that a frame takes. */
const LATENCY = { least: 5, spread: 40 } as const
const HEARTBEAT = 20_000

/** What is read of an error; whichever door its class came through. */
type Refusal = Pick<Parameters<Leaving['end']>[0], 'code' | 'retryAfter' | 'toJSON'>

type Handler = ((event: unknown) => void) | null

export class ClientEnd implements Socket {
  onopen: Socket['onopen'] = null
  onmessage: Socket['onmessage'] = null
  onerror: Socket['onerror'] = null
  onclose: Socket['onclose'] = null
  /** Whether it goes on where an earlier stream was. */
  readonly resumes: boolean
  readonly #clock: Clock
  readonly #latency = LATENCY.least + LATENCY.spread * Math.random()
  /** The client closed it, or was told that it is closed. */
  #closed = false
  #left = () => {}

  constructor(clock: Clock, url: string, arrived: (socket: ClientEnd) => void) {
    this.#clock = clock
    this.resumes = new URL(url).searchParams.has('cursor')
    clock.setTimeout(() => {
      if (!this.#closed) arrived(this)
    }, this.#latency)
  }

  /** Nobody listens: commands do not matter here. */
  send(): void {}

  close(): void {
    this.#closed = true
    this.#clock.setTimeout(() => this.#left(), this.#latency)
  }

  // ── From the node ──────────────────────────────────────────────────────────────────────────────────────────────

  /** `left` is called when the node hears that the client has gone. */
  opened(left: () => void): void {
    this.#left = left
    this.#later(() => (this.onopen as Handler)?.(null))
  }

  frame(...events: ServerEvent[]): void {
    const data = JSON.stringify(events)
    this.#later(() => (this.onmessage as Handler)?.({ data }))
  }

  /** 1006: cut. */
  end(code: number, reason = ''): void {
    this.#later(() => {
      this.#closed = true
      ;(this.onclose as Handler)?.({ code, reason })
    })
  }

  #later(run: () => void): void {
    this.#clock.setTimeout(() => {
      if (!this.#closed) run()
    }, this.#latency)
  }
}

export class NodeEnd implements Leaving {
  readonly polled = false
  ended = false
  readonly #clock: Clock
  readonly #client: ClientEnd
  readonly #gone: (stream: NodeEnd) => void
  #beat: unknown

  constructor(clock: Clock, client: ClientEnd, gone: (stream: NodeEnd) => void) {
    this.#clock = clock
    this.#client = client
    this.#gone = gone
    client.opened(() => this.#over())
    client.frame({ type: 'hello', version: 1, node: 'n', heartbeat: HEARTBEAT })
    const cursor = { type: 'cursor', cursor: 'c' } as const
    if (client.resumes) client.frame(cursor)
    else client.frame({ type: 'subscribed', channel: 'a', id: '1-0', epoch: '0-1', cursor: 'c' }, cursor)
    this.#beats()
  }

  send(event: ServerEvent): void {
    this.#client.frame(event)
  }

  end(error: Refusal): void {
    if (this.ended) return
    refuse(this.#client, error)
    this.#over()
  }

  /** As when the process is killed. */
  cut(): void {
    this.#client.end(1006)
    this.#over()
  }

  #beats(): void {
    this.#beat = this.#clock.setTimeout(() => {
      this.send({ type: 'beat' })
      this.#beats()
    }, HEARTBEAT)
  }

  #over(): void {
    if (this.ended) return
    this.ended = true
    this.#clock.clearTimeout(this.#beat)
    this.#gone(this)
  }
}

/** As the WebSocket transport says no, also to a stream that ends; where the error gives no time it draws one, as that does. */
export function refuse(client: ClientEnd, error: Refusal): void {
  const { retryAfter = Math.round(2000 * Math.random()) } = error
  client.frame({ type: 'bye', error: error.toJSON(), retryAfter })
  client.end(1012, error.code)
}
