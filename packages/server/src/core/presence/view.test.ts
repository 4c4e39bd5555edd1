import { beforeEach, describe, expect, test } from 'vitest'
import { CHANNEL, LINGER, PresenceNode, TTL } from './presence.fixture'

let node: PresenceNode

beforeEach(async () => {
  node = await PresenceNode.start()
})

describe('a watched channel', () => {
  test('begins with the list, and each change follows', async () => {
    await node.entered('ann', 1)
    const watcher = await node.watch()
    expect(watcher.toldOnce).toBe(true)
    expect(watcher.events[0]).toMatchObject({ type: 'members', channel: CHANNEL })
    await node.entered('bob', { x: '"' })
    await node.entered('ann', 2)
    await node.left('bob')
    expect(watcher.take()).toEqual(['known: ann=1', 'enter bob={"x":"\\""}', 'update ann=2', 'leave bob={"x":"\\""}'])
  })

  test('is empty when nobody is there, and that is known', async () => {
    expect((await node.watch()).take()).toEqual(['known:'])
  })

  test('is told to each watcher, also to one that comes later', async () => {
    const first = await node.watch()
    await node.entered('ann', 1)
    const second = await node.watch()
    await node.entered('bob', 2)
    expect(first.take()).toEqual(['known:', 'enter ann=1', 'enter bob=2'])
    expect(second.take()).toEqual(['known: ann=1', 'enter bob=2'])
  })

  test('is told no more to one that stopped, and is given up some time behind the last', async () => {
    const watcher = await node.watch()
    watcher.take()
    node.presence.unwatch(CHANNEL, watcher)
    await node.entered('ann', 1)
    expect(watcher.take()).toEqual([])
    await node.pass(LINGER)
    await node.entered('bob', 2)
    expect((await node.watch()).take()).toEqual(['known: ann=1 bob=2'])
  })

  test('is kept for whoever comes and goes: each time the rest begins anew', async () => {
    const first = await node.watch()
    const { at } = first
    node.presence.unwatch(CHANNEL, first)
    await node.pass(LINGER - 1000)
    node.presence.unwatch(CHANNEL, await node.watch(at, true))
    await node.pass(2000)
    await node.entered('bob', 2)
    expect((await node.watch(at, true)).take()).toEqual(['enter bob=2'])
  })

  test('does not tell a change again that came while the list was asked for, and is in it', async () => {
    const watching = node.watch()
    await node.other.enter({ channel: CHANNEL, member: 'ann', client: 'c', state: '1', owner: 'o', ttl: TTL })
    expect((await watching).take()).toEqual(['known: ann=1'])
  })

  test('loses no change that came while the list was on its way, and is not in it', async () => {
    await node.entered('ann', 1)
    let arrive = () => {}
    node.late = new Promise((resolve) => {
      arrive = resolve
    })
    const watcher = await node.watch()
    await node.entered('bob', 2)
    expect(watcher.take()).toEqual([])
    arrive()
    await node.pass()
    expect(watcher.take()).toEqual(['known: ann=1', 'enter bob=2'])
  })

  test('whose notice was lost is read again, and the list is told', async () => {
    const watcher = await node.watch()
    node.lose = 1
    await node.entered('ann', 1)
    expect(watcher.take()).toEqual(['known:'])
    await node.entered('bob', 2)
    expect(watcher.take()).toEqual(['known: ann=1 bob=2'])
    await node.left('ann')
    expect(watcher.take()).toEqual(['leave ann=1'])
  })

  test('that cannot be read is read when the store answers', async () => {
    node.away = true
    const watcher = await node.watch()
    expect(watcher.take()).toEqual([])
    node.away = false
    await node.entered('ann', 1)
    await node.pass(2000)
    expect(watcher.take().at(-1)).toBe('known: ann=1')
  })
})

describe('a watcher that comes back', () => {
  test('is told the changes that it missed, and no list', async () => {
    const first = await node.watch()
    await node.entered('ann', 1)
    const since = first.at
    await node.entered('bob', 2)
    await node.left('ann')
    expect((await node.watch(since)).take()).toEqual(['enter bob=2', 'leave ann=1'])
  })

  test('and missed nothing is told where it stands; a poll is told nothing', async () => {
    const first = await node.watch()
    await node.entered('ann', 1)
    const stream = await node.watch(first.at)
    expect(stream.take()).toEqual(['known'])
    const poll = await node.watch(first.at, true)
    expect(poll.take()).toEqual([])
    expect(poll.toldOnce).toBe(true)
    await node.entered('bob', 2)
    expect(poll.take()).toEqual(['enter bob=2'])
  })

  test('over a change that this node missed too is told the list', async () => {
    const since = (await node.watch()).at
    await node.entered('ann', 1)
    node.lose = 1
    await node.entered('bob', 2)
    await node.entered('cid', 3)
    expect((await node.watch(since)).take()).toEqual(['known: ann=1 bob=2 cid=3'])
  })

  test.each(['garbage', '1-1_0-0_1', ''])('with a place that is none (%j) is told the list', async (since) => {
    await node.watch()
    await node.entered('ann', 1)
    expect((await node.watch(since)).take()).toEqual(['known: ann=1'])
  })

  test('after more changes than are kept is told the list', async () => {
    const first = await node.watch()
    await node.entered('ann', 0)
    const since = first.at
    for (let i = 1; i <= 256; i++) await node.entered('ann', i)
    expect((await node.watch(since)).take()).toHaveLength(256)
    await node.entered('ann', 257)
    expect((await node.watch(since)).take()).toEqual(['known: ann=257'])
  })

  test('and was told while nothing was sure is told the list', async () => {
    await node.entered('ann', 1)
    const watcher = await node.watch()
    node.away = true
    await node.pass(2000)
    const since = watcher.at
    node.away = false
    await node.pass(2000)
    expect((await node.watch(since, true)).take()).toEqual(['known: ann=1'])
  })
})

describe('while the store cannot be trusted', () => {
  test('that is said, and when it is over', async () => {
    await node.entered('ann', 1)
    const watcher = await node.watch()
    watcher.take()
    node.away = true
    await node.pass(2000)
    expect(watcher.take()).toEqual(['unknown'])
    node.away = false
    await node.pass(2000)
    expect(watcher.take()).toEqual(['known'])
  })

  test('who comes is told what is there, and the whole list when it is sure', async () => {
    await node.entered('ann', 1)
    const first = await node.watch()
    first.take()
    node.away = true
    await node.pass(2000)
    const second = await node.watch()
    expect(second.take()).toEqual(['unknown: ann=1'])
    node.away = false
    await node.pass(2000)
    expect(second.take()).toEqual(['known: ann=1'])
  })

  test('a lost link is told, and what changed behind it as a list', async () => {
    await node.entered('ann', 1)
    const watcher = await node.watch()
    watcher.take()
    node.presence.linkDown(0)
    expect(watcher.take()).toEqual(['unknown'])
    node.presence.linkUp(0)
    await node.pass()
    expect(watcher.take()).toEqual(['known'])
    node.presence.linkDown(0)
    node.lose = 2
    await node.entered('bob', 2)
    await node.left('ann')
    node.presence.linkUp(0)
    await node.pass()
    expect(watcher.take()).toEqual(['unknown', 'known: bob=2'])
  })

  test('nobody is told to have left: not before a seat had its time to be kept again', async () => {
    await node.entered('ann', 1, 3000)
    const watcher = await node.watch()
    node.presence.linkDown(0)
    await node.pass(20_000)
    node.presence.linkUp(0)
    await node.pass(TTL - 2000)
    expect(watcher.take()).toEqual(['known: ann=1', 'unknown', 'unknown'])
    await node.pass(5000)
    expect(watcher.take()).toEqual(['known', 'leave ann=1'])
  })
})
