/** How late the event loop is: a timer that looks how late it was itself. It runs while it is read. */
import type { Clock, Timer } from '@rt/protocol'

/** Milliseconds. */
const STEP = 50

export class LagMeter {
  readonly #clock: Clock
  #timer: Timer | null = null
  #most = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The most milliseconds since the last reading; the first begins it. */
  read(): number {
    const most = this.#most
    this.#most = 0
    if (this.#timer === null) this.#step()
    return most
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = null
    this.#most = 0
  }

  #step(): void {
    const due = this.#clock.monotonic() + STEP
    this.#timer = this.#clock.setTimeout(() => {
      this.#most = Math.max(this.#most, this.#clock.monotonic() - due)
      this.#step()
    }, STEP)
  }
}
