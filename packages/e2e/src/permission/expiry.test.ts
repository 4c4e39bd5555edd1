// Identities that expire while streams are open: two nodes as processes on one Redis, tokens that live for seconds.
import type { ClientOptions, TransportName } from '@rt/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { Nodes, Reader, rungs } from './nodes.ts'

const full = process.env['RT_TEST_SIZE'] === 'full'

/** Milliseconds that a token lives, how many each client needs one after the other, and clients on each rung of each node. */
const size = full ? { life: 5000, tokens: 12, clients: 25 } : { life: 3000, tokens: 3, clients: 2 }

/** Milliseconds between two heartbeats of the nodes. */
const HEARTBEAT = 5000

const undo: (() => unknown)[] = []
let nodes: Nodes

beforeAll(async () => {
  if (process.env['REDIS_SERVER']) nodes = await Nodes.start()
})
afterEach(async () => {
  for (const run of undo.splice(0)) await run()
})
afterAll(() => nodes?.close())

function open(
  rung: TransportName,
  token: string | (() => string),
  options: ClientOptions & { url?: string } = {},
): Reader {
  const reader = new Reader(nodes, rung, token, options)
  undo.push(() => reader.client.close())
  return reader
}

/** The WebSockets that one client opened. */
class Sockets {
  readonly all: WebSocket[] = []
  readonly WebSocket: new (
    url: string,
    protocol: string,
  ) => WebSocket

  constructor() {
    const { all } = this
    this.WebSocket = class extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol)
        all.push(this)
      }
    }
  }
}

describe.skipIf(!process.env['REDIS_SERVER'])('a token that lives for seconds', () => {
  it('is replaced again and again under a stream of publications: nothing lost, doubled or disordered, no stream without a link', async () => {
    const readers = rungs.flatMap((rung) =>
      [nodes.hereUrl, nodes.thereUrl].flatMap((url) =>
        Array.from({ length: size.clients }, (_, i) => {
          const sockets = new Sockets()
          const count = { tokens: 0 }
          const token = () => {
            count.tokens++
            return `${rung}-${i}@${Date.now()}@${Date.now() + size.life}`
          }
          const reader = open(rung, token, { url, WebSocket: sockets.WebSocket as never })
          return { reader, sockets, count, rung }
        }),
      ),
    )
    for (const { reader } of readers) await reader.ready()
    const first = nodes.published
    // What a busy machine took to connect is another matter.
    const before = readers.map(({ reader, sockets }) => [reader.statuses.length, sockets.all.at(-1)] as const)
    while (readers.some(({ count }) => count.tokens <= size.tokens)) {
      await nodes.publish(nodes.published % 2 === 0 ? nodes.here : nodes.there)
    }
    for (const [i, { reader, sockets, rung }] of readers.entries()) {
      const [changes, socket] = before[i] as (typeof before)[number]
      await reader.caughtUp()
      const from = reader.heard.indexOf(first)
      expect(reader.heard.slice(from)).toEqual(Array.from({ length: nodes.published - first + 1 }, (_, i) => first + i))
      expect(reader.errors).toEqual([])
      // A poll that comes too late, on a busy machine, is refused and comes again; a stream is given time.
      if (rung === 'websocket' || rung === 'sse') expect(reader.statuses.slice(changes)).toEqual([])
      // The socket is the same one all along.
      if (rung === 'websocket')
        expect([sockets.all.at(-1) === socket, socket?.readyState]).toEqual([true, WebSocket.OPEN])
    }
  })

  it('that becomes one of somebody else ends the WebSocket, and the client goes on as whoever that is', async () => {
    const names = ['hal', 'ida']
    const reader = open('websocket', () => `${names.shift() ?? 'ida'}@@${Date.now() + size.life}`)
    await reader.ready()
    const first = nodes.published
    await reader.until(() => reader.statuses.includes('reconnecting'))
    await nodes.publish()
    await reader.caughtUp()
    expect(reader.heard.slice(reader.heard.indexOf(first))).toEqual([first, first + 1])
    expect(reader.errors).toEqual([])
  })

  it.each(rungs)('takes no channel of the identity but those that its rule refuses now, over %s', async (rung) => {
    const reader = open(rung, () => `jan-${rung}@@${Date.now() + size.life}`)
    reader.hear('gossip')
    await reader.ready()
    for (const node of [nodes.here, nodes.there]) await nodes.ask(node, { type: 'expel', id: `jan-${rung}` })
    await reader.until(() => reader.errors.length > 0)
    expect(reader.errors).toEqual(['news forbidden'])
    await nodes.publish()
    await reader.caughtUp()
    expect(reader.heard.filter((n) => n === nodes.published)).toHaveLength(1)
    expect(reader.client.status).toBe('connected')
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('an identity that expires and gets no other token', () => {
  it('hears nothing any more a heartbeat later, over any transport, and opens nothing on any node', async () => {
    const witness = open('websocket', 'lea')
    await witness.ready()
    await Promise.all(
      rungs.map(async (rung) => {
        const expiry = Date.now() + size.life
        const token = `kim-${rung}@@${expiry}`
        const reader = open(rung, token)
        await reader.ready()
        await reader.until(() => reader.client.status === 'failed')
        expect(Date.now()).toBeLessThan(expiry + HEARTBEAT + 2000)
        expect(reader.errors).toEqual(['token_expired'])
        const before = reader.heard.length
        for (const node of [nodes.here, nodes.there]) await nodes.publish(node)
        await witness.caughtUp()
        expect(reader.heard).toHaveLength(before)
        for (const url of [nodes.hereUrl, nodes.thereUrl]) {
          const again = open(rung, token, { url })
          await again.until(() => again.client.status === 'failed')
          expect([again.errors, again.heard]).toEqual([['token_expired'], []])
        }
      }),
    )
  })
})
