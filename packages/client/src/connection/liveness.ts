/** When a link has to show a sign of life, and by when it counts as dead. Pure; the connection asks with its monotonic clock. */

/** Milliseconds. */
export const deadlines = {
  /** From opening a link to `hello`; doubled with each round in which every rung failed, since it may be the server that is slow. */
  hello: 2500,
  longestHello: 10_000,
  /** From `hello` to the second sign of life. */
  second: 3000,
  /** How long the first rung is alone before the next one is tried beside it. */
  stagger: 250,
  /** How long a stream is used at least, though its server says that it ends at once: else one that always says so would be asked in a circle. */
  used: 1000,
  /** How long a POST of commands may take. */
  post: 10_000,
} as const

/** Silence of so many heartbeats is death. */
const BEATS = 1.75

export function helloWithin(failedRounds: number): number {
  return Math.min(deadlines.longestHello, deadlines.hello * 2 ** failedRounds)
}

/** How long a proven link may be silent. */
export function silence(heartbeat: number): number {
  return heartbeat * BEATS
}

/** How long it may be silent at a moment when there is reason to doubt: the page or the network was away. */
export function doubtfulSilence(heartbeat: number): number {
  return heartbeat * 1.2
}

/** When to open the successor of a stream that ends by plan. */
export function renewAfter(life: number): number {
  return life * 0.9
}
