import { describe, expect, it } from 'vitest'
import type { Rung } from '../ports/transport'
import { Ladder } from './ladder'

const rungs: Rung[] = ['websocket', 'sse', 'long-poll', 'poll']
const MINUTE = 60_000

describe('a round', () => {
  it('goes from the top down', () => {
    expect(new Ladder(rungs, () => 0.5).order(0)).toEqual(rungs)
  })

  it('begins with what worked, for half an hour', () => {
    const ladder = new Ladder(rungs, () => 0.5)
    ladder.proven('long-poll', 0)
    expect(ladder.order(29 * MINUTE)).toEqual(['long-poll', 'websocket', 'sse', 'poll'])
    expect(ladder.order(30 * MINUTE)).toEqual(rungs)
  })

  it('begins with the pinned rung until that fails', () => {
    const ladder = new Ladder(rungs, () => 0.5)
    ladder.proven('websocket', 0)
    ladder.pin('poll')
    expect(ladder.order(0)).toEqual(['poll', 'websocket', 'sse', 'long-poll'])
    ladder.failed('sse')
    expect(ladder.order(0)[0]).toBe('poll')
    ladder.failed('poll')
    expect(ladder.order(0)[0]).toBe('websocket')
  })

  it('has only the rungs that the application wants', () => {
    const ladder = new Ladder(['sse'], () => 0.5)
    expect(ladder.order(0)).toEqual(['sse'])
    expect(ladder.has('websocket')).toBe(false)
  })
})

describe('looking upwards', () => {
  it('happens after 30 s, 2 min, then each 10 min, ±20 %', () => {
    const waits = (random: number) => {
      const ladder = new Ladder(rungs, () => random)
      return [1, 2, 3, 4].map(() => ladder.nextClimb('poll'))
    }
    expect(waits(0.5)).toEqual([30_000, 120_000, 600_000, 600_000])
    expect(waits(0)).toEqual([24_000, 96_000, 480_000, 480_000])
    expect(waits(1)).toEqual([36_000, 144_000, 720_000, 720_000])
  })

  it('begins anew once the top was reached', () => {
    const ladder = new Ladder(rungs, () => 0.5)
    ladder.nextClimb('sse')
    ladder.nextClimb('sse')
    ladder.proven('websocket', 0)
    expect(ladder.nextClimb('sse')).toBe(30_000)
  })

  it('does not happen on the top rung, nor when pinned', () => {
    const ladder = new Ladder(rungs, () => 0.5)
    expect(ladder.nextClimb('websocket')).toBe(Number.POSITIVE_INFINITY)
    ladder.pin('poll')
    expect(ladder.nextClimb('poll')).toBe(Number.POSITIVE_INFINITY)
    expect(ladder.above('poll', 0)).toEqual([])
  })

  it('tries the better rungs, best first, and a WebSocket at most once in two minutes', () => {
    const ladder = new Ladder(rungs, () => 0.5)
    expect(ladder.above('long-poll', 0)).toEqual(['websocket', 'sse'])
    ladder.probing('websocket', 0)
    expect(ladder.above('long-poll', 2 * MINUTE - 1)).toEqual(['sse'])
    expect(ladder.above('long-poll', 2 * MINUTE)).toEqual(['websocket', 'sse'])
  })
})
