import type { Id } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { afterEach, describe, expect, test } from 'vitest'
import { PartitionLog } from './log'

const { slice, filter } = Array.prototype
const { delete: remove } = Map.prototype
afterEach(() => {
  Array.prototype.slice = slice
  Array.prototype.filter = filter
  Map.prototype.delete = remove
})

/** The elements that are copied or looked at as a whole array meanwhile. */
function touched(run: () => void): number {
  let count = 0
  Array.prototype.slice = function (...range) {
    const result = slice.apply(this, range)
    count += result.length
    return result
  }
  Array.prototype.filter = function (this: unknown[], ...args: Parameters<typeof filter>) {
    count += this.length
    return filter.apply(this, args)
  } as typeof filter
  run()
  Array.prototype.slice = slice
  Array.prototype.filter = filter
  return count
}

const setUp = (dedupe = 1_000) => {
  const clock = new FakeClock(1_000)
  const log = new PartitionLog(clock, 0)
  let n = 0
  const publish = (history = { size: 1_000, ttl: 60_000 }, messageId = `m${n++}`): Id =>
    log.publish('a', { channel: 'c', messageId, body: '', history, dedupe }).published.id
  const epoch = log.read('a', null, []).epoch
  const read = (after: Id | null, last: number) =>
    log.read('a', epoch, [{ channel: 'c', after, last, life: 60_000 }]).answers?.[0]
  return { clock, publish, read }
}

describe('the log of a channel', () => {
  test.each([
    ['its size', { size: 1_000, ttl: 60_000 }],
    ['its time', { size: 1_000_000, ttl: 1_000 }],
  ])('costs the same for each publication, however much it holds: bounded by %s', (_, history) => {
    const { clock, publish, read } = setUp()
    const cost = touched(() => {
      for (let i = 0; i < 10_000; i++) {
        clock.advance(1)
        publish(history)
      }
    })
    expect(cost).toBeLessThan(10 * 10_000)
    const kept = read(null, 10_000)?.entries.length
    expect(kept).toBeGreaterThanOrEqual(1_000)
    expect(kept).toBeLessThanOrEqual(1_256)
  })

  test('is read from a place without a look at all that lies before', () => {
    const { publish, read } = setUp()
    const ids = Array.from({ length: 1_000 }, () => publish())
    let after: Id[] = []
    const cost = touched(() => {
      after = (read(ids[989] as Id, 0)?.entries ?? []).map(({ id }) => id)
    })
    expect(after).toEqual(ids.slice(990))
    expect(cost).toBeLessThan(20)
    expect(read('0-0', 0)).toMatchObject({ more: true, entries: { length: 500 } })
    expect(read(ids[499] as Id, 0)).toMatchObject({ more: false, entries: { length: 500 } })
    expect(read(ids.at(-1) as Id, 0)).toMatchObject({ more: false, entries: [] })
  })
})

test('a messageId that is used again after its time does not keep those behind it', () => {
  const { clock, publish } = setUp(100)
  publish(undefined, 'first')
  clock.advance(50)
  publish(undefined, 'second')
  clock.advance(100)
  const removed: unknown[] = []
  Map.prototype.delete = function (key) {
    removed.push(key)
    return remove.call(this, key)
  }
  publish(undefined, 'first')
  expect(removed).toContain('c second')
})
