import { beforeEach, describe, expect, test } from 'vitest'
import { CHANNEL, GRACE, PresenceNode, RecordingSitter, seatOf, TTL } from './presence.fixture'

let node: PresenceNode
const ann = seatOf('ann')

beforeEach(async () => {
  node = await PresenceNode.start()
})

/** Enters through a stream that then holds the seat, as streams do. */
async function sitDown(sitter: RecordingSitter, seat = ann): Promise<void> {
  await node.presence.enter(seat, '1', sitter)
  node.presence.seats.hold(sitter, seat, null)
  await node.pass()
}

const count = () => node.other.count(CHANNEL)

describe('a seat', () => {
  test('is kept for as long as its stream is there', async () => {
    await sitDown(new RecordingSitter())
    await node.pass(10 * TTL)
    expect(await count()).toBe(1)
  })

  test('that no stream holds is gone after its time', async () => {
    await node.presence.enter(ann, '1', null)
    await node.pass(TTL - 1000)
    expect(await count()).toBe(1)
    await node.pass(7000)
    expect(await count()).toBe(0)
  })

  test('that was left is gone at once, and not asked for again', async () => {
    const sitter = new RecordingSitter()
    await sitDown(sitter)
    await node.presence.leave(ann)
    expect(await count()).toBe(0)
    await node.pass(2 * TTL)
    expect(sitter.missing).toEqual([])
  })

  test('that the store lost is asked of its client at the next beat', async () => {
    const sitter = new RecordingSitter()
    await sitDown(sitter)
    await sitDown(sitter, seatOf('ann', 'other'))
    await node.other.leave(ann)
    await node.pass(TTL / 2)
    expect(sitter.missing).toEqual([CHANNEL])
  })

  test('that was lost in an outage is asked of its client as soon as the store answers', async () => {
    const sitter = new RecordingSitter()
    await sitDown(sitter)
    node.away = true
    await node.other.leave(ann)
    await node.pass(2000)
    expect(sitter.missing).toEqual([])
    node.away = false
    await node.pass(1200)
    expect(sitter.missing).toEqual([CHANNEL])
  })

  test('that a new stream brings is taken over, or asked for when it is not there', async () => {
    await node.watch()
    await node.other.enter({ ...ann, state: '1', owner: 'elsewhere', ttl: TTL })
    const second = new RecordingSitter()
    node.presence.attach(second, [ann, seatOf('bob')], null)
    await node.pass()
    expect(second.missing).toEqual([CHANNEL])
    // The end of the stream that it came from counts for nothing now.
    await node.other.release(0, [ann], 'elsewhere', 0)
    await node.pass(7000)
    expect(await count()).toBe(1)
  })

  test('of which there are very many is kept all the same', async () => {
    const sitter = new RecordingSitter()
    const seats = Array.from({ length: 450 }, (_, i) => seatOf(`m${i}`))
    await Promise.all(seats.map((seat) => sitDown(sitter, seat)))
    await node.pass(3 * TTL)
    expect(await count()).toBe(450)
    expect(sitter.missing).toEqual([])
  })

  test('outlives an outage that is longer than itself', async () => {
    const sitter = new RecordingSitter()
    await sitDown(sitter)
    node.away = true
    await node.pass(2 * TTL)
    expect(await count()).toBe(1)
    node.away = false
    await node.pass(2 * TTL)
    expect(await count()).toBe(1)
    expect(sitter.missing).toEqual([])
  })
})

describe('the end of a stream', () => {
  test('lets its seats go after the grace', async () => {
    const sitter = new RecordingSitter()
    await sitDown(sitter)
    node.presence.seats.release(sitter, [ann])
    await node.pass(GRACE - 1000)
    expect(await count()).toBe(1)
    await node.pass(7000)
    expect(await count()).toBe(0)
  })

  test('is forgotten when the client comes back within the grace', async () => {
    const first = new RecordingSitter()
    await sitDown(first)
    node.presence.seats.release(first, [ann])
    await node.pass(GRACE / 2)
    const second = new RecordingSitter()
    node.presence.attach(second, [ann], null)
    await node.pass(10 * TTL)
    expect(await count()).toBe(1)
    expect(second.missing).toEqual([])
  })

  test('that comes behind the next stream takes nothing from it', async () => {
    const first = new RecordingSitter()
    await sitDown(first)
    const second = new RecordingSitter()
    node.presence.attach(second, [ann], null)
    node.presence.seats.release(first, [ann])
    await node.pass(10 * TTL)
    expect(await count()).toBe(1)
    node.presence.seats.release(second, [ann])
    await node.pass(GRACE + 7000)
    expect(await count()).toBe(0)
  })

  test('leaves the seat of a quick poll for the grace at least: the next one may take a moment', async () => {
    const sitter = new RecordingSitter()
    await node.presence.enter(ann, '1', null)
    await node.presence.attach(sitter, [ann], 100)
    node.presence.seats.release(sitter, [ann])
    await node.pass(GRACE - 500)
    expect(await count()).toBe(1)
    await node.pass(7000)
    expect(await count()).toBe(0)
  })

  test('says nothing when it was a poll: the seat has its own time', async () => {
    const poll = new RecordingSitter()
    await node.presence.enter(ann, '1', poll)
    node.presence.attach(poll, [ann], 30_000)
    await node.pass()
    node.presence.seats.release(poll, [ann])
    await node.pass(29_000)
    expect(await count()).toBe(1)
    await node.pass(7000)
    expect(await count()).toBe(0)
  })
})

describe('an identity', () => {
  const online = async () => (await node.presence.online(['ann']))[0]

  test('is online while a stream of it is open, and as long as a seat beyond', async () => {
    expect(await online()).toBe(false)
    const first = node.presence.seats.arrived('ann')
    const second = node.presence.seats.arrived('ann')
    expect(await online()).toBe(true)
    first()
    await node.pass(5 * TTL)
    expect(await online()).toBe(true)
    second()
    await node.pass(TTL)
    expect(await online()).toBe(false)
  })

  test('that is gone is not marked again when the store is back', async () => {
    const gone = node.presence.seats.arrived('ann')
    const sitter = new RecordingSitter()
    await sitDown(sitter, seatOf('bob'))
    gone()
    node.away = true
    await node.pass(2000)
    node.away = false
    await node.pass(TTL - 1000)
    expect(await node.other.isOnline(['ann'])).toEqual([false])
  })

  test('that came while the store was away is online once it is back', async () => {
    node.presence.attach(new RecordingSitter(), [ann], null)
    await node.pass()
    node.away = true
    await node.pass(2000)
    node.presence.seats.arrived('ann')
    expect(await online()).toBe(false)
    node.away = false
    await node.pass(2000)
    expect(await online()).toBe(true)
  })
})
