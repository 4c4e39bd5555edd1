import { beforeEach, describe, expect, test } from 'vitest'
import { CHANNEL, PresenceNode, TTL } from './presence.fixture'
import { Pulse } from './pulse'

let node: PresenceNode
let pulse: Pulse
/** Each change of `known`, and each recovery, in order. */
let told: string[]

beforeEach(async () => {
  node = await PresenceNode.start()
  told = []
  pulse = new Pulse({
    store: node.broker.presence,
    partition: 0,
    clock: node.clock,
    ttl: TTL,
    changed: () => told.push(pulse.known ? 'known' : 'unknown'),
    recovered: () => told.push('recovered'),
  })
})

/** Linked and needed. */
async function beating(): Promise<void> {
  pulse.linkUp()
  pulse.use()
  await node.pass()
}

describe('the pulse', () => {
  test('does not beat before somebody needs it', async () => {
    pulse.linkUp()
    await node.pass(10_000)
    expect(told).toEqual([])
    expect(pulse.known).toBe(false)
  })

  test('knows with the first answer, and whoever waited goes on', async () => {
    const decided = pulse.decided()
    await beating()
    await decided
    expect(told).toEqual(['recovered', 'known'])
    await pulse.decided()
  })

  test('keeps nobody waiting whose link is lost', async () => {
    const decided = pulse.decided()
    pulse.linkDown()
    await decided
    expect(pulse.known).toBe(false)
  })

  test('says so to others: they have no hold after any time', async () => {
    await node.entered('ann')
    await beating()
    await node.pass(10 * TTL)
    expect(await node.other.pulse(0, { epoch: null, ttl: TTL, gap: 5000 })).toMatchObject({ hold: 0 })
    expect(told).toEqual(['recovered', 'known'])
  })

  test('knows nothing while the store refuses, decided all the same, and recovers', async () => {
    await beating()
    told.length = 0
    node.away = true
    await node.pass(1200)
    expect(told).toEqual(['unknown'])
    await pulse.decided()
    await node.pass(1200)
    expect(told).toEqual(['unknown'])
    node.away = false
    await node.pass(1200)
    // What is stored is mended before anybody trusts it.
    expect(told).toEqual(['unknown', 'recovered', 'known'])
  })

  test('knows nothing for as long as a seat behind a time without anybody', async () => {
    await node.entered('ann')
    await beating()
    told.length = 0
    node.away = true
    await node.pass(20_000)
    node.away = false
    await node.pass(1200)
    expect(told).toEqual(['unknown', 'recovered'])
    await node.pass(TTL - 3000)
    expect(pulse.known).toBe(false)
    await node.pass(4000)
    expect(told).toEqual(['unknown', 'recovered', 'known'])
  })

  test('knows nothing without a link, and an answer from before it was lost counts for nothing', async () => {
    pulse.use()
    pulse.linkUp()
    pulse.linkDown()
    await node.pass()
    expect(told).toEqual([])
    const decided = pulse.decided()
    pulse.linkUp()
    await node.pass()
    await decided
    expect(told).toEqual(['recovered', 'known'])
    pulse.linkDown()
    expect(told).toEqual(['recovered', 'known', 'unknown'])
  })

  test('sweeps who is gone', async () => {
    await beating()
    await node.entered('ann', 1, 2000)
    await node.entered('bob', 1, 20_000)
    await node.pass(4000)
    expect((await node.other.members(CHANNEL)).members.map(({ member }) => member)).toEqual(['bob'])
  })

  test('leaves no timer behind', async () => {
    const before = node.clock.pending
    await beating()
    expect(node.clock.pending).toBe(before + 1)
    pulse.close()
    expect(node.clock.pending).toBe(before)
    expect(pulse.known).toBe(false)
  })
})
