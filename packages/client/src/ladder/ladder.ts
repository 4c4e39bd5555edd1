/** Which rung to try next, and when to look for one that suits better: joins need and evidence. Asked by the connection; knows no links and sets no timers. */
import type { Rung } from '../ports/transport'
import { better, content, decide, type Need, type Situation } from './decide'
import { Evidence, type Memory } from './evidence'
import { Needs } from './need'
import type { Trace } from './trace'

/** Milliseconds. */
export const pace = {
  /** Waits before the first and every further look for a better rung, each ±10 %: with them it is found within three minutes. */
  climb: [30_000, 140_000],
  /** Browsers slow a page down that tries WebSockets too often. */
  websocketProbe: 120_000,
  /** Between two polls of a hidden page, whose timers ring once a minute anyway. */
  hiddenPoll: 60_000,
} as const

export interface LadderOptions {
  /** In the application's order, or in ours. */
  readonly rungs: readonly Rung[]
  /** The order is the application's. */
  readonly ordered: boolean
  /** Each stream takes one of a browser's six connections. */
  readonly crowded: boolean
  /** Nobody is in a hurry. */
  readonly frugal: boolean
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Milliseconds since 1970. */
  readonly wall: () => number
  readonly random: () => number
  /** What was seen is kept here for the next client of this origin. */
  readonly memory: { read(): string | null; write(text: string): void }
  readonly trace: Trace
}

export class Ladder {
  readonly #options: LadderOptions
  readonly #evidence = new Evidence()
  readonly #needs: Needs
  #need: Need
  #pinned: Rung | null = null
  /** What worked last. */
  #latest: Rung | null = null
  #climbs = 0
  #websocketProbe = Number.NEGATIVE_INFINITY

  constructor(options: LadderOptions) {
    this.#options = options
    this.#needs = new Needs(options.frugal)
    this.#need = this.#needs.at(options.now())
    const { memory, now, wall, rungs, ordered, trace } = options
    if (!ordered) trace.add({ step: 'need', need: this.#need })
    this.#evidence.load(parse(memory.read()), now(), wall(), rungs)
  }

  has(rung: Rung): boolean {
    return this.#options.rungs.includes(rung)
  }

  // ── Need ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The application gave a command; `live`: of the kind that comes in a stream of its own. */
  command(live: boolean): void {
    this.#needs.command(this.#options.now(), live)
  }

  hide(): void {
    this.#needs.hide(this.#options.now())
  }

  shown(): void {
    this.#needs.shown()
  }

  /** Looks whether the need is another one than at the last look. */
  needChanged(): boolean {
    const need = this.#needs.at(this.#options.now())
    if (need === this.#need) return false
    this.#need = need
    this.#climbs = 0
    if (!this.#options.ordered) this.#options.trace.add({ step: 'need', need })
    return true
  }

  /** When to call {@link needChanged}. */
  nextAt(): number {
    return this.#needs.nextAt(this.#options.now())
  }

  /** Milliseconds between two polls at least, beyond what the server says. */
  get pollPause(): number {
    return this.#need === 'rest' && this.#needs.hidden ? pace.hiddenPoll : 0
  }

  // ── Evidence ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Milliseconds between signs of life to ask the server for; undefined: its own. */
  get heartbeat(): number | undefined {
    return this.#evidence.heartbeat(this.#options.now())
  }

  /** How long a link of this rung may be used; infinite unless the path was seen to cut it. */
  usableLife(rung: Rung): number {
    return this.#evidence.usableLife(rung, this.#options.now())
  }

  proven(rung: Rung): void {
    this.#latest = rung
    const { now, wall, memory, trace } = this.#options
    const blocked = this.#evidence.proven(rung, now())
    if (blocked.length > 0) trace.add({ step: 'blocked', rungs: blocked })
    if (content(this.#situation, rung)) this.#climbs = 0
    memory.write(JSON.stringify(this.#evidence.save(now(), wall())))
  }

  /** It did not come through; `besides`: a rung that did meanwhile; `deserted`: there was no answer of any kind. */
  failed(rung: Rung, { besides, deserted = false }: { besides?: Rung | undefined; deserted?: boolean } = {}): void {
    if (this.#pinned === rung) this.#pinned = null
    this.#evidence.failed(rung, deserted)
    if (besides !== undefined) this.proven(besides)
  }

  /** Nothing came through, and it was not the rungs. */
  pardon(): void {
    this.#evidence.pardon()
  }

  /** Something on the way holds back what is sent over it. */
  held(rung: Rung): void {
    this.#options.trace.add({ step: 'learned', rung, lesson: this.#evidence.held(rung, this.#options.now()) })
  }

  /** A link that worked went silent for good. */
  silenced(rung: Rung): void {
    const lesson = this.#evidence.silenced(rung, this.#options.now())
    if (lesson !== null) this.#options.trace.add({ step: 'learned', rung, lesson })
  }

  /** A link that worked was cut on the way. */
  cut(rung: Rung, age: number, quiet: number, heartbeat: number): void {
    const { now, trace } = this.#options
    const lesson = this.#evidence.cut(rung, age, quiet, heartbeat, now())
    if (lesson !== null) trace.add({ step: 'learned', rung, lesson })
  }

  // ── Decisions ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Stays on this rung until it fails; null: free again. */
  pin(rung: Rung | null): void {
    this.#pinned = rung
  }

  /** All rungs in the order of a round. */
  order(): Rung[] {
    const rungs = decide(this.#situation)
    this.#options.trace.add({ step: 'order', rungs })
    return rungs.map(({ rung }) => rung)
  }

  /** The one rung that stands for all where nothing answers: what worked last. */
  representative(): Rung[] {
    return this.#latest === null ? this.order() : [this.#latest]
  }

  /** Whether nothing better than this one is to be looked for. */
  content(rung: Rung): boolean {
    return this.#pinned !== null || content(this.#situation, rung)
  }

  /** The rungs that may be tried now in place of this one, best first. */
  above(rung: Rung): Rung[] {
    if (this.#pinned !== null) return []
    const tooSoon = this.#options.now() - this.#websocketProbe < pace.websocketProbe
    return better(this.#situation, rung).filter((other) => other !== 'websocket' || !tooSoon)
  }

  /** Notes that a better rung is being tried beside the one in use. */
  probing(rung: Rung): void {
    if (rung === 'websocket') this.#websocketProbe = this.#options.now()
  }

  /** Milliseconds until the next look when {@link above} holds nothing that may be tried yet. */
  get patience(): number {
    return this.#jittered(pace.climb[0])
  }

  /** Milliseconds until the next look for a better rung; infinite where there is none to look for. */
  nextClimb(rung: Rung): number {
    if (this.content(rung)) return Number.POSITIVE_INFINITY
    const wait = pace.climb[Math.min(this.#climbs++, pace.climb.length - 1)] as number
    return this.#jittered(wait)
  }

  #jittered(ms: number): number {
    return Math.round(ms * (0.9 + 0.2 * this.#options.random()))
  }

  get #situation(): Situation {
    const { rungs, ordered, crowded, now } = this.#options
    const at = now()
    const standing = (rung: Rung) => (rung === this.#pinned ? 'asked' : this.#evidence.standing(rung, at))
    return { rungs, ordered, crowded, need: this.#need, standing }
  }
}

function parse(text: string | null): Partial<Memory> | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null')
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
