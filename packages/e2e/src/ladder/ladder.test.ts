// The failure bench: every case of the table, from the rung that it hurts most (full: from each rung), on two real nodes and one real Redis.
import type { TransportName } from '@rt/client'
import { afterAll, describe, it, vi } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { type Case, cases } from './cases.ts'
import { fair } from './fair.ts'
import { type Row, run } from './run.ts'
import { World } from './world.ts'

// Most of the time the runs wait for networks.
vi.setConfig({ maxConcurrency: 10 })
// Each process of a run ends with this one.
process.setMaxListeners(100)

const starts: readonly (TransportName | null)[] = [null, 'websocket', 'sse', 'long-poll', 'poll']
const rows: Row[] = []
const shared = new Map<string, Promise<World>>()
const heartbeats = { calm: 20_000, brisk: 1000, own: 20_000 }

function sharedWorld(name: 'calm' | 'brisk'): Promise<World> {
  const world = shared.get(name) ?? World.start({ heartbeat: heartbeats[name] })
  shared.set(name, world)
  return world
}

async function runIn(one: Case, start: TransportName | null): Promise<Row> {
  const { world: name = 'calm' } = one
  if (name !== 'own') return run(one, start, await sharedWorld(name))
  const world = await World.start({ heartbeat: heartbeats.own })
  try {
    return await run(one, start, world)
  } finally {
    await world.close()
  }
}

afterAll(async () => {
  for (const world of shared.values()) await (await world).close()
  const seconds = (value: number) => value.toFixed(2)
  const lines = rows
    .sort((a, b) => cases.findIndex(({ name }) => name === a.name) - cases.findIndex(({ name }) => name === b.name))
    .map(
      ({ name, start, bound, seen, shown, back }) =>
        `| ${name} | ${start ?? 'own order'} | ${bound} | ${seconds(seen)} | ${shown} | ${back.toFixed(0)} |`,
    )
  console.log(
    [
      '| case | from | bound s | first message s | shown | best rung again s |',
      '| --- | --- | --: | --: | --- | --: |',
      ...lines,
    ].join('\n'),
  )
})

describe.skipIf(!process.env['REDIS_SERVER']).concurrent('the failure bench', () => {
  for (const one of cases) {
    const missing = one.needs?.find((name) => !process.env[name])
    for (const start of full ? starts : [one.hurts]) {
      it.skipIf(missing !== undefined)(
        `${one.name}, from ${start ?? 'its own order'}`,
        async () => {
          rows.push(await fair(one.name, () => runIn(one, start)))
        },
        full ? 1_200_000 : 300_000,
      )
    }
  }
})
