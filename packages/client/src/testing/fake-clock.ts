/** A clock that stands still until a test moves it. Given to createClient as `clock`. */
import type { Clock, Timer } from '@rt/protocol'

export class FakeClock implements Clock {
  #time = 0
  /** In the order in which they were set. */
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>()

  /** Wall time: milliseconds since 1 Jan 2026. */
  now(): number {
    return Date.UTC(2026, 0, 1) + this.#time
  }

  monotonic(): number {
    return this.#time
  }

  setTimeout(run: () => void, ms: number): Timer {
    const timer = { at: this.#time + Math.max(0, ms), run }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: Timer): void {
    for (const each of this.#timers) if (each === timer) this.#timers.delete(each)
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size
  }

  /** Lets `ms` pass; each timer that falls due runs at its time, and what it resolved runs before the next one. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms
    await settle()
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#time = Math.max(this.#time, next.at)
      next.run()
      await settle()
    }
    this.#time = end
  }
}

/** Lets promises that are resolved already run their course. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}
