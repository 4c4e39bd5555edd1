/** A server that says one bad thing, again and again, on whichever transport it is asked; and a client before it. Used by the tests of what the client makes of that. */
import { isRealtimeError } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { createClient } from './create-client'
import type { Socket } from './ports/environment'
import type { TransportName } from './ports/transport'

/** What a platform's timer makes of a longer time is one millisecond. */
const LONGEST_TIMER = 2 ** 31 - 1

/** Requests that a client may make within the minute that it is looked at, and within one moment. Polls go on for as long as there is more. */
const MOST = { minute: { websocket: 400, sse: 400, 'long-poll': 1300, poll: 1300 }, moment: 30 }

class PlatformClock extends FakeClock {
  timers = 0

  override setTimeout(run: () => void, ms: number) {
    if (++this.timers > 5_000) throw new Error('The client sets one timer after the other.')
    return super.setTimeout(run, ms <= LONGEST_TIMER ? ms : 1)
  }

  override settle(): Promise<void> {
    return super.settle()
  }
}

export interface Badness {
  readonly transport: TransportName
  /** What stands in front of it on each stream: valid events. */
  readonly before: readonly string[]
  /** The bad frame: text of a WebSocket frame or of a body; on SSE the text of the stream. */
  readonly text: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The stream ends behind it. */
  readonly end: boolean
  /** How a WebSocket is closed then. */
  readonly code: number
}

/** Lets a client that does everything meet it for a minute, and says what was wrong with the client; nothing: empty. */
export async function meet(badness: Badness): Promise<string[]> {
  const wrong = new Set<string>()
  const clock = new PlatformClock()
  const links = new Set<object>()
  const opens: number[] = []
  const { transport, before, text, end, code } = badness

  /** Notes that something was opened; false: it is asked in a circle, and is not answered any more. */
  function opened(): boolean {
    opens.push(clock.monotonic())
    const now = opens.filter((at) => at === clock.monotonic()).length
    if (now > MOST.moment) wrong.add(`It asks ${now} times in one moment.`)
    const most = MOST.minute[transport]
    if (opens.length > most) wrong.add('It asks in a circle.')
    return now <= MOST.moment && opens.length <= most
  }

  /** Nothing may be thrown into the platform. */
  function guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      wrong.add(`It threw ${(error as Error).stack}`)
    }
  }

  class BadSocket implements Socket {
    onopen: Socket['onopen'] = null
    onmessage: Socket['onmessage'] = null
    onerror: Socket['onerror'] = null
    onclose: Socket['onclose'] = null
    #closed = false

    constructor() {
      if (!opened()) return
      links.add(this)
      setImmediate(() => {
        this.#tell(() => this.onopen?.({} as never))
        for (const frame of before) this.#receive(frame)
        // Behind what the client says to that.
        setImmediate(() => {
          this.#receive(text)
          if (end) this.#end(code)
        })
      })
    }

    send(): void {}

    close(): void {
      this.#closed = true
      links.delete(this)
    }

    #receive(data: string): void {
      this.#tell(() => this.onmessage?.({ data } as never))
    }

    #end(code: number): void {
      links.delete(this)
      this.#tell(() => this.onclose?.({ code, reason: text.slice(0, 100) } as never))
      this.#closed = true
    }

    #tell(run: () => void): void {
      if (!this.#closed) guard(run)
    }
  }

  async function fetch(_: unknown, { signal, headers }: RequestInit = {}): Promise<Response> {
    const answered = opened()
    const link = {}
    links.add(link)
    await new Promise(setImmediate)
    return new Promise((resolve, reject) => {
      const free = () => links.delete(link)
      const abort = () => {
        free()
        reject(signal?.reason)
      }
      if (signal?.aborted) return abort()
      signal?.addEventListener('abort', abort)
      if (!answered) return
      const stream = transport === 'sse' && new Headers(headers).get('accept') === 'text/event-stream'
      const { status } = badness
      const bodiless = [204, 205, 304].includes(status)
      const chunks = stream ? [...before, text] : [text]
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          signal?.addEventListener('abort', () => guard(() => controller.error(signal.reason)))
          for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
          if (stream && !end) return
          free()
          controller.close()
        },
        cancel: () => void free(),
      })
      if (bodiless) free()
      resolve(new Response(bodiless ? null : body, { status, headers: badness.headers }))
    })
  }

  const client = createClient('http://127.0.0.1/rt', {
    clock,
    fetch: fetch as typeof globalThis.fetch,
    WebSocket: BadSocket as never,
    transports: [transport],
    timeout: 20_000,
  })
  // Each of the application's callbacks is given what the types say.
  const demand = (fits: boolean, what: string) => {
    if (!fits) wrong.add(`The application was given a bad ${what}.`)
  }
  const message = ({ id, messageId, time, data, from }: Record<string, unknown>) => {
    demand(typeof id === 'string' || id === null, 'id')
    demand(typeof messageId === 'string' || messageId === null, 'messageId')
    demand(typeof from === 'string' || from === null, 'from')
    demand(Number.isFinite(time), 'time')
    demand(data !== undefined, 'payload')
  }
  const list = ({ members, known }: { members: unknown; known: unknown }) => {
    demand(typeof known === 'boolean', '`known`')
    demand(Array.isArray(members) && members.every(({ id }) => typeof id === 'string'), 'list of members')
  }
  const settled = (promise: Promise<unknown>, check: (value: never) => void) =>
    promise.then(
      (value) => check(value as never),
      (error: unknown) => demand(isRealtimeError(error), `error: ${error}`),
    )

  client.on('error', (error) => demand(isRealtimeError(error), 'error'))
  const room = client.channel('room:1')
  room.subscribe(message as never, { last: 5 })
  room.on('error', (error) => demand(isRealtimeError(error), 'error'))
  const lobby = client.channel('lobby:1')
  lobby.presence.subscribe((members) => list(members))
  lobby.on('error', () => {})
  client.channel('typing:1').subscribe(message as never)
  const all = [
    settled(room.publish({ n: 1 }), () => {}),
    settled(room.history({ last: 5 }), (items: Record<string, unknown>[]) => items.forEach(message)),
    settled(lobby.presence.get(), list),
    settled(lobby.presence.enter({ name: 'Ann' }), () => {}),
  ]
  await clock.advanceAsync(60_000)
  client.close()
  await clock.settle()
  await Promise.race([
    Promise.all(all),
    new Promise((resolve) => setTimeout(resolve, 1000)).then(() => wrong.add('A promise is left.')),
  ])
  if (clock.pending > 0) wrong.add(`${clock.pending} timers are left.`)
  if (links.size > 0) wrong.add(`${links.size} links are left.`)
  return [...wrong]
}
