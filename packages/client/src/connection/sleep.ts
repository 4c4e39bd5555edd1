/** Notices that the machine slept: then the wall clock went on while the monotonic one stood still. Owned by the connection, which looks with each tick. */
import type { Clock } from '@rt/protocol'

/** Milliseconds by which the clocks may drift apart between two looks. */
const DRIFT = 10_000

export class Sleep {
  readonly #clock: Clock
  #offset: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offset = clock.now() - clock.monotonic()
  }

  /** Whether it slept since the last look. */
  over(): boolean {
    const offset = this.#clock.now() - this.#clock.monotonic()
    const slept = offset - this.#offset > DRIFT
    this.#offset = offset
    return slept
  }
}
