/** What the Redis broker does when Redis, or the way to it, fails in the ways that only Redis has. */
import { compareIds, type Id, isRealtimeError, timeOfId } from '@rt/protocol'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type BrokerListener, lifeOfLast, type Publication, type ReadAnswer, type ReadResult } from '../../ports/broker'
import { type RedisBroker, type RedisBrokerOptions, redis } from '../../redis'
import { RedisServer } from '../../testing/redis-server'
import { TcpProxy } from '../../testing/tcp-proxy'
import { documentedRules } from './permissions.fixture'

// Real processes on a busy machine: generous, and never what is asserted.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const HISTORY = { size: 100, ttl: 60_000 }
const LONG = { size: 1000, ttl: 60_000 }

let server: RedisServer
const closing: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  server = await RedisServer.start()
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await server.close()
})

interface TestNode {
  readonly broker: RedisBroker
  readonly publications: Publication[]
  readonly live: string[]
  /** `up` and `down` of partition 0, as reported. */
  readonly states: string[]
}

function start(target: Parameters<typeof redis>[0], options: RedisBrokerOptions = {}): TestNode {
  const broker = redis(target, options)
  closing.push(() => broker.close())
  const node: TestNode = { broker, publications: [], live: [], states: [] }
  const listener: BrokerListener = {
    publication: (publication) => node.publications.push(publication),
    live: (_channel, body) => node.live.push(body),
    presence: () => {},
    up: (partition) => partition === 0 && node.states.push('up'),
    down: (partition) => partition === 0 && node.states.push('down'),
  }
  broker.start(listener)
  return node
}

/** Waits until this many ups and downs were reported. */
const reported = (node: TestNode, ...states: string[]) => vi.waitFor(() => expect(node.states).toEqual(states), 10_000)

async function connected(options?: RedisBrokerOptions): Promise<TestNode> {
  const node = start(server.url, options)
  await reported(node, 'up')
  return node
}

let messages = 0
const publish = ({ broker }: TestNode, channel = 'chat:1', messageId = `m${messages++}`, history = HISTORY) =>
  broker.publish({ channel, messageId, body: '"data":1', history, dedupe: 60_000 })

async function read({ broker }: TestNode, channel = 'chat:1'): Promise<ReadResult & { readonly answer: ReadAnswer }> {
  for (let epoch: Id | null = null; ; ) {
    const result: ReadResult = await broker.read(0, epoch, [
      { channel, after: null, last: 1000, life: lifeOfLast(HISTORY) },
    ])
    const answer = result.answers?.[0]
    if (answer !== undefined) return { ...result, answer }
    epoch = result.epoch
  }
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: unknown) => (isRealtimeError(error) && error.code === 'broker_unavailable' ? error.outcome : error),
  )

describe.skipIf(!process.env['REDIS_SERVER'])('connections', () => {
  test('a broker that starts before its Redis rejects as failed, and comes up with it', async () => {
    await server.kill()
    const node = start(server.url)
    expect(await outcome(publish(node))).toBe('failed')
    expect(await outcome(node.broker.subscribe(0, ['chat:1']))).toBe('failed')
    expect(node.broker.health).toMatchObject({ up: false, deaf: 0 })
    expect(node.broker.health.problem?.message).toContain('ECONNREFUSED')
    node.broker.publishLive('chat:1', '"data":1')
    await server.start()
    await reported(node, 'up')
    expect(await outcome(publish(node))).toBe('done')
    expect(node.broker.health).toMatchObject({ up: true, problem: null })
  })

  test('a publish right after the start waits for the first connection', async () => {
    expect(await outcome(publish(start(server.url)))).toBe('done')
  })

  test.each(['pubsub', 'normal'])(
    'a killed %s connection is down and up, and every publish that is retried is stored once',
    async (type) => {
      const node = await connected()
      await node.broker.subscribe(0, ['chat:1'])
      const all = Array.from({ length: 300 }, (_, i) => outcome(publish(node, 'chat:1', `k${i}`, LONG)))
      await server.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes')
      for (const result of await Promise.all(all)) expect(['done', 'failed', 'unknown']).toContain(result)
      await reported(node, 'up', 'down', 'up')
      // Whichever connection it was: nothing is subscribed after it.
      expect(await server.command('PUBSUB', 'CHANNELS', '*:ch:*')).toEqual([])
      const retried = await Promise.all(Array.from({ length: 300 }, (_, i) => publish(node, 'chat:1', `k${i}`, LONG)))
      const { answer } = await read(node)
      expect(new Set(retried.map(({ id }) => id))).toEqual(new Set(answer.entries.map(({ id }) => id)))
      expect(answer.entries).toHaveLength(300)
    },
  )

  test('publishing goes on while only the listening connection is away', async () => {
    const proxy = await TcpProxy.start(server.port)
    closing.push(() => proxy.close())
    const node = start(`redis://127.0.0.1:${proxy.port}`, { timeout: 300 })
    await reported(node, 'up')
    proxy.deafen = true
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await reported(node, 'up', 'down')
    expect(await outcome(publish(node))).toBe('done')
    expect(await outcome(node.broker.subscribe(0, ['chat:1']))).toBe('failed')
    proxy.deafen = false
    await reported(node, 'up', 'down', 'up')
  })

  test('nothing arrives any more once `down` was reported', async () => {
    const mine = new Redis(server.url, { lazyConnect: true })
    const made: Redis[] = []
    const duplicate = mine.duplicate.bind(mine)
    mine.duplicate = (options) => {
      made.push(duplicate(options))
      return made.at(-1) as Redis
    }
    const node = start(mine)
    await reported(node, 'up')
    await node.broker.subscribe(0, ['chat:1'])
    const old = [...made]
    const arrive = () => {
      for (const connection of old) connection.emit('message', '{rt:0}:ch:chat:1', 'l other\n"data":1')
    }
    // Only the listening one of the two is listened to.
    arrive()
    expect(node.live).toHaveLength(1)
    await server.command('CLIENT', 'KILL', 'TYPE', 'normal')
    await reported(node, 'up', 'down', 'up')
    arrive()
    expect(node.live).toHaveLength(1)
  })

  test('a node is not up while its connections lead to two different Redis', async () => {
    const other = await RedisServer.start()
    closing.push(() => other.close())
    let connections = 0
    let mixed = true
    const proxy = await TcpProxy.start(() => (mixed && connections++ % 2 === 0 ? other.port : server.port))
    closing.push(() => proxy.close())
    const node = start(`redis://127.0.0.1:${proxy.port}`)
    await vi.waitFor(() => expect(connections).toBeGreaterThan(5), 10_000)
    expect(node.states).toEqual([])
    expect(await outcome(node.broker.subscribe(0, ['chat:1']))).toBe('failed')
    mixed = false
    await reported(node, 'up')
  })

  test('a listening connection that is open but deaf is found by the probe and replaced', async () => {
    const proxy = await TcpProxy.start(server.port)
    closing.push(() => proxy.close())
    const node = start(`redis://127.0.0.1:${proxy.port}`, { silence: 50 })
    await reported(node, 'up')
    proxy.deafen = true
    await vi.waitFor(() => expect(node.broker.health).toMatchObject({ up: false, deaf: 1 }), 10_000)
    proxy.deafen = false
    await reported(node, 'up', 'down', 'up')
    await node.broker.subscribe(0, ['chat:1'])
    const { id } = await publish(node)
    await vi.waitFor(() => expect(node.publications.at(-1)?.id).toBe(id))
  })

  test('silence alone is not deafness', async () => {
    const node = await connected({ silence: 20 })
    const probes = new Redis(server.url)
    closing.push(async () => probes.disconnect())
    let heard = 0
    probes.on('pmessage', () => heard++)
    await probes.psubscribe('*:probe:*')
    await vi.waitFor(() => expect(heard).toBeGreaterThan(5), 5000)
    expect(node.states).toEqual(['up'])
    expect(node.broker.health.deaf).toBe(0)
  })

  test('tens of thousands of subscribes go out in order and piece by piece', async () => {
    const node = await connected()
    const channels = Array.from({ length: 15_000 }, (_, i) => `chat:${i}`)
    const all = node.broker.subscribe(0, channels)
    node.broker.unsubscribe(0, channels.slice(1))
    await Promise.all([all, node.broker.subscribe(0, ['chat:2'])])
    const numsub = (i: number) => server.command('PUBSUB', 'NUMSUB', `{rt:0}:ch:chat:${i}`)
    for (const [i, count] of [
      [0, 1],
      [1, 0],
      [2, 1],
      [14_999, 0],
    ] as const)
      expect(((await numsub(i)) as unknown[])[1]).toBe(count)
  })

  test('subscribes that wait when the connection is lost reject', async () => {
    const node = await connected()
    const channels = Array.from({ length: 30_000 }, (_, i) => `chat:${i}`)
    const waiting = outcome(node.broker.subscribe(0, channels))
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    expect(['failed', 'unknown']).toContain(await waiting)
    await reported(node, 'up', 'down', 'up')
    expect(await server.command('PUBSUB', 'CHANNELS', '*:ch:*')).toEqual([])
  })

  test('a frozen Redis makes publishes unknown, and a retry after it thawed finds them stored once', async () => {
    const node = await connected({ timeout: 300 })
    const before = await publish(node)
    server.pause()
    expect(await outcome(publish(node, 'chat:1', 'frozen'))).toBe('unknown')
    expect(await outcome(publish(node, 'chat:1', 'frozen'))).toBe('failed')
    await reported(node, 'up', 'down')
    server.resume()
    await reported(node, 'up', 'down', 'up')
    const retried = await publish(node, 'chat:1', 'frozen')
    const { answer } = await read(node)
    expect(answer.entries.map(({ id }) => id)).toEqual([before.id, retried.id])
  })

  test('close leaves no connection, lets what was sent before finish, and refuses what comes after', async () => {
    const node = await connected()
    const last = publish(node)
    await Promise.all([node.broker.close(), last])
    await vi.waitFor(async () => {
      expect(
        String(await server.command('CLIENT', 'LIST'))
          .trim()
          .split('\n'),
      ).toHaveLength(1)
    })
    expect(await outcome(publish(node))).toBe('failed')
    expect(await outcome(node.broker.subscribe(0, ['chat:1']))).toBe('failed')
    expect(await outcome(node.broker.read(0, null, []))).toBe('failed')
    expect(node.states).toEqual(['up'])
  })

  test('close while Redis is away, or before the start, ends at once', async () => {
    await server.kill()
    await start(server.url).broker.close()
    await redis(server.url).close()
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('scripts', () => {
  test('SCRIPT FLUSH is not noticed', async () => {
    const node = await connected()
    const first = await publish(node)
    await server.command('SCRIPT', 'FLUSH')
    const second = await publish(node)
    await server.command('SCRIPT', 'FLUSH')
    expect((await read(node)).answer.entries.map(({ id }) => id)).toEqual([first.id, second.id])
    expect(node.states).toEqual(['up'])
  })

  test('out of memory: publishes fail, nothing is stored or announced, reads go on', async () => {
    const node = await connected()
    await node.broker.subscribe(0, ['chat:1'])
    const first = await publish(node)
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    expect(await outcome(publish(node, 'chat:1', 'full'))).toBe('failed')
    expect((await read(node)).answer.entries.map(({ id }) => id)).toEqual([first.id])
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    const second = await publish(node, 'chat:1', 'full')
    expect(second.duplicate).toBe(false)
    await vi.waitFor(() => expect(node.publications.map(({ id }) => id)).toEqual([first.id, second.id]))
    expect(node.states).toEqual(['up'])
  })

  test('out of memory does not hide a new epoch', async () => {
    const { epoch } = await read(await connected())
    await server.command('HSET', '{rt:0}:clock', 'identity', 'another Redis')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    expect((await read(await connected())).epoch).not.toBe(epoch)
  })

  test("a key of another type in a log's place fails the publish and leaves the clock right", async () => {
    const node = await connected()
    await node.broker.subscribe(0, ['chat:1', 'chat:2'])
    await server.command('SET', '{rt:0}:log:chat:1', 'not a stream')
    expect(await outcome(publish(node, 'chat:1'))).toBe('failed')
    const { id } = await publish(node, 'chat:2')
    await vi.waitFor(() => expect(node.publications.map((publication) => publication.id)).toEqual([id]))
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('the clock', () => {
  test('never goes back when it is ahead of the time of Redis', async () => {
    const node = await connected()
    const { id: before } = await publish(node)
    const ahead = timeOfId(before) + 3_600_000
    await server.command('HSET', '{rt:0}:clock', 'ms', ahead, 'n', 5)
    const ids = [before]
    for (let i = 0; i < 20; i++) ids.push((await publish(node, `chat:${i % 3}`)).id)
    expect(ids).toEqual([...ids].sort(compareIds))
    expect(new Set(ids).size).toBe(21)
    expect(timeOfId(ids[1] as Id)).toBe(ahead)
    // A `prev` that was never stored is counted from this clock, not from the time of Redis.
    expect((await read(node, 'chat:2')).answer.entries[0]?.prev).toBe(`${ahead - lifeOfLast(HISTORY)}-0`)
  })

  test('that is lost while logs and other nodes live starts an epoch beyond all of them', async () => {
    const [a, b] = [await connected(), await connected()]
    await publish(a)
    const ahead = Date.now() + 3_600_000
    await server.command('HSET', '{rt:0}:clock', 'ms', ahead)
    const before = await publish(a)
    const { epoch } = await read(a)
    await server.command('DEL', '{rt:0}:clock')
    // b has never seen an id; only the channel's own keys tell it.
    const after = await publish(b)
    const now = await read(b)
    expect(compareIds(before.id, after.id)).toBeLessThan(0)
    expect(now.epoch).not.toBe(epoch)
    expect(now.past).toEqual([])
    expect(now.answer.entries.map(({ id }) => id).slice(-2)).toEqual([before.id, after.id])
  })

  test.each([
    ['log', 'last'],
    ['last', 'log'],
  ])("that is lost stamps beyond what a channel's %s alone tells", async (_kept, lost) => {
    const [a, b] = [await connected(), await connected()]
    await publish(a)
    await server.command('HSET', '{rt:0}:clock', 'ms', Date.now() + 3_600_000)
    const before = await publish(a)
    await server.command('DEL', '{rt:0}:clock', `{rt:0}:${lost}:chat:1`)
    const after = await publish(b)
    expect(compareIds(before.id, after.id)).toBeLessThan(0)
    expect((await read(b)).head).toBe(after.id)
  })

  test('does not fall behind an id that the caller has seen, whoever began the epoch', async () => {
    const [a, b] = [await connected(), await connected()]
    await publish(a)
    await server.command('HSET', '{rt:0}:clock', 'ms', Date.now() + 3_600_000)
    const before = await publish(a)
    await server.command('FLUSHALL')
    expect(compareIds((await publish(b)).id, before.id)).toBeLessThan(0)
    const after = await publish(a, 'chat:2')
    expect(compareIds(before.id, after.id)).toBeLessThan(0)
    await server.command('FLUSHALL')
    expect(compareIds(after.id, (await read(a)).epoch)).toBeLessThan(0)
  })

  test('a channel whose newest id has expired is whole only back to (clock - life), even when the clock has stood still', async () => {
    const node = await connected()
    const { id } = await publish(node)
    const { epoch } = await read(node)
    // Ten days without a publication: `last` is gone, the clock still stands where it stood.
    const old = timeOfId(id) - 864_000_000
    await server.command('HSET', '{rt:0}:clock', 'ms', old, 'n', 7)
    await server.command('DEL', '{rt:0}:log:chat:1', '{rt:0}:last:chat:1')
    const result = await node.broker.read(0, epoch, [{ channel: 'chat:1', after: '0-0', last: 0, life: 3_600_000 }])
    // Nothing can be newer than the head; everything before it may be missing.
    expect(result.answers?.[0]).toEqual({ entries: [], more: false, last: `${old}-7` })
  })

  test('keeps the eight newest lives', async () => {
    const epochs: Id[] = []
    for (let life = 0; life < 11; life++) {
      epochs.push((await read(await connected())).epoch)
      await server.command('HSET', '{rt:0}:clock', 'identity', `life ${life}`)
    }
    const { past, epoch } = await read(await connected())
    expect(epochs).not.toContain(epoch)
    expect(past.map((life) => life.epoch)).toEqual(epochs.slice(-8))
    for (const life of past) expect(compareIds(life.epoch, life.end)).toBeLessThanOrEqual(0)
  })

  test('two nodes that call one Redis by different names learn anew instead of ending epoch after epoch', async () => {
    const node = await connected()
    await publish(node)
    await server.command('HSET', '{rt:0}:clock', 'identity', 'stale')
    await publish(node)
    await server.command('HSET', '{rt:0}:clock', 'identity', 'stale')
    await outcome(publish(node))
    await reported(node, 'up', 'down', 'up')
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('failover', () => {
  test('a replica is not up until it is promoted, and then begins a new epoch that remembers the old one', async () => {
    await server.command('CONFIG', 'SET', 'repl-diskless-sync-delay', '0')
    const replica = await RedisServer.start({ args: ['--replicaof', `127.0.0.1 ${server.port}`] })
    closing.push(() => replica.close())
    const before = await connected()
    const { id } = await publish(before)
    const old = await read(before)
    await vi.waitFor(async () => expect(await replica.command('GET', '{rt:0}:last:chat:1')).toBe(id), 20_000)

    const node = start(replica.url)
    await vi.waitFor(() => expect(node.broker.health.problem?.message).toContain('replica'))
    expect(await outcome(publish(node))).toBe('failed')
    await replica.command('REPLICAOF', 'NO', 'ONE')
    await reported(node, 'up')
    const now = await read(node)
    expect(now.past).toEqual([{ epoch: old.epoch, end: old.head }])
    expect(now.answer.entries.map((entry) => entry.id)).toEqual([id])
  })

  test('a demoted master fails publishes and is reported down', async () => {
    const other = await RedisServer.start()
    closing.push(() => other.close())
    const node = await connected()
    await server.command('REPLICAOF', '127.0.0.1', other.port)
    expect(await outcome(publish(node))).toBe('failed')
    await reported(node, 'up', 'down')
    await server.command('REPLICAOF', 'NO', 'ONE')
    await reported(node, 'up', 'down', 'up')
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('what others put on our channels', () => {
  test('anything that is no envelope is dropped and counted', async () => {
    const node = await connected()
    await node.broker.subscribe(0, ['chat:1'])
    const forged = [
      '',
      'x',
      'p',
      'p 1-0 0-0 1-0',
      'p 1-0 0-0\nx',
      'p 01-0 0-0 1-0\nx',
      'p a-b 0-0 1-0\nx',
      'l \nx',
      'l a b\nx',
      '\n',
      'q 1\nx',
    ]
    for (const payload of [...forged, 'p'.repeat(100_000), `l ${'n'.repeat(65)}\nx`]) {
      await server.command('PUBLISH', '{rt:0}:ch:chat:1', payload)
    }
    const { id } = await publish(node)
    await vi.waitFor(() => expect(node.publications.map((publication) => publication.id)).toEqual([id]))
    expect(node.live).toEqual([])
    expect(node.broker.health.malformed).toBe(forged.length + 2)
  })

  test('entries of a log that are not ours are left out and counted', async () => {
    const node = await connected()
    await publish(node)
    await server.command('XADD', '{rt:0}:log:chat:1', '*', 'field', 'value')
    expect((await read(node)).answer.entries).toHaveLength(1)
    expect(node.broker.health.malformed).toBe(1)
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('permissions', () => {
  test('those in docs/redis.md are enough', async () => {
    await server.command('ACL', 'SETUSER', 'rt', ...documentedRules())
    const node = start(server.url.replace('redis://', 'redis://rt:secret@'))
    await reported(node, 'up')
    await node.broker.subscribe(0, ['chat:1'])
    const { id } = await publish(node)
    await server.command('SCRIPT', 'FLUSH')
    await publish(node)
    expect((await read(node)).answer.entries).toHaveLength(2)
    await node.broker.read(0, (await read(node)).epoch, [{ channel: 'chat:1', after: id, last: 0, life: 1 }])
    await server.command('DEL', '{rt:0}:clock', '{rt:0}:last:chat:1')
    await server.command('XADD', '{rt:0}:log:chat:1', `${Date.now() + 3_600_000}-0`, 'a', 'b')
    const last = await publish(node)
    await vi.waitFor(() => expect(node.publications.at(-1)?.id).toBe(last.id))
    node.broker.unsubscribe(0, ['chat:1'])
    await node.broker.close()
    expect(await server.command('ACL', 'LOG')).toEqual([])
  })

  test('without INFO a rollback is known by what the node has seen', async () => {
    const user = ['--user', 'rt', 'on', '>secret', '~*', '&*', '+@all', '-info']
    const other = await RedisServer.start({ args: user })
    closing.push(() => other.close())
    const node = start(other.url.replace('redis://', 'redis://rt:secret@'))
    await reported(node, 'up')
    await publish(node)
    const before = await read(node)
    await other.save()
    const lost = await publish(node)
    await other.kill()
    await other.start()
    await reported(node, 'up', 'down', 'up')
    const next = await publish(node)
    expect(compareIds(lost.id, next.id)).toBeLessThan(0)
    expect((await read(node)).past).toEqual([{ epoch: before.epoch, end: before.head }])
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('history', () => {
  test('what is older than `ttl` is trimmed by the next publication, in whole nodes of the stream', async () => {
    const node = await connected()
    for (let i = 0; i < 250; i++) await publish(node, 'chat:1', undefined, LONG)
    await server.command('HINCRBY', '{rt:0}:clock', 'ms', 61_000)
    await publish(node, 'chat:1', undefined, LONG)
    const { answer } = await read(node)
    expect(answer.entries.length).toBeLessThanOrEqual(100)
  })

  test('every key but the clock expires', async () => {
    const node = await connected()
    const { id } = await publish(node, 'chat:1', 'm1')
    expect(await server.command('PTTL', '{rt:0}:clock')).toBe(-1)
    for (const [key, at] of [
      ['{rt:0}:log:chat:1', HISTORY.ttl],
      ['{rt:0}:last:chat:1', lifeOfLast(HISTORY) + 1],
      ['{rt:0}:id:m1:chat:1', 60_000],
    ] as const) {
      const expires = Number(await server.command('PEXPIRETIME', key))
      expect(Math.abs(expires - timeOfId(id) - at)).toBeLessThan(1000)
    }
    expect(await server.command('DBSIZE')).toBe(4)
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('the target', () => {
  test('an ioredis instance lends its options and is left alone', async () => {
    const mine = new Redis(server.url, { keyPrefix: 'app:', connectionName: 'mine' })
    closing.push(async () => mine.disconnect())
    await mine.set('x', '1')
    const node = start(mine)
    await reported(node, 'up')
    await node.broker.subscribe(0, ['chat:1'])
    const { id } = await publish(node)
    await vi.waitFor(() => expect(node.publications.map((publication) => publication.id)).toEqual([id]))
    expect((await read(node)).answer.entries).toHaveLength(1)
    await node.broker.close()
    expect(await mine.get('x')).toBe('1')
    expect(mine.listenerCount('error')).toBe(0)
  })

  test('RESP2 works as RESP3 does', async () => {
    const node = start({ port: server.port, host: '127.0.0.1', protocol: 2 })
    await reported(node, 'up')
    await node.broker.subscribe(0, ['chat:1'])
    node.broker.unsubscribe(0, ['chat:1'])
    await node.broker.subscribe(0, ['chat:1'])
    const { id } = await publish(node)
    await vi.waitFor(() => expect(node.publications.map((publication) => publication.id)).toEqual([id]))
    expect((await read(node)).answer.entries).toHaveLength(1)
  })

  test('two prefixes on one Redis do not meet', async () => {
    const [a, b] = [await connected({ prefix: 'a' }), await connected({ prefix: 'b' })]
    await Promise.all([a, b].map(({ broker }) => broker.subscribe(0, ['chat:1'])))
    const inA = await publish(a)
    const inB = await publish(b)
    await vi.waitFor(() => {
      expect(a.publications.map(({ id }) => id)).toEqual([inA.id])
      expect(b.publications.map(({ id }) => id)).toEqual([inB.id])
    })
  })

  test('what cannot be is refused at once', () => {
    const cluster = new Redis.Cluster([server.port], { lazyConnect: true })
    expect(() => redis(cluster as unknown as Redis)).toThrow(/Cluster/)
    expect(() => redis(undefined as unknown as string)).toThrow(/URL/)
    expect(() => redis(server.url, { prefix: '{x}' })).toThrow(/prefix/)
    expect(() => redis([])).toThrow(/at least one node/)
    for (const partitions of [0, 1.5, 1025]) expect(() => redis(server.url, { partitions })).toThrow(/partitions/)
    cluster.disconnect()
  })
})
