/** Two days in the life of a page: the client's core on a clock of its own, in front of a model of a server and of a network that does it harm; for page-life.test.ts. */
import { type Clock, RealtimeError, type ServerEvent, type Timer } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import type { EnvironmentListener } from '../ports/environment'
import type { Closed, Link, LinkListener, LinkStart, ResumeRequest, Rung, Transport } from '../ports/transport'
import { Connection } from './connection'
import type { Status } from './states'

const rungs: readonly Rung[] = ['websocket', 'sse', 'sse-post', 'long-poll', 'poll']
const MINUTE = 60_000
const HEARTBEAT = 20_000

/** How the network treats what is sent over it. */
interface Weather {
  /** Requests fail at once, and open links end. */
  offline: boolean
  /** Everything is accepted and nothing comes back; open links stay and are dead. */
  hole: boolean
  /** What answers in place of the server, by HTTP status. */
  impostor: number | null
  /** The server refuses with this. */
  refusal: RealtimeError | null
  /** Rungs whose links get nothing through. */
  swallowed: readonly Rung[]
  /** Rungs whose links get `hello` through and nothing else. */
  held: readonly Rung[]
  /** Milliseconds after which links are cut; infinite: never. */
  cutAge: number
  /** Milliseconds of silence after which they are cut. */
  cutQuiet: number
  /** Milliseconds, one way. */
  latency: number
}

const well: Weather = {
  offline: false,
  hole: false,
  impostor: null,
  refusal: null,
  swallowed: [],
  held: [],
  cutAge: Number.POSITIVE_INFINITY,
  cutQuiet: Number.POSITIVE_INFINITY,
  latency: 20,
}

/** What a life is judged by. */
export interface Verdict {
  readonly seed: number
  readonly faults: readonly string[]
  readonly messages: number
  readonly links: number
}

/** Random numbers from a seed (mulberry32), so that a life can be lived again. */
function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export async function live(seed: number, days: number): Promise<Verdict> {
  const life = new PageLife(seed)
  return life.run(days * 24 * 60 * MINUTE)
}

/** For days of millions of timers: nothing here goes through the event loop. */
class HastyClock extends FakeClock {
  protected override async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await null
  }
}

class PageLife {
  readonly #seed: number
  readonly #random: () => number
  readonly #clock = new HastyClock()
  readonly #links = new Set<ModelLink>()
  readonly #faults: string[] = []
  /** What the page may not do while it is frozen. */
  readonly #stuck: (() => void)[] = []
  readonly #rounds: number[] = []
  /** When something happened that makes a client come back at once. */
  readonly #wakes: number[] = []
  readonly #connection: Connection
  #weather: Weather = { ...well }
  #listener: EnvironmentListener | null = null
  #frozen = false
  #timers = 0
  #published = 0
  #heard = 0
  #opened = 0
  #status: Status = 'idle'
  #websocketClimb = Number.NEGATIVE_INFINITY

  constructor(seed: number) {
    this.#seed = seed
    this.#random = dice(seed)
    this.#connection = new Connection(
      {
        environment: {
          clock: this.#pageClock(),
          fetch,
          // Waits are as short as they may be on average, so that hurry shows.
          random: () => 0.5,
          socket: async () => null,
          savesData: false,
          isPage: this.#random() < 0.5,
          memory: { read: () => null, write: () => {} },
          watch: (listener) => {
            this.#listener = listener
            return () => {
              this.#listener = null
            }
          },
        },
        transports: rungs.map((rung) => this.#transport(rung)),
        ordered: this.#random() < 0.3,
        frugal: this.#random() < 0.1,
        path: 'rt:model',
        idle: (rung) => this.#transport(rung),
        post: (text, _token, signal) => this.#post(text, signal),
        token: undefined,
        timeout: 30_000,
        client: 'page',
      },
      {
        deliver: (delivery) => {
          if (delivery.kind === 'gap') this.#fault('a gap, and nothing was lost')
          if (delivery.kind !== 'message') return
          this.#heard++
          if (delivery.message.data !== this.#heard)
            this.#fault(`heard ${String(delivery.message.data)} in place of ${this.#heard}`)
        },
        presence: () => {},
        expelled: () => {},
        status: (status) => {
          this.#status = status
        },
        transport: () => {},
        problem: () => {},
        error: () => {},
      },
    )
  }

  async run(ms: number): Promise<Verdict> {
    const connection = this.#connection
    connection.subscribe('a', 0)
    await this.#clock.advanceAsync(MINUTE)
    const end = this.#clock.monotonic() + ms
    while (this.#clock.monotonic() < end && this.#faults.length === 0) await this.#phase()
    await this.#allIsWell()
    this.#judgeHurry()
    connection.close()
    await this.#clock.advanceAsync(MINUTE)
    if (this.#timers > 0) this.#fault(`${this.#timers} timers are left`)
    if (this.#links.size > 0) this.#fault(`${this.#links.size} links are left`)
    return { seed: this.#seed, faults: this.#faults, messages: this.#heard, links: this.#opened }
  }

  // ── What happens ───────────────────────────────────────────────────────────────────────────────────────────────

  async #phase(): Promise<void> {
    this.#weather = this.#drawWeather()
    if (this.#weather.offline) this.#cutAll()
    if (this.#weather.hole) for (const link of this.#links) link.die()
    // Hints lie: they come late, or not at all.
    if (this.#random() < 0.3) this.#wake('doubt')
    const ends = this.#clock.monotonic() + (0.2 + 30 * this.#random() ** 3) * MINUTE
    while (this.#clock.monotonic() < ends) {
      await this.#clock.advanceAsync(this.#random() * 40_000)
      await this.#event()
    }
  }

  #drawWeather(): Weather {
    const draw = this.#random()
    const latency = 5 + 400 * this.#random() ** 3
    const some = () => rungs.filter(() => this.#random() < 0.5)
    if (draw < 0.3) return { ...well, latency }
    if (draw < 0.4) return { ...well, offline: true }
    if (draw < 0.48) return { ...well, hole: true }
    if (draw < 0.54) return { ...well, impostor: [200, 404, 502, 504][Math.floor(this.#random() * 4)] as number }
    if (draw < 0.6) {
      const refusal = new RealtimeError('draining', 'Later.', { retryAfter: 5000 * this.#random() })
      return { ...well, latency, refusal }
    }
    if (draw < 0.74) return { ...well, latency, swallowed: some() }
    if (draw < 0.84) return { ...well, latency, held: some() }
    if (draw < 0.92) return { ...well, latency, cutAge: 500 + 90_000 * this.#random() ** 2 }
    return { ...well, latency, cutQuiet: 1000 + 30_000 * this.#random() }
  }

  async #event(): Promise<void> {
    const draw = this.#random()
    if (draw < 0.35) this.#publish()
    else if (draw < 0.42) this.#listener?.hidden(this.#random() < 0.6)
    else if (draw < 0.46) this.#wake(this.#random() < 0.5 ? 'look' : 'doubt')
    else if (draw < 0.48) this.#cutAll()
    else if (draw < 0.5) for (const link of this.#links) link.die()
    else if (draw < 0.53) await this.#freeze(this.#random() * 20 * MINUTE)
    else if (draw < 0.55) await this.#sleep(this.#random() * 8 * 60 * MINUTE)
    else if (draw < 0.58) await this.#cache()
    else if (draw < 0.64) {
      const times = 1 + Math.floor(this.#random() * 4)
      for (let i = 0; i < times; i++)
        this.#connection.execute({ type: 'publish', channel: 'b', data: i }, undefined).catch(() => {})
    } else if (draw < 0.65) {
      this.#wakes.push(this.#clock.monotonic())
      this.#connection.reconnect()
    }
  }

  #publish(): void {
    this.#published++
    for (const link of this.#links) link.news()
  }

  #wake(trust: 'look' | 'doubt' | 'none'): void {
    this.#wakes.push(this.#clock.monotonic())
    this.#listener?.wake(trust)
  }

  /** The tab is frozen: nothing runs, what comes waits. */
  async #freeze(ms: number): Promise<void> {
    this.#frozen = true
    await this.#clock.advanceAsync(ms)
    this.#thaw()
    this.#wake('doubt')
  }

  /** The machine sleeps: the monotonic clock stands still, and nobody says so afterwards. */
  async #sleep(ms: number): Promise<void> {
    for (const link of this.#links) link.die()
    this.#wakes.push(this.#clock.monotonic())
    this.#clock.step(ms)
    await this.#clock.advanceAsync(0)
  }

  /** Into the back/forward cache and out of it. */
  async #cache(): Promise<void> {
    this.#listener?.suspend()
    if (this.#listener !== null && this.#links.size > 0) this.#fault('a page in the cache has an open link')
    await this.#clock.advanceAsync(this.#random() * 10 * MINUTE)
    this.#wake('look')
  }

  #thaw(): void {
    this.#frozen = false
    for (const run of this.#stuck.splice(0)) run()
  }

  #cutAll(): void {
    for (const link of [...this.#links]) link.cut()
  }

  // ── What is demanded ───────────────────────────────────────────────────────────────────────────────────────────

  /** From here on the network is well, somebody looks at the page, and nothing hints at it. */
  async #allIsWell(): Promise<void> {
    if (this.#faults.length > 0) return
    this.#weather = { ...well }
    this.#listener?.hidden(false)
    this.#publish()
    await this.#clock.advanceAsync(75_000)
    if (this.#status !== 'connected') this.#fault(`is ${this.#status} when the network has been well for 75 s`)
    await this.#clock.advanceAsync(3 * MINUTE - 75_000)
    if (this.#status !== 'connected') this.#fault(`is ${this.#status} when the network has been well for 3 min`)
    const { transport, contented } = this.#connection
    if (!contented) this.#fault(`is still on ${transport} when the network has been well for 3 min`)
    if (this.#heard !== this.#published) this.#fault(`heard ${this.#heard} of ${this.#published}`)
  }

  /** Rounds within a minute: what the pauses allow, and one more for each thing that makes a client come back at once. */
  #judgeHurry(): void {
    for (const [i, at] of this.#rounds.entries()) {
      const rounds = this.#rounds.slice(i).filter((other) => other < at + MINUTE).length
      const wakes = this.#wakes.filter((wake) => wake > at - MINUTE && wake < at + MINUTE).length
      if (rounds > 9 + wakes) {
        this.#fault(`${rounds} rounds within a minute, ${wakes} of them for a reason`)
        return
      }
    }
  }

  #fault(text: string): void {
    const steps = this.#connection.steps.slice(-12).map((step) => JSON.stringify(step))
    this.#faults.push([`${text}, ${Math.round(this.#clock.monotonic() / 1000)} s`, ...steps].join('\n  '))
  }

  // ── What the client's core is given ────────────────────────────────────────────────────────────────────────────

  /** Timers that wait while the page is frozen, counted. */
  #pageClock(): Clock {
    const clock = this.#clock
    const set = new Set<Timer>()
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      setTimeout: (run, ms) => {
        const timer: Timer = clock.setTimeout(() => {
          const ring = () => {
            if (!set.delete(timer)) return
            this.#timers--
            run()
          }
          if (this.#frozen) this.#stuck.push(ring)
          else ring()
        }, ms)
        set.add(timer)
        if (++this.#timers > 3) this.#fault(`${this.#timers} timers at once`)
        return timer
      },
      clearTimeout: (timer) => {
        if (timer === undefined || !set.delete(timer)) return
        this.#timers--
        clock.clearTimeout(timer)
      },
    }
  }

  #transport(rung: Rung): Transport {
    return {
      rung,
      open: (start, listener) => {
        this.#opened++
        const step = this.#connection.steps.at(-1)
        if (step?.step === 'try' && step.why === 'climb' && rung === 'websocket') {
          const now = this.#clock.monotonic()
          if (now - this.#websocketClimb < 2 * MINUTE - 3000)
            this.#fault('a WebSocket is probed twice within two minutes')
          this.#websocketClimb = now
        }
        const before = this.#connection.steps.at(-2)
        if (before?.step === 'order') this.#rounds.push(this.#clock.monotonic())
        const link = new ModelLink(rung, start, listener, {
          clock: this.#clock,
          weather: () => this.#weather,
          published: () => this.#published,
          enter: (run) => (this.#frozen ? this.#stuck.push(run) : run()),
          gone: (gone) => this.#links.delete(gone),
        })
        this.#links.add(link)
        return link.handle
      },
    }
  }

  #post(text: string, signal: AbortSignal): Promise<readonly ServerEvent[]> {
    return new Promise((resolve, reject: (reason: Closed) => void) => {
      const { offline, hole, impostor, refusal, latency } = this.#weather
      if (hole) return
      const answer = () => {
        if (signal.aborted) return
        if (offline) reject({ error: null })
        else if (impostor !== null) reject({ error: null, status: impostor })
        else if (refusal !== null) reject({ error: refusal, status: 503 })
        else resolve(resultsOf(text))
      }
      this.#clock.setTimeout(() => (this.#frozen ? this.#stuck.push(answer) : answer()), 2 * latency)
    })
  }
}

function resultsOf(text: string): ServerEvent[] {
  const commands = JSON.parse(text) as { ref: number }[]
  return commands.map(({ ref }) => ({ type: 'result', ref, value: {} }))
}

interface ModelHost {
  readonly clock: FakeClock
  readonly weather: () => Weather
  readonly published: () => number
  /** Runs it on the page, now or when it can. */
  readonly enter: (run: () => void) => void
  readonly gone: (link: ModelLink) => void
}

/** One link to the model's server, which has one channel of numbers: the cursor is how many there were. */
class ModelLink {
  readonly handle: Link
  readonly #rung: Rung
  readonly #start: LinkStart
  readonly #listener: LinkListener
  readonly #host: ModelHost
  readonly #timers = new Set<Timer>()
  #request: ResumeRequest
  #open = true
  #dead = false
  #said = false
  #at = 0
  #first = true

  constructor(rung: Rung, start: LinkStart, listener: LinkListener, host: ModelHost) {
    this.#rung = rung
    this.#start = start
    this.#listener = listener
    this.#host = host
    this.#request = start.request()
    const close = () => this.#end()
    const send = (text: string) => this.#later(() => this.#print(resultsOf(text).filter((event) => 'ref' in event)), 2)
    const refresh = () => this.#later(() => this.#poll(), 0)
    this.handle = rung === 'websocket' ? { send, close } : this.#polls ? { refresh, close } : { close }
    this.#later(() => this.#accept(), 2)
  }

  get #polls(): boolean {
    return this.#rung === 'long-poll' || this.#rung === 'poll'
  }

  /** Nothing comes through it any more, and nobody says so. */
  die(): void {
    this.#dead = true
  }

  cut(reason: Closed = { error: null }): void {
    if (!this.#open) return
    this.#end()
    this.#host.enter(() => this.#listener.closed(reason))
  }

  news(): void {
    if (this.#said && this.#rung !== 'poll') this.#later(() => this.#tell(), 1)
  }

  #accept(): void {
    const { offline, hole, impostor, refusal, swallowed, held, cutAge } = this.#host.weather()
    if (hole || swallowed.includes(this.#rung)) return
    if (offline || impostor !== null || refusal !== null) {
      const status = impostor === null || this.#rung === 'websocket' ? {} : { status: impostor }
      this.cut({ error: refusal, ...status })
      return
    }
    if (cutAge < Number.POSITIVE_INFINITY) this.#after(cutAge, () => this.cut())
    if (this.#polls) {
      this.#poll()
      return
    }
    const heartbeat = Math.min(HEARTBEAT, this.#request.heartbeat ?? HEARTBEAT)
    this.#print([{ type: 'hello', version: 1, node: 'n', heartbeat }])
    if (held.includes(this.#rung)) return
    this.#later(() => {
      this.#begin()
      this.#tell(true)
      this.#beat(heartbeat)
    }, 0)
  }

  /** Where the stream starts: behind its cursor, or now. */
  #begin(): void {
    this.#said = true
    const { channels, cursor } = this.#request
    this.#at = cursor === undefined ? this.#host.published() : Number(cursor)
    const fresh = channels.filter((request) => request.new)
    this.#print(
      fresh.map(({ channel }): ServerEvent => {
        const id = `1-${this.#at}` as const
        return { type: 'subscribed', channel, id, epoch: '0-1', cursor: String(this.#at) }
      }),
    )
  }

  #tell(always = false): void {
    const events: ServerEvent[] = []
    while (this.#at < this.#host.published()) {
      const n = ++this.#at
      events.push({ type: 'message', channel: 'a', id: `1-${n}`, messageId: `m${n}`, data: n })
    }
    if (events.length > 0 || always) this.#print([...events, { type: 'cursor', cursor: String(this.#at) }])
  }

  #beat(heartbeat: number): void {
    this.#after(heartbeat, () => {
      this.#print([{ type: 'beat' }])
      this.#beat(heartbeat)
    })
  }

  /** One poll and, behind its answer, the next. */
  #poll(): void {
    const { offline, impostor, refusal, hole } = this.#host.weather()
    if (hole || this.#dead) return
    if (offline || impostor !== null || refusal !== null) {
      this.cut({ error: refusal, ...(impostor !== null && { status: impostor }) })
      return
    }
    const first = this.#first
    this.#first = false
    this.#host.enter(() => {
      if (!this.#open) return
      this.#request = this.#start.request()
      const pause = this.#rung === 'poll' ? Math.max(5000, this.#start.pause()) : 0
      if (first) this.#listener.events([{ type: 'hello', version: 1, node: '', heartbeat: HEARTBEAT }])
      if (first) this.#begin()
      this.#tell(true)
      if (!this.#open) return
      this.#listener.alive(pause)
      this.#later(() => this.#poll(), 0, this.#rung === 'poll' ? pause : 25_000)
    })
  }

  #print(events: readonly ServerEvent[]): void {
    if (!this.#open || this.#dead || events.length === 0) return
    const { cutQuiet } = this.#host.weather()
    for (const timer of this.#quiet.splice(0)) this.#host.clock.clearTimeout(timer)
    if (cutQuiet < Number.POSITIVE_INFINITY) this.#quiet.push(this.#after(cutQuiet, () => this.cut()))
    this.#host.enter(() => {
      if (!this.#open) return
      this.#listener.alive()
      if (this.#open) this.#listener.events(events)
    })
  }

  readonly #quiet: Timer[] = []

  /** After so many ways through the network, and `ms` more. */
  #later(run: () => void, ways: number, ms = 0): void {
    this.#after(ways * this.#host.weather().latency + ms, () => {
      if (!this.#dead) run()
    })
  }

  #after(ms: number, run: () => void): Timer {
    const timer: Timer = this.#host.clock.setTimeout(() => {
      this.#timers.delete(timer)
      if (this.#open) run()
    }, ms)
    this.#timers.add(timer)
    return timer
  }

  #end(): void {
    this.#open = false
    for (const timer of this.#timers) this.#host.clock.clearTimeout(timer)
    this.#host.gone(this)
  }
}
