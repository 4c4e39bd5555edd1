import { setTimeout as elapse } from 'node:timers/promises'
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
      return { brokers, close: async () => void (await Promise.all(brokers.map((broker) => broker.close()))) }
    },
    // The times are Redis' own.
    elapse: (_, ms) => elapse(ms),
  })
}

onRedis('presence on Redis', () => {
  async function started() {
    await server.erase()
    const broker = redis(server.url, { prefix: `t${stores++}` })
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
    await server.command('CONFIG', 'SET', 'slowlog-log-slower-than', 50_000)
    await server.command('SLOWLOG', 'RESET')
    let cursor: string | null = null
    const found = new Set<string>()
    do {
      const page: { ids: string[]; cursor: string | null } = await broker.presence.match('*', cursor, 100)
      for (const id of page.ids) found.add(id)
      cursor = page.cursor
    } while (cursor !== null)
    expect(found.size).toBe(1000)
    // Nothing took Redis 50 ms.
    expect(await server.command('SLOWLOG', 'LEN')).toBe(0)
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
    ).rejects.toMatchObject({ code: 'broker_unavailable' })
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
})
