/** The broker on a real Redis Cluster: the contracts, and what a Cluster alone can do to it. */
import { compareIds, isRealtimeError } from '@rt/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Publication } from '../../ports/broker'
import { redis } from '../../redis'
import { brokerContract } from '../../testing/broker-contract'
import { presenceContract } from '../../testing/presence-contract'
import { RedisCluster } from '../../testing/redis-cluster'
import { slot } from './keys'
import { documentedRules } from './permissions.fixture'

// Real processes on a busy machine: generous, and never what is asserted.
vi.setConfig({ testTimeout: 40_000, hookTimeout: 40_000 })

const onRedis = process.env['REDIS_SERVER'] ? describe : describe.skip
const HISTORY = { size: 10_000, ttl: 60_000 }
const PARTITIONS = 4

let cluster: RedisCluster
let stores = 0

onRedis('Redis Cluster', () => {
  beforeAll(async () => {
    cluster = await RedisCluster.start()
    for (const server of cluster.servers) await server.command('ACL', 'SETUSER', 'rt', ...documentedRules('Cluster'))
  })
  afterAll(() => cluster.close())

  /** As the user of docs/redis.md. */
  const target = () => cluster.urls.map((url) => url.replace('redis://', 'redis://rt:secret@'))

  const create = async () => {
    const prefix = `rt:${stores++}`
    const node = () => redis(target(), { prefix, partitions: PARTITIONS })
    return { brokers: [node(), node()] as const, close: async () => {} }
  }

  brokerContract({ describe, test }, 'Redis Cluster', {
    create,
    async cut() {
      await Promise.all(cluster.servers.map((server) => server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')))
    },
  })
  presenceContract({ describe, test }, 'Redis Cluster', { create })

  test('nothing in the contracts asked for more than the permissions in docs/redis.md', async () => {
    for (const server of cluster.servers) expect(await server.command('ACL', 'LOG')).toEqual([])
  })

  test('the slot of any key is the one that Redis gives it', async () => {
    const [server] = cluster.servers
    for (const key of ['{rt:0}:clock', 'user:7:online', 'user:ü😀:online'])
      expect(slot(key.startsWith('{') ? 'rt:0' : key)).toBe(await server?.command('CLUSTER', 'KEYSLOT', key))
  })

  test('where no node of the Cluster answers, publishes fail, and health says why', async () => {
    const broker = redis(['redis://127.0.0.1:1'])
    broker.start({ publication() {}, live() {}, presence() {}, up() {}, down() {} })
    const request = { channel: 'c', messageId: 'm', body: '"data":1', history: HISTORY, dedupe: 1000 }
    await expect(broker.publish(request)).rejects.toMatchObject({ code: 'broker_unavailable', outcome: 'failed' })
    expect(broker.health.up).toBe(false)
    expect(broker.health.problem?.message).toContain('ECONNREFUSED')
    await broker.close()
  })

  /** A node that listens to one channel of each partition, and reads the log at each `up`, as the core does; it keeps what it was told. */
  async function listening(prefix: string) {
    const broker = redis(cluster.urls, { prefix, partitions: PARTITIONS })
    const channels = new Map<number, string>()
    for (let i = 0; channels.size < PARTITIONS; i++) channels.set(broker.partition(`c:${i}`), `c:${i}`)
    const heard: Publication[] = []
    const states = Array.from({ length: PARTITIONS }, (): string[] => [])
    const confirmed = new Set<number>()
    broker.start({
      publication: (publication) => heard.push(publication),
      live() {},
      presence() {},
      up(partition) {
        states[partition]?.push('up')
        broker.subscribe(partition, [channels.get(partition) as string]).then(
          () => confirmed.add(partition),
          () => {},
        )
      },
      down(partition) {
        states[partition]?.push('down')
        confirmed.delete(partition)
      },
    })
    await vi.waitFor(() => expect(confirmed.size).toBe(PARTITIONS), 20_000)
    return { broker, channels, heard, states, confirmed }
  }
  type Listening = Awaited<ReturnType<typeof listening>>

  let messages = 0
  /** Publishes as a client does: again with the same messageId until it is stored. */
  async function publish({ broker }: Listening, channel: string) {
    const messageId = `m${messages++}`
    for (;;) {
      try {
        return await broker.publish({ channel, messageId, body: '"data":1', history: HISTORY, dedupe: 60_000 })
      } catch (error) {
        if (!isRealtimeError(error) || error.code !== 'broker_unavailable') throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }

  async function logged({ broker }: Listening, channel: string) {
    const partition = broker.partition(channel)
    const { epoch } = await broker.read(partition, null, [])
    const entries: string[] = []
    for (let after = '0-0', more = true; more; ) {
      const answer = (await broker.read(partition, epoch, [{ channel, after, last: 0, life: 1 }])).answers?.[0]
      if (answer === undefined) throw new Error('a new epoch')
      entries.push(...answer.entries.map(({ id }) => id))
      after = entries.at(-1) ?? after
      more = answer.more
    }
    return entries
  }

  function load(node: Listening) {
    let on = true
    const stored = new Map<string, string[]>()
    const loops = [...node.channels.values()].map(async (channel) => {
      const ids: string[] = []
      stored.set(channel, ids)
      while (on) ids.push((await publish(node, channel)).id)
    })
    return async () => {
      on = false
      await Promise.all(loops)
      return stored
    }
  }

  function inOrderOnce({ heard, channels }: Listening): void {
    for (const channel of channels.values()) {
      const ids = heard.filter((publication) => publication.channel === channel).map(({ id }) => id)
      for (let i = 1; i < ids.length; i++) expect(compareIds(ids[i - 1]!, ids[i]!)).toBeLessThan(0)
    }
  }

  test('partitions lie on all primaries, and each node listens to each of them', async () => {
    const node = await listening('spread')
    const owners = new Set<number>()
    for (let tag = 0; owners.size < 3 && tag < 100; tag++) owners.add((await cluster.primaryOf(`{spread:${tag}}`)).port)
    expect(owners.size).toBe(3)
    const counts = await Promise.all(
      cluster.servers.slice(0, 3).map((server) => server.command('PUBSUB', 'SHARDCHANNELS', '{spread:*}:ch:*')),
    )
    expect(counts.map((names) => (names as string[]).length).sort()).toEqual([1, 1, 2])
    await node.broker.close()
  })

  test('SCRIPT FLUSH on every primary is not noticed', async () => {
    const node = await listening('flush')
    for (const server of cluster.servers) await server.command('SCRIPT', 'FLUSH')
    for (const channel of node.channels.values())
      await node.broker.publish({ channel, messageId: 'x', body: '"data":1', history: HISTORY, dedupe: 1000 })
    await node.broker.close()
  })

  test('a slot that moves under load takes everything with it: nothing lost, nothing twice, in order, and the listener follows', async () => {
    const node = await listening('move')
    const channel = node.channels.get(0) as string
    const stop = load(node)
    await vi.waitFor(() => expect(node.heard.length).toBeGreaterThan(100), 20_000)
    const first = node.states[0]?.length ?? 0
    const [key] = (await Promise.all(
      cluster.servers.slice(0, 3).map((server) => server.command('KEYS', `{move:*}:log:${channel}`)),
    ).then((found) => found.flat())) as [string]
    await cluster.migrate(key)
    // Down at the old primary, up at the new one.
    await vi.waitFor(() => {
      expect(node.states[0]?.length).toBeGreaterThanOrEqual(first + 2)
      expect(node.confirmed.size).toBe(PARTITIONS)
    }, 20_000)
    const after = await publish(node, channel)
    await vi.waitFor(() => expect(node.heard.some(({ id }) => id === after.id)).toBe(true), 20_000)
    const stored = await stop()
    for (const [name, ids] of stored) {
      const log = await logged(node, name)
      expect(log.filter((id) => id !== after.id)).toEqual(ids)
    }
    inOrderOnce(node)
    await node.broker.close()
  })

  test('a primary that is killed under load is followed by its replica: a new epoch there, nothing at the others', async () => {
    const node = await listening('kill')
    const channel = node.channels.get(0) as string
    const stop = load(node)
    await vi.waitFor(() => expect(node.heard.length).toBeGreaterThan(100), 20_000)
    const before = await Promise.all(
      Array.from({ length: PARTITIONS }, async (_, partition) => (await node.broker.read(partition, null, [])).epoch),
    )
    const keys = await Promise.all(
      cluster.servers.map(async (server) => ({
        server,
        found: (await server.command('KEYS', `{kill:*}:log:${channel}`)) as string[],
      })),
    )
    const primary = await cluster.primaryOf(keys.find(({ found }) => found.length > 0)?.found[0] as string)
    const mine = (await primary.command('PUBSUB', 'SHARDCHANNELS', '{kill:*}:ch:*')) as string[]
    await primary.kill()
    await vi.waitFor(() => expect(node.states[0]?.slice(-2)).toEqual(['down', 'up']), 30_000)
    await vi.waitFor(() => expect(node.confirmed.size).toBe(PARTITIONS), 20_000)
    const last = await publish(node, channel)
    await vi.waitFor(() => expect(node.heard.some(({ id }) => id === last.id)).toBe(true), 20_000)
    const stored = await stop()
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const name = node.channels.get(partition) as string
      const { epoch, past } = await node.broker.read(partition, null, [])
      if (mine.some((shard) => shard.endsWith(`:ch:${name}`))) {
        // What the replica had not received is gone, and the epoch says so.
        expect(epoch).not.toBe(before[partition])
        expect(past.at(-1)?.epoch).toBe(before[partition])
      } else {
        expect(epoch).toBe(before[partition])
        expect(await logged(node, name)).toEqual(stored.get(name))
      }
    }
    inOrderOnce(node)
    await node.broker.close()
    await primary.start()
    await cluster.settled()
  })
})
