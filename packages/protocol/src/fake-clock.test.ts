import { describe, expect, it } from 'vitest'
import { FakeClock } from './fake-clock'

describe('a fake clock', () => {
  it('runs timers in the order of their times, then in the order in which they were set', () => {
    const clock = new FakeClock(1000)
    const ran: string[] = []
    const note = (name: string) => () => ran.push(`${name} ${clock.monotonic()} ${clock.now()}`)
    clock.setTimeout(note('c'), 20)
    clock.setTimeout(note('a'), 10)
    clock.setTimeout(note('b'), 10)
    clock.clearTimeout(clock.setTimeout(note('never'), 15))
    clock.advance(19)
    expect(ran).toEqual(['a 10 1010', 'b 10 1010'])
    expect(clock.pending).toBe(1)
    clock.advance(1)
    expect(ran).toHaveLength(3)
    expect(clock.pending).toBe(0)
  })

  it('runs timers that timers set, in time', () => {
    const clock = new FakeClock()
    const ran: number[] = []
    const again = () => {
      ran.push(clock.monotonic())
      clock.setTimeout(again, 10)
    }
    again()
    clock.advance(35)
    expect(ran).toEqual([0, 10, 20, 30])
    expect(clock.monotonic()).toBe(35)
  })

  it('lets promises run between timers when it is awaited', async () => {
    const clock = new FakeClock()
    const sleep = (ms: number) => new Promise<void>((resolve) => clock.setTimeout(resolve, ms))
    const ran: number[] = []
    const work = async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(10)
        ran.push(clock.monotonic())
      }
    }
    void work()
    await clock.advanceAsync(30)
    expect(ran).toEqual([10, 20, 30])
  })

  it('lets the event loop go round between timers when it is awaited', async () => {
    const clock = new FakeClock()
    const ran: number[] = []
    const work = () => {
      setImmediate(() => ran.push(clock.monotonic()))
      if (clock.monotonic() < 20) clock.setTimeout(work, 10)
    }
    work()
    await clock.advanceAsync(1000)
    expect(ran).toEqual([0, 10, 20])
  })

  it('knows whole milliseconds alone', () => {
    const clock = new FakeClock(1000)
    let rang = 0
    clock.setTimeout(() => rang++, 0.4)
    clock.advance(0.7)
    expect([rang, clock.now()]).toEqual([0, 1000])
    clock.advance(0.3)
    expect([rang, clock.now()]).toEqual([1, 1001])
  })

  it('steps its wall time without touching durations', () => {
    const clock = new FakeClock(1000)
    clock.step(-500)
    expect([clock.now(), clock.monotonic()]).toEqual([500, 0])
  })
})
