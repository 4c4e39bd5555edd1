/** The connection's one timer: rings when what is due first is due. Owned by the connection. */
import type { Clock, Timer } from '@rt/protocol'

/** A time that does not come. */
export const NEVER = Number.POSITIVE_INFINITY

export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #timer: Timer | undefined
  #at = NEVER

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Sets it for this monotonic time. One that is set for earlier stays, since who is woken looks again; {@link NEVER} takes it back. */
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
      Math.max(0, at - this.#clock.monotonic()),
    )
  }

  #clear(): void {
    if (this.#timer === undefined) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#at = NEVER
  }
}
