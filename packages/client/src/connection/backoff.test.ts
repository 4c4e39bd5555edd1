import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoff, delay } from './backoff'

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('delay', () => {
  it('is up to a second after a healthy link', () => {
    expect(delay(0, undefined, 0)).toBe(0)
    expect(delay(0, undefined, 0.999)).toBe(999)
  })

  it('doubles its ceiling from half a second up to 30 s, with full jitter', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 50].map((failures) => 2 * delay(failures, undefined, 0.5))).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000,
    ])
    expect(delay(50, undefined, 0)).toBe(0)
  })

  it('is at least what the server said, and not much more at first', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(120_000), random, (failures, retryAfter, r) => {
        const wait = delay(failures, retryAfter, r)
        expect(wait).toBeGreaterThanOrEqual(retryAfter)
        expect(wait).toBeLessThanOrEqual(Math.max(retryAfter * 1.2, failures > 1 ? backoff.cap : 0))
      }),
    )
  })

  it('does not go in a circle with a server that says "at once" each time', () => {
    expect(delay(1, 0, 0.5)).toBe(0)
    expect(delay(5, 0, 0.5)).toBe(4000)
  })
})
