// Nodes on a Redis Cluster: a slot that moves under load, and a primary that is killed and followed by its replica. Real processes throughout.
import { RedisCluster } from '@rt/server/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Audience } from './audience.ts'
import { Node } from './nodes.ts'

const CLOCK = '{rt:0}:clock'

describe.skipIf(!process.env['REDIS_SERVER'])('a Redis Cluster', () => {
  let cluster: RedisCluster
  let nodes: [Node, Node]
  let audience: Audience
  const acknowledged: number[] = []

  beforeAll(async () => {
    cluster = await RedisCluster.start()
    nodes = await Promise.all([Node.start(cluster.urls), Node.start(cluster.urls)])
    audience = await Audience.at(nodes.map(({ port }) => port))
  }, 60_000)

  afterAll(async () => {
    audience?.close()
    await Promise.all((nodes ?? []).map(({ child }) => child.kill()))
    await cluster?.close()
  })

  async function publish(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const sequence = (acknowledged.at(-1) ?? 0) + 1
      await (nodes[i % 2] as Node).publish(sequence)
      acknowledged.push(sequence)
    }
  }

  const exactly = () => {
    expect(audience.judge(acknowledged)).toEqual([])
    for (const [name, told] of audience.told)
      expect([name, told.filter((one) => one !== 'gap')]).toEqual([name, acknowledged])
  }

  it('loses nothing when a slot moves to another primary in mid-stream, on any transport', async () => {
    await publish(10)
    let under: Promise<void> = Promise.resolve()
    const { from, to } = await cluster.migrate(CLOCK, async () => {
      // These wait until the slot is whole again.
      under = publish(5)
    })
    await under
    await publish(10)
    await audience.heard(acknowledged.at(-1) as number)
    exactly()
    // The control: it is there now.
    expect(await to.command('EXISTS', CLOCK)).toBe(1)
    expect(await from.command('PUBSUB', 'SHARDCHANNELS', '{rt:0}:ch:*')).toEqual([])
  }, 30_000)

  it('goes on at the replica when a primary is killed: a gap stands before anything newer, on any transport', async () => {
    const primary = await cluster.primaryOf(CLOCK)
    expect(await primary.command('WAIT', 1, 10_000)).toBe(1)
    const gaps = new Map([...audience.told].map(([name, told]) => [name, told.filter((one) => one === 'gap').length]))
    await primary.kill()
    await publish(10)
    await audience.heard(acknowledged.at(-1) as number)
    exactly()
    // The log is another one now, and nobody can know that it lost nothing.
    for (const [name, told] of audience.told)
      expect([name, told.filter((one) => one === 'gap').length]).toEqual([name, (gaps.get(name) as number) + 1])
  }, 60_000)
})
