import { describe, expect, it } from 'vitest'
import { Evidence } from './evidence'

const MINUTE = 60_000

describe('a rung', () => {
  it('is blocked when another one came through while it did not, for half an hour', () => {
    const evidence = new Evidence()
    evidence.failed('websocket')
    expect(evidence.standing('websocket', 0)).toBe('good')
    expect(evidence.proven('sse', 0)).toEqual(['websocket'])
    expect(evidence.standing('websocket', 29 * MINUTE)).toBe('blocked')
    expect(evidence.standing('websocket', 30 * MINUTE)).toBe('good')
  })

  it('is not blocked when nothing came through', () => {
    const evidence = new Evidence()
    evidence.failed('websocket')
    evidence.failed('sse')
    evidence.pardon()
    expect(evidence.proven('sse', 0)).toEqual([])
    expect(evidence.standing('websocket', 0)).toBe('good')
  })

  it('is blocked only the second time when there was no answer of any kind, for then the network may have come back just behind it', () => {
    const evidence = new Evidence()
    const round = () => {
      evidence.failed('websocket')
      evidence.failed('sse', true)
      return evidence.proven('long-poll', 0)
    }
    expect(round()).toEqual([])
    expect(round()).toEqual(['websocket', 'sse'])
    evidence.proven('sse', 1)
    expect(round()).toEqual(['websocket'])
  })

  it('is not blocked any more once it came through', () => {
    const evidence = new Evidence()
    evidence.failed('websocket')
    evidence.proven('sse', 0)
    evidence.proven('websocket', MINUTE)
    expect(evidence.standing('websocket', MINUTE)).toBe('good')
  })

  it('that is cut within seconds, twice, is unstable for two minutes', () => {
    const evidence = new Evidence()
    expect(evidence.cut('sse', 2000, 100, 20_000, 0)).toBeNull()
    expect(evidence.cut('sse', 9000, 100, 20_000, 0)).toEqual({ kind: 'unstable' })
    expect(evidence.standing('sse', 2 * MINUTE - 1)).toBe('unstable')
    expect(evidence.standing('sse', 2 * MINUTE)).toBe('good')
  })

  it('that is cut at the same age, twice, is used for nine tenths of it, for half an hour', () => {
    const evidence = new Evidence()
    expect(evidence.usableLife('sse', 0)).toBe(Number.POSITIVE_INFINITY)
    evidence.cut('sse', 30_200, 100, 20_000, 0)
    expect(evidence.cut('sse', 30_000, 3000, 20_000, 0)).toEqual({ kind: 'life', ms: 30_000 })
    expect(evidence.usableLife('sse', 29 * MINUTE)).toBe(27_000)
    expect(evidence.usableLife('sse', 30 * MINUTE)).toBe(Number.POSITIVE_INFINITY)
    expect(evidence.usableLife('websocket', 0)).toBe(Number.POSITIVE_INFINITY)
  })

  it('that is cut after the same silence, twice, gets a heartbeat of half of that, but not under five seconds', () => {
    const evidence = new Evidence()
    evidence.cut('websocket', 40_000, 15_000, 20_000, 0)
    expect(evidence.cut('websocket', 90_000, 15_100, 20_000, 0)).toEqual({ kind: 'heartbeat', ms: 7550 })
    evidence.cut('websocket', 40_000, 6000, 7550, 0)
    expect(evidence.cut('websocket', 60_000, 6000, 7550, 0)).toEqual({ kind: 'heartbeat', ms: 5000 })
    expect([evidence.heartbeat(29 * MINUTE), evidence.heartbeat(30 * MINUTE)]).toEqual([5000, undefined])
    // A silence that no heartbeat prevents is none of those.
    evidence.cut('websocket', 20_000, 3000, 5000, 0)
    expect(evidence.cut('websocket', 40_000, 3000, 5000, 0)).toBeNull()
  })

  it('that holds back is not used for two minutes; nor is one whose links go silent twice within ten minutes', () => {
    const evidence = new Evidence()
    expect(evidence.held('sse', 0)).toEqual({ kind: 'held' })
    expect(evidence.standing('sse', 2 * MINUTE - 1)).toBe('unstable')
    expect(evidence.standing('sse', 2 * MINUTE)).toBe('good')
    expect(evidence.silenced('sse-post', 0)).toBeNull()
    expect(evidence.silenced('sse-post', 10 * MINUTE)).toBeNull()
    expect(evidence.silenced('sse-post', 19 * MINUTE)).toEqual({ kind: 'held' })
    expect(evidence.standing('sse-post', 20 * MINUTE)).toBe('unstable')
  })

  it('that is cut now and then teaches nothing', () => {
    const evidence = new Evidence()
    for (const age of [12_000, 40_000, 300_000, 90_000]) expect(evidence.cut('sse', age, 200, 20_000, 0)).toBeNull()
  })
})

describe('memory', () => {
  it('is taken over by the next client, with its age', () => {
    const evidence = new Evidence()
    evidence.failed('websocket')
    evidence.proven('sse', 1000)
    const text = JSON.stringify(evidence.save(5000, 1_700_000_005_000))
    const next = new Evidence()
    // Its monotonic clock begins somewhere else.
    next.load(JSON.parse(text), 70, 1_700_000_005_000 + 10 * MINUTE, ['websocket', 'sse'])
    expect(next.standing('websocket', 70)).toBe('blocked')
    expect(next.standing('websocket', 70 + 20 * MINUTE)).toBe('good')
  })

  it.each([
    [null],
    [{}],
    [{ worked: { sse: 'x' }, blocked: null }],
    [{ blocked: { websocket: 1_700_000_000_000 + MINUTE } }],
    [{ blocked: { websocket: 1_700_000_000_000 - 31 * MINUTE } }],
  ])('that is none, foreign, of the future or too old is passed over: %j', (memory) => {
    const evidence = new Evidence()
    evidence.load(memory as never, 0, 1_700_000_000_000, ['websocket', 'sse'])
    expect([evidence.standing('websocket', 0), evidence.standing('sse', 0)]).toEqual(['good', 'good'])
  })
})
