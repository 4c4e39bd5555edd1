import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PollBody, ServerEvent } from '@rt/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { createRealtime } from '../realtime'

/** A whole node on a memory broker behind a real server. */
function start() {
  const channels = {
    'chat:{room}': {
      message: z.object({ n: z.number() }),
      subscribe: ({ identity }: { identity: { id: string } | null }) => identity !== null,
      publish: 'public' as const,
    },
    news: { message: z.object({ n: z.number() }), subscribe: 'public' as const },
    cursors: { message: z.object({ n: z.number() }), delivery: 'live' as const, subscribe: 'public' as const },
  }
  return createRealtime({
    authenticate: (request) => {
      const token = request.headers.get('authorization')
      return token === null ? null : { id: token.slice('Bearer '.length) }
    },
    channels,
  })
}

let rt: ReturnType<typeof start>
let server: Server
let base: string
const sockets: WebSocket[] = []

beforeEach(async () => {
  rt = start()
  server = createServer()
  rt.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rt`
})

afterEach(async () => {
  await rt.close()
  for (const socket of sockets.splice(0)) socket.terminate()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

type Next = () => Promise<ServerEvent>

/** The events of a stream, one by one. The cursor, which SSE prints as an id, is one of them on either transport. */
interface Events {
  readonly next: Next
  close(): void
}

async function sse(query: string, headers: Record<string, string> = {}): Promise<Events> {
  const controller = new AbortController()
  const response = await fetch(`${base}?${query}`, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: controller.signal,
  })
  expect(response.status).toBe(200)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let text = ''
  async function next(): Promise<ServerEvent> {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end < 0) {
        const { done, value } = await reader.read()
        if (done) throw new Error('The stream ended.')
        text += decoder.decode(value, { stream: true })
        continue
      }
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      for (const line of lines) {
        if (line.startsWith('id: ')) return { type: 'cursor', cursor: line.slice(4) }
        if (line.startsWith('data: ')) return JSON.parse(line.slice(6)) as ServerEvent
      }
    }
  }
  return { next, close: () => controller.abort() }
}

async function webSocket(query: string): Promise<Events & { readonly ws: WebSocket }> {
  const ws = new WebSocket(`${base.replace('http', 'ws')}?${query}`, 'rt.v1', {
    headers: { authorization: 'Bearer ada' },
  })
  sockets.push(ws)
  const events: ServerEvent[] = []
  let wake = () => {}
  ws.on('message', (data) => {
    events.push(...(JSON.parse(String(data)) as ServerEvent[]))
    wake()
  })
  async function next(): Promise<ServerEvent> {
    for (;;) {
      const event = events.shift()
      if (event !== undefined) return event
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return { ws, next, close: () => ws.close() }
}

/** The next event of this type. */
async function until<T extends ServerEvent['type']>(
  events: Events,
  type: T,
): Promise<Extract<ServerEvent, { type: T }>> {
  for (;;) {
    const event = await events.next()
    if (event.type === type) return event as Extract<ServerEvent, { type: T }>
  }
}

/** Takes part until the message `n: 1` and the cursor behind it, then goes away; publishes `n: 2` meanwhile. Resolves with the cursor. */
async function leaveBehindOne(open: (query: string) => Promise<Events>): Promise<string> {
  const events = await open('channels=news')
  await until(events, 'subscribed')
  await rt.publish('news', { n: 1 })
  await until(events, 'message')
  const { cursor } = await until(events, 'cursor')
  events.close()
  await rt.publish('news', { n: 2 })
  return cursor
}

async function poll(
  query: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: PollBody; etag: string }> {
  const response = await fetch(`${base}?${query}`, { headers })
  const text = await response.text()
  return {
    status: response.status,
    body: JSON.parse(text || '{}') as PollBody,
    etag: response.headers.get('etag') ?? '',
  }
}

describe.each([
  ['sse', sse],
  ['websocket', webSocket],
])('a stream over %s', (_, open) => {
  test('begins with hello and is live once subscribed', async () => {
    const events = await open('channels=news')
    expect(await events.next()).toMatchObject({ type: 'hello', version: 1 })
    await until(events, 'subscribed')
    const { id } = await rt.publish('news', { n: 1 })
    expect(await until(events, 'message')).toMatchObject({ channel: 'news', id, data: { n: 1 } })
    events.close()
  })

  test('goes on from its cursor', async () => {
    const events = await open(`channels=news&cursor=${await leaveBehindOne(open)}`)
    expect(await until(events, 'message')).toMatchObject({ data: { n: 2 } })
    events.close()
  })

  test('tells which of its channels were refused', async () => {
    const events = await open('channels=news,nothing')
    expect(await until(events, 'unsubscribed')).toMatchObject({
      channel: 'nothing',
      error: { code: 'unknown_channel' },
    })
    expect(await until(events, 'subscribed')).toMatchObject({ channel: 'news' })
    events.close()
  })

  test('carries live channels', async () => {
    const events = await open('channels=cursors')
    await until(events, 'subscribed')
    await rt.publish('cursors', { n: 1 })
    expect(await until(events, 'live')).toMatchObject({ channel: 'cursors', data: { n: 1 } })
    events.close()
  })

  test('says bye when the node closes', async () => {
    const events = await open('channels=news')
    await until(events, 'subscribed')
    await rt.close()
    expect(await until(events, 'bye')).toMatchObject({ error: { code: 'draining' } })
  })
})

describe('a drain', () => {
  test.each([
    ['sse', sse],
    ['websocket', webSocket],
  ])('tells a stream over %s when to go, serves it until it does, and is over then', async (_, open) => {
    const events = await open('channels=news')
    await until(events, 'subscribed')
    const closing = rt.close({ drain: '1h' })
    const { retryAfter } = await until(events, 'bye')
    expect(retryAfter).toBeGreaterThan(0)
    expect(retryAfter).toBeLessThanOrEqual(3_600_000)
    await rt.publish('news', { n: 1 })
    expect(await until(events, 'message')).toMatchObject({ data: { n: 1 } })
    events.close()
    await closing
    await expect(rt.publish('news', { n: 2 })).rejects.toMatchObject({ code: 'closed' })
  })

  test('takes nothing new, and lets the connections of who asks go', async () => {
    const events = await sse('channels=news')
    await until(events, 'subscribed')
    const closing = rt.close({ drain: '1h' })
    for (const accept of ['text/event-stream', 'application/json']) {
      const response = await fetch(`${base}?channels=news`, { headers: { accept } })
      expect([response.status, response.headers.get('retry-after'), response.headers.get('connection')]).toEqual([
        503,
        '0',
        'close',
      ])
      expect(await response.json()).toMatchObject({ error: { code: 'draining' } })
    }
    expect(await until(await webSocket('channels=news'), 'bye')).toMatchObject({ error: { code: 'draining' } })
    events.close()
    await closing
  })

  test('answers a held poll within its time, and sends it to another node at once', async () => {
    const { body } = await poll('channels=news')
    const held = poll(`channels=news&cursor=${body.cursor}&wait=20`)
    // It is held when another one that came behind it is live.
    const other = await sse('channels=news')
    await until(other, 'subscribed')
    other.close()
    await rt.close({ drain: 500 })
    expect((await held).body).toMatchObject({ events: [], next: 0 })
  })

  test('ends with what is left: bye, and the close code', async () => {
    const events = await webSocket('channels=news')
    await until(events, 'subscribed')
    const code = new Promise((resolve) => events.ws.once('close', resolve))
    await rt.close({ drain: 100 })
    expect(await until(events, 'bye')).toMatchObject({ retryAfter: expect.any(Number) })
    expect(await until(events, 'bye')).toMatchObject({ error: { code: 'draining' } })
    expect(await code).toBe(1012)
  })
})

describe('the rest of the endpoint', () => {
  test('a bare EventSource comes back with Last-Event-ID', async () => {
    const events = await sse('channels=news', { 'last-event-id': await leaveBehindOne(sse) })
    expect(await until(events, 'message')).toMatchObject({ data: { n: 2 } })
    events.close()
  })

  test('a WebSocket subscribes, publishes and hears itself', async () => {
    const events = await webSocket('')
    await until(events, 'hello')
    events.ws.send(JSON.stringify([{ type: 'subscribe', channel: 'chat:1' }]))
    await until(events, 'subscribed')
    events.ws.send(JSON.stringify([{ type: 'publish', ref: 1, channel: 'chat:1', data: { n: 1 }, messageId: 'm1' }]))
    expect(await until(events, 'message')).toMatchObject({ from: 'ada', messageId: 'm1', data: { n: 1 } })
  })

  test('a short poll, its 304, and what came after', async () => {
    const first = await poll('channels=news')
    expect(first.body.events).toMatchObject([{ type: 'subscribed', channel: 'news' }])
    const query = `channels=news&cursor=${first.body.cursor}`
    const same = await poll(query, { 'if-none-match': first.etag })
    expect([same.status, same.etag]).toEqual([304, first.etag])
    await rt.publish('news', { n: 1 })
    const second = await poll(query, { 'if-none-match': first.etag })
    expect(second.body.events).toEqual(
      expect.arrayContaining([expect.objectContaining({ type: 'message', data: { n: 1 } })]),
    )
    expect(second.etag).not.toBe(first.etag)
  })

  test('a long poll is held until something is published', async () => {
    const { body } = await poll('channels=news')
    const held = poll(`channels=news&cursor=${body.cursor}&wait=20`)
    const other = await sse('channels=news')
    await until(other, 'subscribed')
    await rt.publish('news', { n: 1 })
    const answer = await held
    expect(answer.body.events).toEqual(
      expect.arrayContaining([expect.objectContaining({ type: 'message', data: { n: 1 } })]),
    )
    expect(answer.body.next).toBe(0)
    other.close()
  })

  test('a refusal of all channels is an ordinary reply', async () => {
    for (const accept of ['text/event-stream', 'application/json']) {
      const response = await fetch(`${base}?channels=chat:1`, { headers: { accept } })
      expect([response.status, await response.json()]).toMatchObject([401, { error: { code: 'unauthenticated' } }])
    }
  })

  test('commands by POST', async () => {
    const response = await fetch(base, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer ada' },
      body: JSON.stringify([
        { type: 'publish', ref: 1, channel: 'chat:1', data: { n: 1 } },
        { type: 'publish', ref: 2, channel: 'chat:1', data: 'x' },
        { type: 'history', ref: 3, channel: 'chat:1', last: 1 },
      ]),
    })
    expect(await response.json()).toMatchObject([
      { type: 'result', ref: 1, value: {} },
      { type: 'result', ref: 2, error: { code: 'invalid_message' } },
      { type: 'result', ref: 3 },
    ])
  })

  test('a POSTed stream', async () => {
    const response = await fetch(base, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ type: 'open', channels: [{ channel: 'chat:1' }], token: 'ada' }),
    })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    await response.body?.cancel()
  })

  test('the same from a web request', async () => {
    const response = await rt.fetch(
      new Request('http://h/rt?channels=news', { headers: { accept: 'text/event-stream' } }),
    )
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    while (!text.includes('"subscribed"')) text += new TextDecoder().decode((await reader.read()).value)
    await rt.publish('news', { n: 1 })
    while (!text.includes('{"n":1}')) text += new TextDecoder().decode((await reader.read()).value)
    await reader.cancel()
  })
})
