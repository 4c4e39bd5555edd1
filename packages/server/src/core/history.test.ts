import { describe, expect, it } from 'vitest'
import type { Entry } from '../ports/broker'
import { newest } from './history'

const entry = (ms: number, body = 'x'): Entry => ({ id: `${ms}-0`, prev: `${ms - 1}-0`, body })
const times = (entries: Entry[]) => entries.map(({ id }) => Number.parseInt(id, 10))
const five = [1, 2, 3, 4, 5].map((ms) => entry(ms))

describe('what is handed out of a history', () => {
  it('is the newest, oldest first', () => {
    expect(times(newest(five, 2, { size: 100, ttl: 100 }, 5))).toEqual([4, 5])
    expect(newest(five, 0, { size: 100, ttl: 100 }, 5)).toEqual([])
  })

  it('is no more than the channel promises to keep, in number and age', () => {
    expect(times(newest(five, 10, { size: 3, ttl: 100 }, 5))).toEqual([3, 4, 5])
    expect(times(newest(five, 10, { size: 100, ttl: 1 }, 5))).toEqual([4, 5])
  })

  it('is about a megabyte at most', () => {
    const large = [1, 2, 3, 4].map((ms) => entry(ms, 'x'.repeat(400_000)))
    expect(times(newest(large, 10, { size: 100, ttl: 100 }, 5))).toEqual([3, 4])
  })
})
