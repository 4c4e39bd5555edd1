/** How long to wait before coming back: full jitter, so that clients which were cut together do not come back together. Pure. */

/** The end of a pause that was seen to be over, or of none. */
export const PAST = Number.NEGATIVE_INFINITY

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
 * Milliseconds before the next try. `failures`: tries in a row that did not lead to a healthy link, 0 right after one. What the server said is the
 * least; it is stretched by up to a fifth, since it may have said the same to everybody, and it is all of the wait only at first: a server that
 * says "at once" again and again is not to be asked in a circle.
 */
export function delay(failures: number, retryAfter: number | undefined, random: number): number {
  const jitter = random * (failures === 0 ? backoff.first : Math.min(backoff.cap, backoff.base * 2 ** (failures - 1)))
  if (retryAfter === undefined) return jitter
  const told = retryAfter * (1 + random / 5)
  return failures > 1 ? Math.max(told, jitter) : told
}
