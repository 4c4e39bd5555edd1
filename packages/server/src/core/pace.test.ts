import { FakeClock } from '@rt/protocol/fake-clock'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Pace } from './pace'

it('lets a burst through, and then as many as come back', () => {
  const clock = new FakeClock()
  const pace = new Pace({ perSecond: 10, burst: 3, clock })
  const take = (name: string) => pace.take(name, 0)
  expect([take('a'), take('a'), take('a')]).toEqual([0, 0, 0])
  expect(take('a')).toBe(100)
  expect(take('b')).toBe(0)
  clock.advance(99)
  expect(take('a')).toBe(1)
  clock.advance(1)
  expect([take('a'), take('a')]).toEqual([0, 100])
})

it('gives each of those that wait a time of its own', () => {
  const pace = new Pace({ perSecond: 10, burst: 1, clock: new FakeClock() })
  expect(Array.from({ length: 5 }, () => pace.take('a', 300))).toEqual([0, 100, 200, 300, 400])
  // The last would have had to wait for too long, and takes nothing from the next.
  expect(pace.take('a', 400)).toBe(400)
})

it('forgets whoever was quiet', () => {
  const clock = new FakeClock()
  const pace = new Pace({ perSecond: 10, burst: 3, clock })
  for (let i = 0; i < 1000; i++) pace.take(`${i}`, 0)
  clock.advance(120_000)
  pace.take('late', 0)
  expect(pace.size).toBe(1)
})

it('never lets through more than burst and rate allow', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 2000 })), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), (moves, perSecond, burst) => {
      const clock = new FakeClock()
      const pace = new Pace({ perSecond, burst, clock })
      const through: number[] = []
      for (const [pause, patience] of moves) {
        clock.advance(pause)
        const wait = pace.take('a', patience)
        if (wait <= patience) through.push(clock.monotonic() + wait)
      }
      expect(through).toEqual([...through].sort((a, b) => a - b))
      for (let i = burst; i < through.length; i++) {
        const within = (through[i] as number) - (through[i - burst] as number)
        // Whole milliseconds.
        expect(within).toBeGreaterThanOrEqual(1000 / perSecond - 1)
      }
    }),
  )
})
