/** A clock that stands still until the test moves it. */
import type { Clock, Timer } from '@rt/protocol'

interface Pending {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class FakeClock implements Clock {
  #wall: number
  #elapsed = 0
  #order = 0
  readonly #timers = new Set<Pending>()

  /** `wall`: the wall time to begin with, milliseconds since 1970. */
  constructor(wall = 1_700_000_000_000) {
    this.#wall = wall
  }

  now(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#elapsed
  }

  setTimeout(run: () => void, ms: number): Timer {
    const timer: Pending = { at: this.#elapsed + Math.max(0, ms), order: this.#order++, run }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: Timer): void {
    this.#timers.delete(timer as Pending)
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size
  }

  /** Lets time pass; timers run in the order of their times. */
  advance(ms: number): void {
    const end = this.#elapsed + ms
    for (;;) {
      let next: Pending | null = null
      for (const timer of this.#timers) {
        if (
          timer.at <= end &&
          (next === null || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
        )
          next = timer
      }
      if (next === null) break
      this.#timers.delete(next)
      this.#wall += next.at - this.#elapsed
      this.#elapsed = next.at
      next.run()
    }
    this.#wall += end - this.#elapsed
    this.#elapsed = end
  }

  /** The wall clock jumps (back, when negative); durations are not touched. */
  step(ms: number): void {
    this.#wall += ms
  }
}
