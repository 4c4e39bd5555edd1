// The herd of a deploy and of a crash: real clients on a fake clock, a model of the nodes, the server's own plan of a drain.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import type { Fleet } from './fleet'
import { Herd, histogram } from './herd'

type Node = Fleet['nodes'][number]

const clients = full ? 10_000 : 1_000
const seed = Number(process.env['RT_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

let herd: Herd
beforeEach(() => {
  let state = seed
  // Mulberry32.
  vi.spyOn(Math, 'random').mockImplementation(() => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  })
})
afterEach(() => {
  herd.close()
  vi.restoreAllMocks()
})

async function connected(nodes: number, aware = true): Promise<Herd> {
  herd = new Herd({ clients, nodes, aware })
  await herd.settle()
  expect(herd.connected).toBe(clients)
  herd.reconnecting = 0
  return herd
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)
const tell = (title: string, perSecond: readonly number[]) =>
  console.log(histogram(`${title} (${clients} clients, seed ${seed})`, perSecond))

const DRAIN = 10_000
/** The mean of a drain in which so many come; one second may have twice of it. */
const perSecond = (all: number) => all / (DRAIN / 1000)

describe('a deploy: one node after the other is drained for 10 s and started again', () => {
  it('is flat, each client comes once, and none is ever out, where the balancer leaves a node out that stops listening', async () => {
    await connected(3)
    for (const [i, node] of herd.fleet.nodes.entries()) {
      const moved = node.streams.size
      expect(moved).toBeGreaterThan(0)
      const done = node.drain(DRAIN)
      const seconds = await herd.perSecond(12)
      tell(`node ${i + 1} of 3 drains, ${moved} clients move`, seconds)
      await done
      node.start()
      expect(sum(seconds)).toBe(moved)
      expect(Math.max(...seconds)).toBeLessThanOrEqual(2 * perSecond(moved))
    }
    expect([herd.connected, herd.reconnecting]).toEqual([clients, 0])
  })

  it('is flat, and hardly one is out, where the balancer goes on to send clients to a node that refuses them', async () => {
    await connected(3, false)
    const [node] = herd.fleet.nodes
    const moved = node?.streams.size ?? 0
    const done = node?.drain(DRAIN)
    const seconds = await herd.perSecond(14)
    tell(`1 of 3 nodes drains, ${moved} clients move, ${herd.fleet.refused} times they are sent back to it`, seconds)
    await done
    expect(herd.fleet.refused).toBeGreaterThan(moved / 4)
    expect(sum(seconds)).toBeLessThan(2 * moved)
    expect(Math.max(...seconds)).toBeLessThanOrEqual(2 * perSecond(sum(seconds)))
    expect(herd.connected).toBe(clients)
    expect(herd.reconnecting).toBeLessThan(moved / 20)
  })
})

describe('a crash', () => {
  it('of one of three nodes brings its clients to the others once, evenly within the second of the first wait', async () => {
    await connected(3)
    const [node] = herd.fleet.nodes
    const lost = node?.streams.size ?? 0
    node?.kill()
    // A frame takes up to 45 ms each way.
    const tenths = await herd.per(100, 30)
    console.log(`1 of 3 nodes is killed, ${lost} clients come, in each tenth of a second: ${tenths.join(' ')}`)
    expect(sum(tenths)).toBe(lost)
    expect(sum(tenths.slice(0, 11))).toBe(lost)
    expect(Math.max(...tenths)).toBeLessThanOrEqual(2 * (lost / 10))
    expect([herd.connected, herd.reconnecting]).toEqual([clients, lost])
  })

  const AWAY = 20
  it.each([
    ['that refuses everybody for a while', (node: Node) => node.refuse()],
    ['that answers nobody for a while', (node: Node) => node.kill()],
  ])('of the only node, %s, has retries spread out', async (title, fall) => {
    await connected(1, false)
    const [node] = herd.fleet.nodes as [Node]
    fall(node)
    const away = await herd.perSecond(AWAY)
    node.start()
    const back = await herd.perSecond(45)
    tell(`the only node is killed, ${title}, and well after ${AWAY} s`, [...away, ...back])
    // Where nobody answers each try is one on each transport.
    const rungs = herd.fleet.refused > 0 ? 1 : 5
    const shares = (seconds: readonly number[]) => seconds.map((n) => n / rungs / clients)
    expect(sum(shares(away))).toBeLessThan(10)
    expect(Math.max(...shares(away.slice(5)))).toBeLessThan(0.6)
    expect(Math.max(...shares(away.slice(15)))).toBeLessThan(0.2)
    // Who comes to the node that is well again.
    expect(Math.max(...shares(back))).toBeLessThan(0.2)
    expect(herd.connected).toBe(clients)
  })
})
