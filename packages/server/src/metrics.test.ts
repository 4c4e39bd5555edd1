// What a node counts, by traffic of every kind over real sockets.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ServerEvent } from '@rt/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import type { Metrics } from './index'
import { createRealtime } from './realtime'
import { redis } from './redis'
import { RedisServer } from './testing/redis-server'

const message = z.object({ n: z.number(), pad: z.string().optional() })

function start(broker?: ReturnType<typeof redis>) {
  return createRealtime({
    ...(broker !== undefined && { broker }),
    authenticate: (request) => {
      const token = request.headers.get('authorization')
      return token === null ? null : { id: token.slice('Bearer '.length) }
    },
    channels: {
      news: { message, subscribe: 'public', publish: 'public' },
      secret: { message, subscribe: () => false },
      'price:{id}': { message, subscribe: 'public', delivery: 'latest' },
      cursors: { message, subscribe: 'public', delivery: 'live' },
    },
  })
}

let rt: ReturnType<typeof start>
let server: Server
let base: string

beforeEach(async () => {
  rt = start()
  server = createServer()
  rt.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rt`
})

afterEach(async () => {
  await rt.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function webSocket(query: string, token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const ws = new WebSocket(`${base.replace('http', 'ws')}?${query}`, 'rt.v1', { headers })
  const events: ServerEvent[] = []
  const watchers = new Set<() => void>()
  const client = { ws, events, until }
  ws.on('message', (data) => {
    events.push(...(JSON.parse(data.toString()) as ServerEvent[]))
    for (const watch of [...watchers]) watch()
  })
  function until(fits: (event: ServerEvent) => boolean): Promise<ServerEvent> {
    return new Promise((resolve) => {
      const watch = () => {
        const found = events.find(fits)
        if (found === undefined) return
        watchers.delete(watch)
        resolve(found)
      }
      watchers.add(watch)
      watch()
    })
  }
  await until(({ type }) => type === 'hello')
  return client
}

const eventually = (check: (metrics: Metrics) => void) => vi.waitFor(() => check(rt.metrics()), 5000)

describe('metrics', () => {
  test('a node that did nothing counts nothing, and hands out copies', () => {
    const before = rt.metrics()
    expect(before).toMatchObject({ subscriptions: 0, channels: 0, deliveries: 0, overflows: 0, broker: null })
    expect(Object.values(before.connections)).toEqual([0, 0, 0, 0])
    ;(before.connections as { poll: number }).poll = 7
    expect(rt.metrics().connections.poll).toBe(0)
  })

  test('connections by transport, from their opening to their end', async () => {
    const socket = await webSocket('channels=news,cursors')
    const stream = new AbortController()
    const sse = await fetch(`${base}?channels=news`, {
      headers: { accept: 'text/event-stream' },
      signal: stream.signal,
    })
    expect(sse.status).toBe(200)
    const held = new AbortController()
    const first = (await (await fetch(`${base}?channels=news&wait=0`)).json()) as { cursor: string }
    const poll = fetch(`${base}?channels=news&wait=20&cursor=${first.cursor}`, { signal: held.signal })
    await eventually(({ connections, opened, subscriptions, channels }) => {
      expect(connections).toEqual({ websocket: 1, sse: 1, 'long-poll': 1, poll: 0 })
      expect(opened).toEqual({ websocket: 1, sse: 1, 'long-poll': 1, poll: 1 })
      expect(subscriptions).toBe(4)
      // With the one that nodes tell each other by.
      expect(channels).toBe(3)
    })
    await rt.publish('news', { n: 1 })
    await poll
    stream.abort()
    socket.ws.close()
    await eventually(({ connections, ended, subscriptions }) => {
      expect(connections).toEqual({ websocket: 0, sse: 0, 'long-poll': 0, poll: 0 })
      expect(ended).toEqual({
        websocket: { closed: 1 },
        sse: { closed: 1 },
        'long-poll': { closed: 1 },
        poll: { closed: 1 },
      })
      expect(subscriptions).toBe(0)
    })
  })

  test('an end by the server is counted by its code', async () => {
    const socket = await webSocket('channels=news', 'ada')
    await rt.revoke('ada')
    await socket.until(({ type }) => type === 'bye')
    await eventually(({ ended }) => expect(ended.websocket).toEqual({ unauthenticated: 1 }))
  })

  test('publications, deliveries, their latency, and bytes', async () => {
    const [one, two] = [await webSocket('channels=news'), await webSocket('channels=news')]
    for (const { until } of [one, two]) await until(({ type }) => type === 'subscribed')
    const before = rt.metrics()
    await rt.publish('news', { n: 1 }, { messageId: 'same' })
    await rt.publish('news', { n: 1 }, { messageId: 'same' })
    await rt.publish('news', { n: 2 })
    for (const { until } of [one, two])
      await until((event) => event.type === 'message' && (event.data as { n: number }).n === 2)
    const after = rt.metrics()
    expect(after.publications).toEqual({ stored: 2, duplicate: 1, live: 0, failed: 0, unknown: 0 })
    expect(after.deliveries - before.deliveries).toBe(4)
    const writes = after.latency.counts.reduce((sum, count) => sum + count, 0)
    // Both may come in one write to each.
    expect([2, 3, 4]).toContain(writes)
    expect(after.latency.counts).toHaveLength(after.latency.bounds.length + 1)
    const messages = one.events.filter(({ type }) => type === 'message').map((event) => JSON.stringify(event).length)
    const least = 2 * messages.reduce((sum, length) => sum + length, 0)
    expect(after.bytes.websocket - before.bytes.websocket).toBeGreaterThanOrEqual(least)
    expect(after.bytes.websocket - before.bytes.websocket).toBeLessThan(least + 4 * 100)
  })

  test('live messages are counted apart, and are no latency', async () => {
    const { until } = await webSocket('channels=cursors')
    await until(({ type }) => type === 'subscribed')
    await rt.publish('cursors', { n: 1 })
    await until(({ type }) => type === 'live')
    expect(rt.metrics()).toMatchObject({ publications: { live: 1, stored: 0 }, deliveries: 1 })
    expect(rt.metrics().latency.counts.every((count) => count === 0)).toBe(true)
  })

  test('commands, and what was refused where', async () => {
    const { ws, until } = await webSocket('channels=news,secret')
    ws.send(
      JSON.stringify([
        { type: 'publish', ref: 1, channel: 'news', messageId: 'a', data: { n: 1 } },
        { type: 'publish', ref: 2, channel: 'news', messageId: 'b', data: { n: 'one' } },
        { type: 'subscribe', channel: 'secret' },
        { type: 'publish', ref: 3, channel: 'nowhere', messageId: 'c', data: 1 },
        { type: 'nonsense', ref: 4 },
      ]),
    )
    for (const ref of [1, 2, 3, 4]) await until((event) => event.type === 'result' && event.ref === ref)
    await fetch(`${base}?channels=secret&wait=0`)
    await fetch(base, { headers: { origin: 'https://elsewhere.example' } })
    await eventually(({ commands, refusals }) => {
      expect(commands).toMatchObject({ publish: 3, subscribe: 1, history: 0 })
      expect(refusals).toEqual({
        command: { invalid_message: 1, unknown_channel: 1, invalid_request: 1 },
        channel: { unauthenticated: 2 },
        request: { unauthenticated: 1, forbidden: 1 },
      })
    })
  })

  test('who comes back catches up from a ring, and is told a gap where nothing reaches back', async () => {
    const first = await webSocket('channels=news')
    await first.until(({ type }) => type === 'subscribed')
    await rt.publish('news', { n: 1 })
    await first.until(({ type }) => type === 'message')
    const cursor = first.events.findLast((event) => event.type === 'cursor')?.cursor ?? ''
    first.ws.close()
    await rt.publish('news', { n: 2 })
    const second = await webSocket(`channels=news&cursor=${cursor}`)
    await second.until(({ type }) => type === 'message')
    expect(rt.metrics().resumes).toEqual({ ring: 1, log: 0 })
    const third = await webSocket('channels=news&cursor=nothing-of-ours')
    await third.until(({ type }) => type === 'gap')
    expect(rt.metrics().gaps).toEqual({ history: 0, epoch: 0, cursor: 1 })
  })

  test('what newer values replace, what a slow reader does not get, and how it is sent back to the log', async () => {
    const socket = await webSocket('channels=news,cursors,price:1')
    for (const channel of ['news', 'cursors', 'price:1'])
      await socket.until((event) => event.type === 'subscribed' && event.channel === channel)
    await Promise.all(Array.from({ length: 5 }, (_, n) => rt.publish('price:1', { n })))
    await socket.until((event) => event.type === 'message' && event.channel === 'price:1')
    expect(rt.metrics().dropped).toEqual({ live: 0, latest: 4 })

    socket.ws.pause()
    const pad = 'x'.repeat(50_000)
    let n = 0
    // Until the operating system takes no more of it.
    while (rt.metrics().overflows === 0) await rt.publish('news', { n: ++n, pad })
    // What waits for it was dropped: now it is full once more.
    while (rt.metrics().dropped.live === 0) {
      await rt.publish('news', { n: ++n, pad: pad.slice(0, 100) })
      await rt.publish('cursors', { n, pad })
    }
    socket.ws.resume()
    await socket.until((event) => event.type === 'message' && (event.data as { n: number }).n === n)
    const { ring, log } = rt.metrics().resumes
    expect(ring + log).toBeGreaterThan(0)
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('metrics of a node on Redis', () => {
  test('round trips, losses of the link, and publications that Redis did not take', async () => {
    const store = await RedisServer.start()
    const node = start(redis(store.url))
    try {
      await node.publish('news', { n: 1 })
      await vi.waitFor(() => expect(node.metrics().broker).toMatchObject({ state: 'up', losses: 0, deaf: 0 }), 5000)
      const { roundTrips } = node.metrics().broker as NonNullable<Metrics['broker']>
      expect(roundTrips.counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
      expect(roundTrips.sum).toBeGreaterThan(0)
      await store.kill()
      await vi.waitFor(() => expect(node.metrics().broker).toMatchObject({ state: 'away', losses: 1 }), 5000)
      await expect(node.publish('news', { n: 2 })).rejects.toMatchObject({ code: 'broker_unavailable' })
      expect(node.metrics().publications).toMatchObject({ stored: 1, failed: 1 })
    } finally {
      await node.close()
      await store.close()
    }
  })
})
