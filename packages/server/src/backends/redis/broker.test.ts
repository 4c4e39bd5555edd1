import { afterAll, beforeAll, describe, test, vi } from 'vitest'
import { redis } from '../../redis'
import { brokerContract } from '../../testing/broker-contract'
import { RedisServer } from '../../testing/redis-server'

// Real processes on a busy machine: generous, and never what is asserted.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

let server: RedisServer
let stores = 0

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.close())

for (const partitions of [1, 4]) {
  brokerContract(
    { describe: process.env['REDIS_SERVER'] ? describe : describe.skip, test },
    `Redis with ${partitions} partition(s)`,
    {
      async create() {
        await server.erase()
        const prefix = `t${stores++}`
        const node = () => redis(server.url, { prefix, partitions })
        return { brokers: [node(), node()], close: async () => {} }
      },
      async cut() {
        await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
      },
      save: () => server.save(),
      async rollback() {
        await server.kill()
        await server.start()
      },
      async wipe() {
        await server.kill()
        await server.erase()
        await server.start()
      },
    },
  )
}
