// A deploy: two nodes are drained and started again, one after the other, under clients on every transport.
import { beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { type RestartReport, restartUnder } from './restart.ts'

const each = full ? 50 : 10
const drain = full ? 10_000 : 6_000

let report: RestartReport
beforeAll(async () => {
  if (!process.env['REDIS_SERVER']) return
  const clients = { websocket: each, sse: each, 'long-poll': each, poll: each }
  report = await restartUnder({ herds: [{ clients, present: true }], channels: 5, pace: 20, drain })
  const { counts, presence } = report.herds[0] as RestartReport['herds'][number]
  for (const { arrivals, took } of report.restarts)
    console.log(`drain of ${drain} ms: over after ${Math.round(took)} ms; connections per second ${arrivals.join(' ')}`)
  for (const [rung, { clients: n, deliveries, wrong, reconnecting, errors }] of Object.entries(counts))
    console.log(
      `${rung}: ${n} clients, ${deliveries} deliveries, ${wrong.length} wrong, ${reconnecting} without a link, errors: ${JSON.stringify(errors)}`,
    )
  console.log(`presence: ${JSON.stringify(presence)}`)
}, 180_000)

describe.skipIf(!process.env['REDIS_SERVER'])('two nodes that are restarted one after the other with a drain', () => {
  it.each(['websocket', 'sse', 'long-poll', 'poll'] as const)(
    'brought every publication once and in order over %s',
    (rung) => {
      const count = report.herds[0]?.counts[rung]
      expect(count).toMatchObject({ clients: each, wrong: [], errors: [] })
      expect(count?.deliveries).toBe((each * report.published) / 5)
    },
  )

  it.each(['websocket', 'sse'] as const)('left no client without a link over %s', (rung) => {
    expect(report.herds[0]?.counts[rung]?.reconnecting).toBe(0)
  })

  it('showed nobody leave or come', () => expect(report.herds[0]?.presence).toEqual([]))

  it('ended both nodes in time, by themselves, with nothing on stderr', () => {
    expect(report.restarts.map(({ exit }) => exit)).toEqual([
      { code: 0, signal: null, stderr: '' },
      { code: 0, signal: null, stderr: '' },
    ])
    for (const { took } of report.restarts) expect(took).toBeLessThan(drain + 5_000)
    expect(report.exits).toEqual([{ code: 0, signal: null, stderr: '' }])
  })
})
