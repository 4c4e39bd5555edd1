/** Time as a small port, so that every timer of server and client can run on a fake clock. */

/** A timer that was set; opaque. */
export type Timer = unknown

/** Where all times and timers come from. */
export interface Clock {
  /** Wall time, milliseconds since 1970. Only for stamps that people read. */
  now(): number
  /** Monotonic milliseconds; for every duration and deadline. */
  monotonic(): number
  /** Runs once, `ms` milliseconds from now or later. */
  setTimeout(run: () => void, ms: number): Timer
  /** Harmless for one that ran. */
  clearTimeout(timer: Timer): void
}

/** The platform's own clock. Its timers do not keep a Node process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout(run, ms) {
    const timer: unknown = setTimeout(run, ms)
    if (typeof timer === 'object' && timer !== null && 'unref' in timer) (timer as { unref(): void }).unref()
    return timer
  },
  clearTimeout(timer) {
    clearTimeout(timer as Parameters<typeof clearTimeout>[0])
  },
}
