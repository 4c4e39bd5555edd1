// Redis is killed and stays away, comes back with its data, comes back empty: what clients on each transport, publishers and the node see of it.
import { type Client, createClient, isRealtimeError, type TransportName } from '@rt/client'
import { RedisServer } from '@rt/server/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { full } from '../../../.vitest/shared.mjs'
import type { App } from './processes/app.ts'
import { Child } from './processes/child.ts'
import type { NodeAsked, NodeTold } from './processes/node.ts'

/** Milliseconds. */
const away = full ? 10_000 : 3000
const logs = ['log:busy', 'log:quiet'] as const
const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

let redis: RedisServer
let node: Child<NodeTold, NodeAsked>
let url = ''
let readers: Reader[] = []
const undo: (() => unknown)[] = []

/** What waits for something that callbacks change. */
const waiting = new Set<() => void>()
const changed = () => {
  for (const look of [...waiting]) look()
}
function until(check: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!check()) return
      waiting.delete(look)
      resolve()
    }
    waiting.add(look)
    look()
  })
}

/** A client that is held on one transport and keeps all that it is told. */
class Reader {
  readonly rung: TransportName
  readonly client: Client<App>
  readonly statuses: string[] = []
  /** By channel: sequences of the node, `gap`, `subscribed`. */
  readonly told = new Map<string, (number | string)[]>()
  readonly errors: string[] = []
  /** Streams that it opened: WebSockets, or requests for an event stream. */
  streams = 0

  constructor(rung: TransportName) {
    const count = () => this.streams++
    this.rung = rung
    this.client = createClient<App>(url, {
      transports: [rung],
      WebSocket: class extends WebSocket {
        constructor(address: string, protocols?: string | string[]) {
          super(address, protocols)
          count()
        }
      },
      fetch: (input, init) => {
        if (new Headers(init?.headers).get('accept') === 'text/event-stream') count()
        return fetch(input, init)
      },
    })
    undo.push(() => this.client.close())
    this.client.on('status', (status) => {
      this.statuses.push(status)
      changed()
    })
    this.client.on('error', (error) => this.errors.push(error.code))
    for (const name of [...logs, 'live:1'] as const) {
      const told: (number | string)[] = []
      this.told.set(name, told)
      const tell = (what: number | string) => {
        told.push(what)
        changed()
      }
      const channel = this.client.channel(name)
      channel.on('subscribed', () => tell('subscribed'))
      channel.on('gap', () => tell('gap'))
      channel.on('error', (error) => tell(error.code))
      channel.subscribe(({ data }) => tell(data.sequence))
    }
  }

  of(channel: string): (number | string)[] {
    return this.told.get(channel) ?? []
  }

  gaps(channel: string): number {
    return this.of(channel).filter((what) => what === 'gap').length
  }
}

const stored: number[] = []
const refused: Extract<NodeTold, { type: 'refused' }>[] = []
let sequence = 0
let publishing: NodeJS.Timeout | undefined
function publish(channel: `log:${string}` | `live:${string}`): number {
  node.ask({ type: 'publish', channel, sequence: ++sequence })
  return sequence
}

beforeAll(async () => {
  redis = await RedisServer.start({ args: ['--appendonly', 'yes'] })
  undo.push(() => redis.close())
  node = new Child(new URL('processes/node.ts', import.meta.url), { redis: redis.url, port: 0 })
  undo.push(() => node.kill())
  node.on((told) => {
    if (told.type === 'published') stored.push(told.sequence)
    if (told.type === 'refused') refused.push(told)
    changed()
  })
  const { port } = await node.next('ready')
  url = `http://127.0.0.1:${port}/rt`
  readers = rungs.flatMap((rung) => [new Reader(rung), new Reader(rung)])
  await until(() => readers.every(({ told }) => [...told.values()].every((what) => what.includes('subscribed'))))
  publishing = setInterval(() => publish('log:busy'), 20)
  undo.push(() => clearInterval(publishing))
  await until(() => readers.every((reader) => reader.of('log:busy').length > 10))
})

afterAll(async () => {
  for (const run of undo.reverse()) await run()
})

describe.skipIf(!process.env['REDIS_SERVER'])('Redis is killed in mid-stream', () => {
  let back: Promise<void>

  it('refuses publications: they failed, or may have been stored', async () => {
    await redis.kill()
    back = new Promise((resolve) => setTimeout(resolve, away))
    await until(() => refused.some(({ outcome }) => outcome === 'failed'))
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['broker_unavailable']))
    for (const { outcome } of refused) expect(['failed', 'unknown']).toContain(outcome)
  })

  it('says so over HTTP', async () => {
    const command = {
      type: 'publish',
      ref: 1,
      channel: 'log:quiet',
      messageId: 'a',
      data: { publisher: 'x', sequence: 1 },
    }
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([command]),
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual([
      { type: 'result', ref: 1, error: expect.objectContaining({ code: 'broker_unavailable', outcome: 'failed' }) },
    ])
  })

  it('tells clients on each transport that it is degraded', async () => {
    await until(() => readers.every(({ client }) => client.status === 'degraded'))
  })

  it('delivers live channels on the node all the same, from and to clients of all transports', async () => {
    // Live messages are not kept: what is sent between two polls is lost on them, and a short poll is hardly ever there.
    const there = readers.filter(({ rung }) => rung !== 'poll')
    for (const [i, { client }] of readers.entries()) {
      const n = -1 - i
      const send = () => client.channel('live:1').publish({ publisher: 'client', sequence: n })
      await expect(send()).resolves.toEqual({ id: null })
      const again = setInterval(send, 50)
      undo.push(() => clearInterval(again))
      await until(() => there.every((reader) => reader.of('live:1').includes(n)))
      clearInterval(again)
    }
    for (const reader of readers) expect(reader.of('live:1').at(0)).toBe('subscribed')
  })

  it('rejects a publication of a client whose time is over', async () => {
    const hasty = createClient<App>(url, { transports: ['websocket'], timeout: 1000 })
    undo.push(() => hasty.close())
    const error: unknown = await hasty
      .channel('log:quiet')
      .publish({ publisher: 'hasty', sequence: 0 })
      .catch((reason) => reason)
    expect(isRealtimeError(error) && error.code).toBe('timeout')
    // Each try was answered as not stored; the last one may be under way when the time is over.
    expect(['failed', 'unknown']).toContain(isRealtimeError(error) && error.outcome)
  })

  it('goes on by itself when Redis is back with its data: on the same streams, with every publication that was stored', async () => {
    const streams = readers.map((reader) => reader.streams)
    const late = readers.map(({ client }) => client.channel('log:busy').publish({ publisher: 'client', sequence: 0 }))
    await back
    await redis.start()
    // What clients wanted to publish waited for it.
    await Promise.all(late)
    const before = stored.length
    await until(() => stored.length > before)
    clearInterval(publishing)
    await until(() => stored.length + refused.length === sequence)
    const last = Math.max(...stored)
    await until(() => readers.every((reader) => reader.of('log:busy').includes(last)))

    for (const reader of readers) {
      const heard = reader.of('log:busy').filter((what): what is number => typeof what === 'number' && what > 0)
      const unknown = refused.flatMap((each) => (each.outcome === 'unknown' ? each.sequence : []))
      expect(heard.filter((n) => !unknown.includes(n))).toEqual(stored)
      expect(new Set(heard).size).toBe(heard.length)
      expect(reader.of('log:busy').filter((what) => what === 0)).toHaveLength(readers.length)
      // That nothing is missing can't be known after a restart: it may cost one gap.
      for (const name of logs) expect(reader.gaps(name)).toBeLessThanOrEqual(1)
      expect(reader.errors).toEqual([])
    }
    expect(readers.map((reader) => reader.streams)).toEqual(streams)
    await until(() => readers.every(({ client }) => client.status === 'connected'))
    expect(readers.map(({ statuses }) => statuses)).toEqual(
      readers.map(() => ['connecting', 'connected', 'degraded', 'connected']),
    )
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('Redis comes back empty', () => {
  it('tells each subscriber one gap on each logged channel, and goes on with new messages', async () => {
    const streams = readers.map((reader) => reader.streams)
    const gaps = readers.map((reader) => logs.map((name) => reader.gaps(name)))
    await redis.kill()
    await redis.erase()
    await redis.start()
    const oneMore = gaps.map((counts) => counts.map((count) => count + 1))
    const now = () => readers.map((reader) => logs.map((name) => reader.gaps(name)))
    // Also where nothing is published.
    await until(() => now().every((counts, i) => counts.every((count, k) => count >= (oneMore[i]?.[k] ?? 0))))
    for (let round = 0; round < 2; round++) {
      for (const name of logs) {
        const published = node.next('published')
        const n = publish(name)
        await published
        await until(() => readers.every((reader) => reader.of(name).includes(n)))
      }
    }
    expect(now()).toEqual(oneMore)
    for (const reader of readers) for (const name of logs) expect(reader.of(name).at(-3)).toBe('gap')
    expect(readers.map((reader) => reader.streams)).toEqual(streams)
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('the node', () => {
  it('went through all of it without a word on stderr, and ends by itself when it is closed', async () => {
    for (const { client } of readers) client.close()
    node.ask({ type: 'close' })
    expect(await node.exited).toEqual({ code: 0, signal: null })
    expect(node.stderr).toBe('')
  })
})
