/** The connection's one timer: rings when what is due first is due. Owned by the connection. */
import type { Clock, Timer } from '@rt/protocol'

/** A time that does not come. */
export const NEVER = Number.POSITIVE_INFINITY

/** What a platform's timer makes of a longer time (ms) is one millisecond. */
const LONGEST_TIMER = 2 ** 31 - 1

export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #timer: Timer | undefined
  #at = NEVER

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Sets it for this monotonic time; for one that is weeks away it rings once before. One that is set for earlier stays, since who is woken looks again; {@link NEVER} takes it back. */
  set(at: number): void {
    if (at === NEVER) this.#clear()
    if (at >= this.#at) return
    this.#clear()
    this.#at = at
    this.#timer = this.#clock.setTimeout(
      () => {
        this.#timer = undefined
        this.#at = NEVER
        this.#ring()
      },
      Math.min(Math.max(0, at - this.#clock.monotonic()), LONGEST_TIMER),
    )
  }

  #clear(): void {
    if (this.#timer === undefined) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#at = NEVER
  }
}
