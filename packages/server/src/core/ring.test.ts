import { describe, expect, it } from 'vitest'
import type { Entry } from '../ports/broker'
import { Ring } from './ring'

const entry = (n: number, prev: number, body = 'x'): Entry => ({ id: `1-${n}`, prev: `1-${prev}`, body })
const ring = (size = 3, limit = 1000) => new Ring({ used: 0, limit, rings: new Set() }, size)

describe('a ring', () => {
  it('knows nothing at first', () => {
    expect(ring().covers('9-9')).toBe(false)
  })

  it('covers from the prev of its first publication, not from its id', () => {
    const it = ring()
    it.push(entry(5, 2))
    expect([it.covers('1-1'), it.covers('1-2'), it.covers('1-5')]).toEqual([false, true, true])
  })

  it('covers from what it evicted last', () => {
    const it = ring(2)
    for (const n of [1, 2, 3]) it.push(entry(n, n - 1))
    expect(it.covers('1-0')).toBe(false)
    expect(it.covers('1-1')).toBe(true)
    expect(it.after('1-1').map(({ id }) => id)).toEqual(['1-2', '1-3'])
  })

  it('says so when a publication before this one was missed', () => {
    const it = ring()
    it.push(entry(1, 0))
    expect(it.push(entry(3, 2))).toBe(false)
  })

  it('takes what comes late on the link, after a read that was faster, as known', () => {
    const it = ring()
    it.seed('1-0', [entry(1, 0), entry(2, 1)], '1-7')
    expect(it.push(entry(2, 1))).toBe(true)
    expect(it.after('1-0').map(({ id }) => id)).toEqual(['1-1', '1-2'])
    expect(it.push(entry(9, 2))).toBe(true)
    expect(it.after('1-1').map(({ id }) => id)).toEqual(['1-2', '1-9'])
  })

  it('is not seeded again', () => {
    const it = ring()
    it.push(entry(5, 2))
    it.seed('1-0', [], '1-9')
    expect(it.covers('1-1')).toBe(false)
  })

  it('gives its oldest up when all rings together hold too much, and gives the bytes back', () => {
    const budget = { used: 0, limit: 10, rings: new Set<Ring>() }
    const one = new Ring(budget, 100)
    for (const n of [1, 2, 3]) one.push(entry(n, n - 1, 'xxxx'))
    expect(one.length).toBe(2)
    expect(budget.used).toBe(8)
    one.reset()
    expect(budget.used).toBe(0)
  })

  it('gives up what channels at rest hold as well', () => {
    const budget = { used: 0, limit: 10, rings: new Set<Ring>() }
    const [idle, busy] = [new Ring(budget, 100), new Ring(budget, 100)]
    for (const n of [1, 2]) idle.push(entry(n, n - 1, 'xxxx'))
    for (const n of [3, 4, 5, 6]) busy.push(entry(n, n - 1, 'xxxx'))
    expect([idle.length, busy.length]).toEqual([0, 2])
    expect(idle.covers('1-1')).toBe(false)
    expect(idle.covers('1-2')).toBe(true)
  })
})
