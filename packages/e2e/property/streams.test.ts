/** I1 to I4 under random schedules, on a store whose every step is a move of the schedule. */
import { describe, expect, it } from 'vitest'
import { CHANNELS, TTL } from './schedule'
import { search } from './search'
import { SimulatedWorld } from './simulated-world'

const full = process.env['RT_TEST_SIZE'] === 'full'
const runs = Number(process.env['RT_RUNS'] ?? (full ? 50_000 : 500))

describe('streams under random schedules: nothing lost, doubled or reordered', () => {
  it.each([
    ['one partition, nothing lost', 1, false],
    ['two partitions, nothing lost', 2, false],
    ['one partition, the store loses data', 1, true],
    ['two partitions, the store loses data', 2, true],
  ] as const)('%s', async (name, partitions, losses) => {
    const partition = (channel: string) => CHANNELS.indexOf(channel as (typeof CHANNELS)[number]) % partitions
    const delivered = await search({
      name,
      runs,
      moves: 300,
      settings: { clients: 2, losses },
      world: async () => new SimulatedWorld({ partitions, nodes: 2, losses, ttl: TTL, partition }),
    })
    expect(delivered).toBeGreaterThan(runs)
  })
})
