/** How fast one may go: a bucket of tokens for each name, kept as the time at which it is full again. Asked by the gateway for each command. */
import type { Clock } from '@rt/protocol'

/** Milliseconds after which full buckets are forgotten. */
const SWEEP = 60_000

export interface PaceOptions {
  readonly perSecond: number
  /** How many may come at once. */
  readonly burst: number
  readonly clock: Clock
}

export class Pace {
  readonly #clock: Clock
  /** Milliseconds that one token takes. */
  readonly #each: number
  readonly #room: number
  /** By the monotonic clock. */
  readonly #fullAt = new Map<string, number>()
  #sweepAt = 0

  constructor({ perSecond, burst, clock }: PaceOptions) {
    this.#clock = clock
    this.#each = 1000 / perSecond
    this.#room = (burst - 1) * this.#each
  }

  /** How many names have a bucket that is not full, or was not at the last sweep. */
  get size(): number {
    return this.#fullAt.size
  }

  /** The milliseconds until there is a token for it. It is taken, also when it will be there only later, unless that is longer than `patience`. */
  take(name: string, patience: number): number {
    const now = this.#clock.monotonic()
    if (now >= this.#sweepAt) this.#sweep(now)
    const fullAt = Math.max(this.#fullAt.get(name) ?? 0, now)
    const wait = Math.ceil(Math.max(0, fullAt - now - this.#room))
    if (wait <= patience) this.#fullAt.set(name, fullAt + this.#each)
    return wait
  }

  #sweep(now: number): void {
    this.#sweepAt = now + SWEEP
    for (const [name, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(name)
  }
}
