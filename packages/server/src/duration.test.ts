import { describe, expect, it } from 'vitest'
import { type Duration, milliseconds } from './duration'

describe('milliseconds', () => {
  it.each<[Duration, number]>([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    [1234, 1234],
  ])('reads %j', (duration, ms) => {
    expect(milliseconds('x', duration, 1, 86_400_000)).toBe(ms)
  })

  it.each(['5 minutes', '5', 's', '-1s', '', null, Number.NaN, {}])(
    'refuses %j and shows what to write',
    (duration) => {
      expect(() => milliseconds('heartbeat', duration as Duration, 1, 1000)).toThrow(/^heartbeat: .*'30s'/)
    },
  )

  it('refuses what is out of range, and tells the range', () => {
    expect(() => milliseconds('life', '1s', 2000, 3000)).toThrow('life: "1s" is not between 2000 and 3000 ms.')
    expect(() => milliseconds('life', 3001, 2000, 3000)).toThrow('between 2000 and 3000')
  })
})
