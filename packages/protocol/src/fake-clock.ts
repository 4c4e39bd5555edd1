/** A clock that stands still until a test moves it; a door of its own, re-exported by the testing doors of server and client. */
import type { Clock, Timer } from './clock'

interface Pending {
  readonly at: number
  readonly run: () => void
}

/**
 * Given to createRealtime or createClient as `clock`.
 *
 * @example
 * const clock = new FakeClock()
 * const client = createClient('http://127.0.0.1:3000/rt', { clock })
 * await clock.advanceAsync(30_000)
 */
export class FakeClock implements Clock {
  #wall: number
  #elapsed = 0
  /** In the order in which they were set. */
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
    const timer: Pending = { at: this.#elapsed + Math.max(0, ms), run }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: Timer): void {
    this.#timers.delete(timer as Pending)
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size
  }

  /** Lets `ms` pass; timers run in the order of their times, those of the same time in the order in which they were set. */
  advance(ms: number): void {
    const end = this.#elapsed + ms
    while (this.#runNext(end));
    this.#pass(end)
  }

  /** The same, and what is resolved already runs first and behind each timer. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await settle()
    while (this.#runNext(end)) await settle()
    this.#pass(end)
  }

  /** The wall clock jumps (back, when negative); durations are not touched. */
  step(ms: number): void {
    this.#wall += ms
  }

  #runNext(end: number): boolean {
    let next: Pending | undefined
    for (const timer of this.#timers) if (timer.at <= end && timer.at < (next?.at ?? Infinity)) next = timer
    if (next === undefined) return false
    this.#timers.delete(next)
    this.#pass(next.at)
    next.run()
    return true
  }

  #pass(at: number): void {
    const ms = Math.max(0, at - this.#elapsed)
    this.#wall += ms
    this.#elapsed += ms
  }
}

/** Lets promises that are resolved already run their course. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}
