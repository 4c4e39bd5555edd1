/** How long to wait before coming back: full jitter, so that clients which were cut together do not come back together. Pure. */

/** Milliseconds. */
export const backoff = {
  base: 500,
  cap: 30_000,
  /** A link that lived so long was healthy: the next failure starts from the beginning. */
  healthy: 30_000,
  /** The first wait after a healthy link. */
  first: 1000,
} as const

/**
 * Milliseconds before the next try. `failures`: tries in a row that did not lead to a healthy link, 0 right after one. What the server said wins; it
 * is stretched by up to a fifth, since it may have said the same to everybody.
 */
export function delay(failures: number, retryAfter: number | undefined, random: number): number {
  if (retryAfter !== undefined) return retryAfter * (1 + random / 5)
  if (failures === 0) return random * backoff.first
  return random * Math.min(backoff.cap, backoff.base * 2 ** (failures - 1))
}
