/** A clock that stands still until a test moves it; a door of its own, re-exported by the testing doors of server and client. */
import type { Clock, Timer } from './clock'

interface Pending {
  readonly at: number
  readonly run: () => void
}

/** How often the event loop goes round: more than the longest chain of frame, answer and frame takes between client and server. */
const TURNS = 10

/** Taken before a test runner puts its own in their place. */
const { setImmediate, setTimeout: later } = globalThis as {
  readonly setImmediate?: (run: () => void) => unknown
  readonly setTimeout: (run: () => void) => unknown
}

/**
 * Given to createRealtime, memory, createNetwork or createClient as `clock`; one clock may stand still for all of them.
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
    return Math.floor(this.#wall)
  }

  monotonic(): number {
    return this.#elapsed
  }

  setTimeout(run: () => void, ms: number): Timer {
    // In whole milliseconds, as the platforms have them: ids are made of times.
    const timer: Pending = { at: this.#elapsed + Math.ceil(Math.max(0, ms)), run }
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

  /**
   * The same, and what is under way in this process (promises, streams, frames of a network in memory) runs its course first and behind each
   * timer. What waits for something outside, a real socket or a file, is not waited for.
   */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await this.settle()
    while (this.#runNext(end)) await this.settle()
    this.#pass(end)
  }

  /** The wall clock jumps (back, when negative); durations are not touched. */
  step(ms: number): void {
    this.#wall += ms
  }

  /** Lets everything that can run now run its course. */
  protected async settle(): Promise<void> {
    for (let i = 0; i < TURNS; i++) await new Promise<void>((resolve) => (setImmediate ?? later)(resolve))
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
