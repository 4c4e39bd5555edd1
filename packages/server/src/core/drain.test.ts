// A drain on a clock of its own: who is told what and when, and that the end comes in steps.
import type { RealtimeError, ServerEvent } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, expect, it } from 'vitest'
import { Drain, type Leaving } from './drain'

const MS = 10_000
/** The last fifth is for those on their way. */
const SPREAD = 8_000

class TestStream implements Leaving {
  ended = false
  endedAt: number | null = null
  error: RealtimeError | null = null
  /** When it was told to be elsewhere. */
  readonly told: number[] = []
  drain: Drain | null = null

  constructor(
    readonly clock: FakeClock,
    readonly polled = false,
  ) {}

  send(event: ServerEvent): void {
    if (event.type !== 'bye' || event.retryAfter === undefined || event.error.code !== 'draining')
      throw new Error(`It was told ${JSON.stringify(event)}.`)
    this.told.push(this.clock.monotonic() + event.retryAfter)
  }

  end(error: RealtimeError): void {
    this.error = error
    this.leave()
  }

  /** The client is connected elsewhere. */
  leave(): void {
    this.ended = true
    this.endedAt = this.clock.monotonic()
    this.drain?.gone(this)
  }
}

function setUp(streams: number, polled = 0) {
  const clock = new FakeClock()
  const all = Array.from({ length: streams + polled }, (_, i) => new TestStream(clock, i < polled))
  const drain = new Drain({ streams: all, ms: MS, clock })
  for (const stream of all) stream.drain = drain
  let done = false
  void drain.done.then(() => {
    done = true
  })
  return { clock, all, drain, isDone: () => done }
}

/** How many fall into each second. */
function perSecond(times: readonly number[]): number[] {
  const seconds: number[] = []
  for (const time of times) {
    const second = Math.floor(time / 1000)
    seconds[second] = (seconds[second] ?? 0) + 1
  }
  return [...seconds]
}

describe('a drain', () => {
  it('tells each stream once when to go, as many in each second, and ends none', () => {
    const { clock, all } = setUp(4000)
    clock.advance(SPREAD)
    expect(all.every(({ told, ended }) => told.length === 1 && !ended)).toBe(true)
    const seconds = perSecond(all.flatMap(({ told }) => told))
    expect(seconds).toHaveLength(8)
    for (const count of seconds) expect(Math.abs(count - 500)).toBeLessThanOrEqual(2)
  })

  it('tells them in small steps', () => {
    const { clock, all } = setUp(4000)
    const told = () => all.filter(({ told }) => told.length > 0).length
    let before = 0
    while (before < 4000) {
      expect(told() - before).toBeLessThanOrEqual(100)
      expect(told()).toBeGreaterThan(before)
      before = told()
      clock.advance(20)
    }
  })

  it('tells very many before half of the time is over', () => {
    const { clock, all } = setUp(30_000)
    clock.advance(SPREAD / 2)
    expect(all.every(({ told }) => told.length === 1)).toBe(true)
  })

  it('answers held polls when their time has come, and tells them nothing before', () => {
    const { clock, all } = setUp(0, 800)
    clock.advance(SPREAD + 20)
    expect(all.every(({ told }) => told.length === 0)).toBe(true)
    expect(all.every(({ error }) => error?.code === 'draining' && error.retryAfter === 0)).toBe(true)
    const seconds = perSecond(all.map(({ endedAt }) => endedAt ?? -1))
    for (const count of seconds.slice(0, 8)) expect(Math.abs(count - 100)).toBeLessThanOrEqual(4)
  })

  it('is over when nobody is left, however they went', async () => {
    const { clock, all, isDone } = setUp(100, 50)
    clock.advance(SPREAD + 20)
    for (const stream of all.slice(51)) stream.leave()
    await clock.advanceAsync(0)
    expect(isDone()).toBe(false)
    all[50]?.leave()
    await clock.advanceAsync(0)
    expect(isDone()).toBe(true)
    clock.advance(20)
    expect(clock.pending).toBe(0)
  })

  it('is over at once where there is nobody', async () => {
    const { clock, isDone } = setUp(0)
    await clock.advanceAsync(0)
    expect([isDone(), clock.pending]).toEqual([true, 0])
  })

  it('ends what is left, in small steps, and has them come back within two seconds', async () => {
    const { clock, all, isDone } = setUp(4000)
    await clock.advanceAsync(MS - 1)
    const ended = () => all.filter((stream) => stream.ended).length
    expect(ended()).toBe(0)
    let before = 0
    while (before < 4000) {
      clock.advance(20)
      expect(ended() - before).toBeLessThanOrEqual(100)
      before = ended()
    }
    await clock.advanceAsync(20)
    expect(clock.monotonic()).toBeLessThanOrEqual(MS + 1000)
    const waits = all.map(({ error }) => error?.retryAfter ?? -1)
    expect(all.every(({ error }) => error?.code === 'draining')).toBe(true)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...waits)).toBeLessThan(2000)
    expect(Math.max(...waits)).toBeGreaterThan(1500)
    expect([isDone(), clock.pending]).toEqual([true, 0])
  })

  it('has few come back sooner: at the pace of the others', () => {
    const { clock, all } = setUp(1000)
    clock.advance(SPREAD)
    for (const stream of all.slice(0, 990)) stream.leave()
    clock.advance(MS - SPREAD)
    const waits = all.slice(990).map(({ error }) => error?.retryAfter ?? -1)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...waits)).toBeLessThan(MS / 100)
  })

  it('says nothing to who went before it was told', () => {
    const { clock, all } = setUp(150)
    all[149]?.leave()
    clock.advance(SPREAD)
    expect(all[149]?.told).toEqual([])
  })
})
