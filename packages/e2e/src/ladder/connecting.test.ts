// Time to the first message: on a clean network against bare clients through the same proxy, and on one that swallows the frames of WebSockets.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { apart, bareFetch, bareWebSocket, ourClient, quantile } from './connecting.ts'
import { fair } from './fair.ts'
import { FaultProxy } from './fault-proxy.ts'
import { delay, swallowAfterHandshake, together } from './faults.ts'
import { down } from './names.ts'
import { outage } from './stage.ts'
import { World } from './world.ts'

const rounds = full ? 31 : 9
const run = 'connecting'
/** Milliseconds that a client waits for `hello`. */
const deadline = 2500

/** What → its row. */
const rows = new Map<string, string>()
let world: World

describe.skipIf(!process.env['REDIS_SERVER'])('the first message', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    world = await World.start({ heartbeat: 20_000 })
    await world.worker.publish(down(run), { sequence: 1 })
  })

  afterAll(async () => {
    const head = ['| what | first message ms (median) | against |', '| --- | --: | --: |']
    console.log([...head, ...rows.values()].join('\n'))
    await world.close()
  })

  it('comes within 1.2 times of what a bare WebSocket and a bare fetch of SSE need, 50 ms away', () =>
    fair('against bare clients', async () => {
      const network = { ports: world.ports, fault: delay(50) }
      const kinds = {
        'bare WebSocket': (url: string) => bareWebSocket(url, run),
        'client, WebSocket': (url: string) => ourClient(url, run, 'websocket'),
        'bare fetch of SSE': (url: string) => bareFetch(url, run),
        'client, SSE': (url: string) => ourClient(url, run, 'sse'),
        'client, own order': (url: string) => ourClient(url, run),
      }
      const times = new Map<string, number[]>(Object.keys(kinds).map((kind) => [kind, []]))
      // What is loaded once is loaded by then. In turn, so that all have the same share of a busy machine.
      for (const measure of Object.values(kinds)) await apart(network, measure)
      for (let round = 0; round < rounds; round++) {
        for (const [kind, measure] of Object.entries(kinds)) times.get(kind)?.push(await apart(network, measure))
      }
      const of = (kind: keyof typeof kinds, share: number) => quantile(times.get(kind) ?? [], share)
      for (const [ours, bare] of [
        ['client, WebSocket', 'bare WebSocket'],
        ['client, SSE', 'bare fetch of SSE'],
        ['client, own order', 'bare fetch of SSE'],
      ] as const) {
        const middle = of(ours, 0.5) / of(bare, 0.5)
        const what = `${ours}, 50 ms away`
        rows.set(
          what,
          `| ${what} | ${of(ours, 0.5).toFixed(0)} | ${middle.toFixed(2)} × ${bare} (${of(bare, 0.5).toFixed(0)}) |`,
        )
        // The quicker ones say what the client adds, the others what else the machine did.
        expect(of(ours, 0.25) / of(bare, 0.25), ours).toBeLessThan(1.2)
      }
    }))

  it('comes in less than 3 s where WebSockets are swallowed, and in less than 0.3 s the next times', () =>
    fair('frames swallowed', async () => {
      const proxy = await FaultProxy.start(world.ports)
      proxy.fault = together(delay(50), swallowAfterHandshake)
      try {
        // It is there for as long as it takes to see that the WebSocket brings nothing: then it is remembered.
        const judged = deadline + 500
        const first = await ourClient(proxy.url, run, 'websocket', judged)
        expect(first).toBeLessThan(3000)
        await outage(judged / 1000)
        const next: number[] = []
        for (let round = 0; round < rounds; round++) next.push(await ourClient(proxy.url, run, 'websocket'))
        rows.set('first', `| frames of WebSockets swallowed, 50 ms away, first time | ${first.toFixed(0)} | |`)
        rows.set('next', `| the same, next times | ${quantile(next, 0.5).toFixed(0)} | |`)
        expect(quantile(next, 0.25)).toBeLessThan(300)
      } finally {
        await proxy.close()
      }
    }))
})
