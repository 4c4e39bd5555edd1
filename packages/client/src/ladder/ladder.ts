/** Which rung to try next, and when to look for a better one. Asked by the connection; knows no links and sets no timers. */
import type { Rung } from '../ports/transport'

/** Milliseconds. */
export const pace = {
  /** Waits before the first, second and every further look upwards; each ±20 %. */
  climb: [30_000, 120_000, 600_000],
  /** Browsers slow a page down that tries WebSockets too often. */
  websocketProbe: 120_000,
  /** What worked is tried first for so long. */
  memory: 1_800_000,
} as const

export class Ladder {
  /** Best first. */
  readonly #rungs: readonly Rung[]
  readonly #random: () => number
  #pinned: Rung | null = null
  #worked: { readonly rung: Rung; readonly at: number } | null = null
  #climbs = 0
  #websocketProbe = Number.NEGATIVE_INFINITY

  constructor(rungs: readonly Rung[], random: () => number) {
    this.#rungs = rungs
    this.#random = random
  }

  has(rung: Rung): boolean {
    return this.#rungs.includes(rung)
  }

  /** Stays on this rung until it fails; null: free again. */
  pin(rung: Rung | null): void {
    this.#pinned = rung
  }

  /** All rungs in the order of a round: the pinned one or what worked lately first, then the others from the top. */
  order(now: number): Rung[] {
    const worked = this.#worked !== null && now - this.#worked.at < pace.memory ? this.#worked.rung : undefined
    const first = this.#pinned ?? worked
    return first === undefined ? [...this.#rungs] : [first, ...this.#rungs.filter((rung) => rung !== first)]
  }

  proven(rung: Rung, now: number): void {
    this.#worked = { rung, at: now }
    if (rung === this.#rungs[0]) this.#climbs = 0
  }

  failed(rung: Rung): void {
    if (this.#pinned === rung) this.#pinned = null
  }

  /** The rungs above that may be tried now, best first; empty when pinned. */
  above(rung: Rung, now: number): Rung[] {
    if (this.#pinned !== null) return []
    return this.#rungs
      .slice(0, this.#rungs.indexOf(rung))
      .filter((better) => better !== 'websocket' || now - this.#websocketProbe >= pace.websocketProbe)
  }

  /** Notes that a better rung is being tried beside the one in use. */
  probing(rung: Rung, now: number): void {
    if (rung === 'websocket') this.#websocketProbe = now
  }

  /** Milliseconds until the next look upwards; infinite on the top rung or when pinned. */
  nextClimb(rung: Rung): number {
    if (this.#pinned !== null || rung === this.#rungs[0]) return Number.POSITIVE_INFINITY
    const wait = pace.climb[Math.min(this.#climbs++, pace.climb.length - 1)] as number
    return Math.round(wait * (0.8 + 0.4 * this.#random()))
  }
}
