/** I1 to I4 under random schedules on a real Redis that is killed, restarted, rolled back, and whose links are cut. */
import { RedisServer } from '@rt/server/testing'
import { describe, expect, it } from 'vitest'
import { RedisWorld } from './redis-world'
import { search } from './search'

const full = process.env['RT_TEST_SIZE'] === 'full'
const runs = Number(process.env['RT_RUNS'] ?? (full ? 5_000 : 300)) / 2

// Each case has a server of its own and waits for it most of the time: they run side by side.
describe
  .skipIf(!process.env['REDIS_SERVER'])
  .concurrent('streams on Redis under random schedules: nothing lost, doubled or reordered', () => {
    it.each([
      ['Redis, one partition, links are cut', 1, false],
      ['Redis, two partitions, it loses data', 2, true],
      ['Redis, one partition, it loses data', 1, true],
    ] as const)('%s', async (name, partitions, losses) => {
      // Small nodes of a stream, so that logs are trimmed to few entries.
      const server = await RedisServer.start({ args: ['--stream-node-max-entries', '4'] })
      let schedules = 0
      try {
        const world = () => RedisWorld.on(server, `s${schedules++}`, partitions, 2, losses)
        expect(await search({ name, runs, moves: 200, settings: { clients: 2, losses }, world })).toBeGreaterThan(runs)
      } finally {
        await server.close()
      }
    })
  })
