import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, expect, it } from 'vitest'
import { createArrivals } from './arrivals'
import { Overload } from './overload'

const limits = { lag: 100, heap: 0.8 }
const setUp = ({ requests = 10, perAddress = 2, connections = null as number | null } = {}) => {
  const clock = new FakeClock()
  const overload = new Overload(limits)
  const arrivals = createArrivals({
    perAddress: { requests, connections: perAddress },
    connections,
    overload,
    clock,
  })
  return { ...arrivals, clock, overload }
}
const code = (run: () => unknown) => {
  try {
    run()
    return null
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('requests of an address', () => {
  it('may come for ten seconds at once, then at their pace, and those of others besides', () => {
    const { knock, clock } = setUp()
    const codes = (n: number, address: string | null) => Array.from({ length: n }, () => code(() => knock(address)))
    expect(codes(102, 'a').filter((got) => got !== null)).toEqual(['rate_limited', 'rate_limited'])
    expect(codes(100, 'b')).not.toContain('rate_limited')
    clock.advance(1000)
    expect(codes(11, 'a').filter((got) => got !== null)).toEqual(['rate_limited'])
    expect(codes(1000, null)).not.toContain('rate_limited')
  })

  it('are told when to come back', () => {
    const { knock } = setUp({ requests: 1 })
    for (let i = 0; i < 10; i++) knock('a')
    expect(() => knock('a')).toThrow(expect.objectContaining({ retryAfter: expect.any(Number), status: 429 }))
  })
})

describe('streams of an address', () => {
  it('are so many at most, and one that goes makes room', () => {
    const { arrive } = setUp()
    const leave = arrive('a')
    arrive('a')
    expect(code(() => arrive('a'))).toBe('rate_limited')
    expect(code(() => arrive('b'))).toBeNull()
    leave()
    leave()
    expect([code(() => arrive('a')), code(() => arrive('a'))]).toEqual([null, 'rate_limited'])
  })

  it('count for nothing where no address is known', () => {
    const { arrive } = setUp()
    for (let i = 0; i < 100; i++) expect(code(() => arrive(null))).toBeNull()
  })
})

describe('streams of a node', () => {
  it('leave a tenth of the room for those who come back', () => {
    const { arrive, admit } = setUp({ connections: 20 })
    for (let i = 0; i < 20; i++) arrive(null)
    expect([code(() => admit(false)), code(() => admit(true))]).toEqual([null, null])
    const leave = arrive(null)
    expect([code(() => admit(false)), code(() => admit(true))]).toEqual(['overloaded', null])
    arrive(null)
    expect(code(() => arrive(null))).toBe('overloaded')
    leave()
    expect(code(() => arrive(null))).toBeNull()
  })
})

describe('a node with too much to do', () => {
  it('sends newcomers away, each for a time of its own, and lets in who comes back', () => {
    const { admit, arrive, overload } = setUp()
    for (let i = 0; i < 5; i++) overload.measured({ lag: 200, heap: 0 })
    expect([code(() => admit(false)), code(() => admit(true)), code(() => arrive('a'))]).toEqual([
      'overloaded',
      null,
      null,
    ])
    const times = new Set<number>()
    for (let i = 0; i < 50; i++) {
      try {
        admit(false)
      } catch (error) {
        times.add((error as { retryAfter: number }).retryAfter)
      }
    }
    expect(times.size).toBeGreaterThan(25)
    for (let i = 0; i < 5; i++) overload.measured({ lag: 1, heap: 0 })
    expect(code(() => admit(false))).toBeNull()
  })
})
