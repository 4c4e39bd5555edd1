// The herd of a deploy, measured with real sockets of the real client: how many come to the other node in each second.
import { beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { type RestartReport, restartUnder } from './restart.ts'

const processes = 2
const sockets = full ? 2_000 : 100
const drain = full ? 10_000 : 5_000
const channels = 10

let report: RestartReport
beforeAll(async () => {
  if (!process.env['REDIS_SERVER']) return
  const herd = { clients: { websocket: sockets / processes }, present: false }
  report = await restartUnder({ herds: Array.from({ length: processes }, () => herd), channels, pace: 40, drain })
  for (const [i, { arrivals, took }] of report.restarts.entries())
    console.log(
      `node ${i + 1} of 2, ${sockets} sockets, drain of ${drain / 1000} s: over after ${(took / 1000).toFixed(1)} s; connections per second ${arrivals.join(' ')}`,
    )
}, 300_000)

const counts = () => report.herds.flatMap((herd) => herd.counts.websocket ?? [])

describe.skipIf(!process.env['REDIS_SERVER'])('sockets of a node that is drained', () => {
  it('come to the other node at an even pace', () => {
    // Who left the first node is on the second one, and leaves that too.
    for (const [i, moved] of [sockets / 2, sockets].entries()) {
      const { arrivals = [] } = report.restarts[i] ?? {}
      const all = arrivals.reduce((a, b) => a + b, 0)
      expect(all).toBeGreaterThanOrEqual(moved)
      // Hardly one has to come twice.
      expect(all).toBeLessThanOrEqual(1.05 * moved)
      for (const second of arrivals) expect(second).toBeLessThanOrEqual((2 * moved) / (drain / 1000))
    }
  })

  it('are never out', () => {
    expect(counts().map(({ clients, reconnecting, errors }) => [clients, reconnecting, errors])).toEqual(
      Array.from({ length: processes }, () => [sockets / processes, 0, []]),
    )
  })

  it('lose, double and reorder nothing', () => {
    for (const { wrong, deliveries } of counts()) {
      expect(wrong).toEqual([])
      expect(deliveries).toBe((report.published * sockets) / processes / channels)
    }
  })

  it('leave nothing behind: the nodes are gone when the last socket is', () => {
    for (const { exit, took } of report.restarts) {
      expect(exit).toEqual({ code: 0, signal: null, stderr: '' })
      expect(took).toBeLessThan(drain + 5_000)
    }
    expect(report.exits).toEqual(Array.from({ length: processes }, () => ({ code: 0, signal: null, stderr: '' })))
  })
})
