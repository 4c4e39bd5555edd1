import { describe, expect, it } from 'vitest'
import type { Rung } from '../ports/transport'
import { Ladder } from './ladder'
import { Trace } from './trace'

const all: Rung[] = ['websocket', 'sse', 'long-poll', 'poll']
const MINUTE = 60_000

function setUp({ rungs = all, random = 0.5, ordered = true, text = null as string | null } = {}) {
  const time = { now: 0, text }
  const ladder = new Ladder({
    rungs,
    ordered,
    crowded: false,
    frugal: false,
    now: () => time.now,
    wall: () => 1_700_000_000_000 + time.now,
    random: () => random,
    memory: { read: () => time.text, write: (written) => (time.text = written) },
    trace: new Trace(() => 0),
  })
  return { ladder, time }
}

describe('a round', () => {
  it('goes from the top down', () => {
    expect(setUp().ladder.order()).toEqual(all)
  })

  it('leaves what did not come through to the end, for half an hour, also in the next client of this origin', () => {
    const { ladder, time } = setUp()
    ladder.failed('websocket')
    ladder.failed('sse')
    ladder.proven('long-poll')
    expect(ladder.order()).toEqual(['long-poll', 'poll', 'websocket', 'sse'])
    expect(setUp({ text: time.text }).ladder.order()).toEqual(['long-poll', 'poll', 'websocket', 'sse'])
    time.now = 30 * MINUTE
    expect(ladder.order()).toEqual(all)
  })

  it('begins with the pinned rung until that fails', () => {
    const { ladder } = setUp()
    ladder.proven('websocket')
    ladder.pin('poll')
    expect(ladder.order()).toEqual(['poll', 'websocket', 'sse', 'long-poll'])
    ladder.failed('sse')
    expect(ladder.order()[0]).toBe('poll')
    ladder.failed('poll')
    expect(ladder.order()[0]).toBe('websocket')
  })

  it('has only the rungs that the application wants', () => {
    const { ladder } = setUp({ rungs: ['sse'] })
    expect(ladder.order()).toEqual(['sse'])
    expect(ladder.has('websocket')).toBe(false)
  })

  it('does not stumble over what somebody else wrote into the memory', () => {
    for (const text of ['', '{', '7', '"x"', '[]', '{"blocked":7}']) expect(setUp({ text }).ladder.order()).toEqual(all)
  })
})

describe('looking for a better rung', () => {
  it('happens after 30 s, then every 140 s, ±10 %', () => {
    const waits = (random: number) => {
      const { ladder } = setUp({ random })
      return [1, 2, 3, 4].map(() => ladder.nextClimb('poll'))
    }
    expect(waits(0.5)).toEqual([30_000, 140_000, 140_000, 140_000])
    expect(waits(0)).toEqual([27_000, 126_000, 126_000, 126_000])
    expect(waits(1)).toEqual([33_000, 154_000, 154_000, 154_000])
  })

  it('begins anew once the best was reached, or something else is needed', () => {
    const { ladder } = setUp()
    ladder.nextClimb('sse')
    ladder.nextClimb('sse')
    ladder.proven('websocket')
    expect(ladder.nextClimb('sse')).toBe(30_000)
    ladder.command(true)
    expect(ladder.needChanged()).toBe(true)
    expect(ladder.needChanged()).toBe(false)
    expect(ladder.nextClimb('sse')).toBe(30_000)
  })

  it('does not happen on the best rung, nor when pinned', () => {
    const { ladder } = setUp()
    expect(ladder.nextClimb('websocket')).toBe(Number.POSITIVE_INFINITY)
    ladder.pin('poll')
    for (const rung of ['poll', 'long-poll'] as const) expect(ladder.nextClimb(rung)).toBe(Number.POSITIVE_INFINITY)
    expect(ladder.above('poll')).toEqual([])
  })

  it('tries the better rungs, best first, and a WebSocket at most once in two minutes', () => {
    const { ladder, time } = setUp()
    expect(ladder.above('long-poll')).toEqual(['websocket', 'sse'])
    ladder.probing('websocket')
    time.now = 2 * MINUTE - 1
    expect(ladder.above('long-poll')).toEqual(['sse'])
    time.now = 2 * MINUTE
    expect(ladder.above('long-poll')).toEqual(['websocket', 'sse'])
  })
})
