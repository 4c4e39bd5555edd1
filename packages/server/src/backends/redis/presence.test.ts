import { readFile } from 'node:fs/promises'
import type { Id } from '@rt/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { redis } from '../../redis'
import { presenceContract } from '../../testing/presence-contract'
import { RedisServer } from '../../testing/redis-server'

// Real processes on a busy machine: generous, and never what is asserted.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const onRedis = process.env['REDIS_SERVER'] ? describe : describe.skip
/** Keys of others in the same database. */
const FOREIGN = process.env['RT_TEST_SIZE'] === 'full' ? 1_000_000 : 20_000

let server: RedisServer
let stores = 0

beforeAll(async () => {
  server = await RedisServer.start({ args: ['--enable-debug-command', 'local'] })
})
afterAll(() => server.close())

for (const partitions of [1, 4]) {
  presenceContract({ describe: onRedis, test }, `Redis with ${partitions} partition(s)`, {
    async create() {
      await server.erase()
      const prefix = `t${stores++}`
      const brokers = [redis(server.url, { prefix, partitions }), redis(server.url, { prefix, partitions })] as const
      return { brokers, close: async () => {} }
    },
  })
}

onRedis('presence on Redis', () => {
  async function started(url = server.url, prefix = `t${stores++}`) {
    await server.erase()
    const broker = redis(url, { prefix })
    await new Promise<void>((up) => {
      broker.start({ publication() {}, live() {}, presence() {}, up: () => up(), down() {} })
    })
    return broker
  }
  const seat = { channel: 'room:1', member: 'ann', client: 'a' }
  const enter = { ...seat, state: '1', owner: 'first', ttl: 60_000 }

  test('an identity that is connected has a plain key of its own, for a minute at most', async () => {
    const broker = await started()
    await broker.presence.online(['7', 'ü'], 60_000)
    expect(await server.command('GET', 'user:7:online')).toBe('1')
    const ttl = (await server.command('PTTL', 'user:ü:online')) as number
    expect(ttl).toBeGreaterThan(30_000)
    expect(ttl).toBeLessThanOrEqual(60_000)
    await broker.close()
  })

  test(`a page of who is online costs no more beside ${FOREIGN} keys of others`, async () => {
    const broker = await started()
    await server.command('DEBUG', 'POPULATE', FOREIGN, 'foreign')
    const ids = Array.from({ length: 1000 }, (_, i) => `${i}`)
    await broker.presence.online(ids, 60_000)
    expect(await server.command('DBSIZE')).toBeGreaterThan(FOREIGN)
    // Everything is written down, with what it took Redis itself.
    await server.command('CONFIG', 'SET', 'slowlog-max-len', 10_000)
    await server.command('CONFIG', 'SET', 'slowlog-log-slower-than', 0)
    await server.command('SLOWLOG', 'RESET')
    let cursor: string | null = null
    const found = new Set<string>()
    do {
      const page: { ids: string[]; cursor: string | null } = await broker.presence.match('*', cursor, 100)
      for (const id of page.ids) found.add(id)
      cursor = page.cursor
    } while (cursor !== null)
    expect(found.size).toBe(1000)
    const log = (await server.command('SLOWLOG', 'GET', -1)) as [
      id: number,
      at: number,
      micros: number,
      args: string[],
    ][]
    const pages = log.filter(([, , , [name]]) => name?.toLowerCase() === 'evalsha')
    expect(pages.length).toBeGreaterThanOrEqual(10)
    expect(Math.max(...pages.map(([, , micros]) => micros))).toBeLessThan(50_000)
    await server.command('CONFIG', 'SET', 'slowlog-log-slower-than', 10_000)
    await server.command('FLUSHALL')
    await broker.close()
  })

  test('out of memory nothing changes, and that is said', async () => {
    const broker = await started()
    await broker.presence.enter(enter)
    await server.command('CONFIG', 'SET', 'maxmemory', 1)
    await expect(broker.presence.enter({ ...enter, state: '2' })).rejects.toMatchObject({
      code: 'broker_unavailable',
      outcome: 'failed',
    })
    await expect(
      broker.presence.pulse(broker.partition(seat.channel), { epoch: null, ttl: 1000, gap: 1000 }),
    ).rejects.toMatchObject({ code: 'broker_unavailable', outcome: 'failed' })
    // Nothing is told that did not happen, and reading goes on.
    expect((await broker.presence.members(seat.channel)).members).toEqual([{ member: 'ann', state: '1' }])
    await server.command('CONFIG', 'SET', 'maxmemory', 0)
    expect(await broker.presence.enter({ ...enter, state: '2' })).toBe(true)
    await broker.close()
  })

  test('scripts that Redis forgot are sent again', async () => {
    const broker = await started()
    await broker.presence.enter(enter)
    await server.command('SCRIPT', 'FLUSH')
    await broker.presence.leave(seat)
    expect(await broker.presence.count(seat.channel)).toBe(0)
    await broker.close()
  })

  test('no key lives for ever, but the clock', async () => {
    const broker = await started()
    await server.command('FLUSHALL')
    await broker.presence.enter(enter)
    await broker.presence.online(['7'], 60_000)
    await broker.presence.pulse(0, { epoch: null, ttl: 60_000, gap: 5000 })
    const keys = (await server.command('KEYS', '*')) as string[]
    expect(keys).toHaveLength(9)
    for (const key of keys) {
      const left = (await server.command('PTTL', key)) as number
      if (key.endsWith(':clock')) expect(left).toBe(-1)
      else expect(left).toBeGreaterThan(30_000)
    }
    await broker.close()
  })

  test('marks whose time is over are dropped with the next, some at a time', async () => {
    const broker = await started()
    await broker.presence.online(
      Array.from({ length: 500 }, (_, i) => `gone-${i}`),
      1,
    )
    // Redis' own clock has moved on by then.
    await vi.waitFor(async () => expect(await broker.presence.isOnline(['gone-0'])).toEqual([false]))
    await broker.presence.online(['7'], 60_000)
    const [key] = (await server.command('KEYS', `{t${stores - 1}:*}:online`)) as string[]
    expect(await server.command('ZRANGE', key as string, 0, -1)).toEqual(['7'])
    await broker.close()
  })

  test.each(['rolled back', 'wiped'])('a store that was %s begins a hold, and its members wait for it', async (how) => {
    const broker = await started()
    const pulse = (epoch: Id | null) => broker.presence.pulse(0, { epoch, ttl: 2000, gap: 60_000 })
    const before = await pulse(null)
    await broker.presence.enter({ ...enter, ttl: 1 })
    expect(await pulse(before.epoch)).toMatchObject({ epoch: before.epoch, hold: 0 })
    if (how === 'rolled back') await server.save()
    await server.kill()
    await server.start()
    // What came back tells even a node that was not there before; where nothing did, only those that were know.
    const after = await vi.waitFor(() => pulse(how === 'rolled back' ? null : before.epoch), 10_000)
    expect(after.epoch).not.toBe(before.epoch)
    expect(after.hold).toBeGreaterThan(0)
    expect(after.hold).toBeLessThanOrEqual(2000)
    expect(after.due).toEqual([])
    expect(await broker.presence.sweep(seat.channel)).toBe(false)
    expect(await broker.presence.count(seat.channel)).toBe(how === 'rolled back' ? 1 : 0)
    await broker.close()
  })

  test('a node that was not there when the store came back learns of the hold too', async () => {
    const broker = await started()
    await broker.presence.pulse(0, { epoch: '1-1', ttl: 60_000, gap: 5000 })
    const { hold } = await broker.presence.pulse(0, { epoch: null, ttl: 60_000, gap: 5000 })
    expect(hold).toBeGreaterThan(50_000)
    await broker.close()
  })

  test('the permissions in docs/redis.md are enough', async () => {
    const text = await readFile(new URL('../../../../../docs/redis.md', import.meta.url), 'utf8')
    const rules = (/^ACL SETUSER rt (.+)$/m.exec(text) as RegExpExecArray)[1]!.split(' ')
    await server.command('ACL', 'SETUSER', 'rt', ...rules)
    await server.command('ACL', 'LOG', 'RESET')
    // The permissions are for the default prefix.
    const broker = await started(server.url.replace('redis://', 'redis://rt:secret@'), 'rt')
    const { presence } = broker
    await presence.watch(0, [seat.channel])
    await presence.enter({ ...enter, ttl: 1 })
    await presence.enter({ ...enter, client: 'b' })
    await presence.touch(0, [{ ...seat, client: 'b', owner: 'second', ttl: 60_000 }])
    await presence.release(0, [{ ...seat, client: 'b' }], 'second', 60_000)
    await presence.pulse(0, { epoch: null, ttl: 1, gap: 60_000 })
    await vi.waitFor(async () =>
      expect((await presence.pulse(0, { epoch: null, ttl: 1, gap: 60_000 })).due).toEqual([seat.channel]),
    )
    await presence.sweep(seat.channel)
    await presence.leave({ ...seat, client: 'b' })
    expect(await presence.count(seat.channel)).toBe(0)
    expect((await presence.members(seat.channel)).members).toEqual([])
    await presence.online(['gone'], 1)
    await vi.waitFor(async () => expect(await presence.isOnline(['gone'])).toEqual([false]))
    await presence.online(['7'], 60_000)
    expect((await presence.match('*', null, 100)).ids).toEqual(['7'])
    presence.unwatch(0, [seat.channel])
    expect(await server.command('ACL', 'LOG')).toEqual([])
    await broker.close()
  })
})
