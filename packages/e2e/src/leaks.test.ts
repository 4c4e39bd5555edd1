// Connections that come and go, half of them without a goodbye, on every transport, before a node on Redis: nothing of them stays in the node or in Redis.
import { once } from 'node:events'
import { connect } from 'node:net'
import { RedisServer } from '@rt/server/testing'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { full } from '../../../.vitest/shared.mjs'
import { frame, handshake } from './fuzz/raw-websocket'
import { type Figures, ServerProcess } from './server-process'

/** Connections in all, a quarter on each transport; and how many at the same time. */
const size = full ? 20_000 : 320
const AT_ONCE = 16
/** Bytes by which the heap may be larger afterwards. */
const HEAP = 3 * 2 ** 20

let redis: RedisServer
let server: ServerProcess

beforeAll(async () => {
  redis = await RedisServer.start()
  server = await ServerProcess.start({
    redisUrl: redis.url,
    options: { pollHold: 1000, presence: { ttl: 2000, grace: 0 } },
    http: { keepAliveTimeout: 1000 },
  })
})

afterAll(async () => {
  await server?.kill()
  await redis?.close()
})

/** The names that both know, so that nothing of them is remembered twice: each connection hears a room of its own, and one that all hear. */
const query = (n: number) => `channels=room:${n % 200},any:all&watch=lobby:1&client=c${n}&entered=lobby:${n % 50}`

async function webSocket(n: number, brutal: boolean): Promise<void> {
  const opened = await handshake(server.port, `/rt?${query(n)}`, { authorization: `Bearer user:u${n % 20}` })
  if (typeof opened === 'string') throw new Error(`A WebSocket was answered with ${opened}.`)
  const { socket } = opened
  const closed = new Promise((resolve) => socket.once('close', resolve))
  if (opened.head.length === 0) await once(socket, 'data')
  socket.write(frame(0x81, `[{"type":"enter","ref":1,"channel":"lobby:1","client":"c${n}","state":{"name":"x"}}]`))
  if (brutal) socket.resetAndDestroy()
  else socket.end(frame(0x88, Buffer.from([0x03, 0xe8]))).resume()
  await closed
}

async function request(n: number, brutal: boolean, accept: string, wait: string): Promise<void> {
  const socket = connect(server.port, '127.0.0.1').on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await once(socket, 'connect')
  const headers = `Host: x\r\nAuthorization: Bearer user:u${n % 20}\r\nAccept: ${accept}\r\nConnection: close\r\n`
  socket.write(`GET /rt?${query(n)}${wait} HTTP/1.1\r\n${headers}\r\n`)
  // Half of those who go without a word do it before the answer.
  if (!brutal || n % 4 === 0) await once(socket, 'data')
  if (brutal) socket.resetAndDestroy()
  else if (accept === 'text/event-stream') socket.destroy()
  else socket.resume()
  await closed
}

const KINDS: readonly ((n: number, brutal: boolean) => Promise<void>)[] = [
  webSocket,
  (n, brutal) => request(n, brutal, 'text/event-stream', ''),
  (n, brutal) => request(n, brutal, 'application/json', '&wait=1'),
  (n, brutal) => request(n, brutal, 'application/json', ''),
]

/** This many come and go, of each kind in turn. */
async function comeAndGo(count: number): Promise<void> {
  let n = 0
  const lane = async () => {
    while (n < count) {
      const own = n++
      await (KINDS[own % KINDS.length] as (typeof KINDS)[number])(own, (own >> 2) % 2 === 0)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
}

interface Held extends Figures {
  /** Connections to Redis, and what the node listens to there. */
  readonly redisClients: number
  readonly redisChannels: number
}

async function held(): Promise<Held> {
  const figures = await server.figures()
  const clients = (await redis.command('CLIENT', 'LIST')) as string
  const channels = (await redis.command('PUBSUB', 'CHANNELS', '*')) as string[]
  return { ...figures, redisClients: clients.trim().split('\n').length, redisChannels: channels.length }
}

/** What is held once no more is held than `most`. */
function settled(most: Partial<Held>): Promise<Held> {
  return vi.waitFor(
    async () => {
      const now = await held()
      for (const [thing, count] of Object.entries(most))
        expect(now[thing as keyof Held], thing).toBeLessThanOrEqual(count)
      return now
    },
    { timeout: 40_000, interval: 500 },
  )
}

describe('connections that come and go', { timeout: full ? 1_800_000 : 120_000 }, () => {
  it('leave nothing behind, in the node or in Redis', async () => {
    // What the first of each kind makes stays.
    await comeAndGo(KINDS.length)
    const first = await held()
    await comeAndGo(120)
    const { heap } = await settled({ connections: 0, subscriptions: 0 })
    await comeAndGo(size)
    // Channels linger for some seconds.
    const after = await settled({
      ...first,
      connections: 0,
      subscriptions: 0,
      webSockets: 0,
      channels: 2,
      requests: 1,
      redisChannels: 3,
      heap: heap + HEAP,
    })
    console.log(`${size} came and went\nbefore ${JSON.stringify({ ...first, heap })}\nafter  ${JSON.stringify(after)}`)
    expect(server.stderr).toBe('')
  })
})
