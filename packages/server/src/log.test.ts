// The log under real traffic over every transport, with secrets wherever a client or an app can put one.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ServerEvent } from '@rt/protocol'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import type { Logger } from './index'
import { createRealtime } from './realtime'
import { redis } from './redis'
import { RedisServer } from './testing/redis-server'

vi.setConfig({ testTimeout: 30_000 })

/** Stands in everything that nobody may read in a log. */
const SECRET = 'hunter2'

class Captured implements Logger {
  readonly lines: { readonly level: string; readonly event: string; readonly [key: string]: unknown }[] = []
  readonly debug = this.#at('debug')
  readonly info = this.#at('info')
  readonly warn = this.#at('warn')
  readonly error = this.#at('error')

  #at(level: string) {
    return (about: object, text: string) =>
      void this.lines.push({ level, text, ...about } as unknown as (typeof this.lines)[number])
  }

  of(event: string) {
    return this.lines.filter((line) => line.event === event)
  }
}

async function start(broker?: ReturnType<typeof redis>) {
  const log = new Captured()
  const errors: unknown[] = []
  const rt = createRealtime({
    log,
    onError: (error) => errors.push(error),
    ...(broker !== undefined && { broker }),
    authenticate: (request) => {
      const token = request.headers.get('authorization')
      if (token?.includes('broken')) throw new Error(`No session for ${token}.`)
      return token === null ? null : { id: 'ada', token }
    },
    channels: {
      'chat:{room}': {
        message: z.object({ text: z.enum(['hello', SECRET]) }),
        presence: z.object({ mood: z.string().max(20) }),
        state: ({ identity }) => ({ for: identity?.token ?? null }),
        subscribe: 'public',
        publish: ({ identity }) => identity !== null,
      },
      closed: { message: z.number(), subscribe: () => false },
      failing: {
        message: z.number(),
        subscribe: () => {
          throw new Error(SECRET)
        },
      },
    },
  })
  const server = createServer()
  rt.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    await rt.close()
    server.closeAllConnections()
    server.close()
  })
  return { rt, log, errors, base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/rt` }
}

const headers = { authorization: `Bearer ${SECRET}`, cookie: `session=${SECRET}` }

async function webSocket(base: string, query: string, given: Record<string, string> = headers) {
  const ws = new WebSocket(`${base.replace('http', 'ws')}?${query}`, 'rt.v1', { headers: given })
  onTestFinished(() => ws.terminate())
  const events: ServerEvent[] = []
  ws.on('message', (data) => void events.push(...(JSON.parse(data.toString()) as ServerEvent[])))
  const until = (fits: (event: ServerEvent) => boolean) =>
    vi.waitFor(() => expect(events.some(fits)).toBe(true), 10_000)
  return { ws, until }
}

test('everything that happens is told, and no secret with it', async () => {
  const { rt, log, errors, base } = await start()
  // The same in the URL: a token there, a cursor of somebody, and a parameter that nobody knows.
  const url = `channels=chat:1&token=${SECRET}&${SECRET}=1&cursor=${SECRET}`
  const { ws, until } = await webSocket(base, `${url}&client=a`)
  await until(({ type }) => type === 'gap')
  const command = (more: object) => JSON.stringify([more])
  ws.send(command({ type: 'publish', ref: 1, channel: 'chat:1', messageId: 'a', data: { text: SECRET } }))
  ws.send(command({ type: 'publish', ref: 2, channel: 'chat:1', messageId: 'b', data: { text: `not ${SECRET}` } }))
  ws.send(command({ type: 'enter', ref: 3, channel: 'chat:1', client: 'a', state: { mood: SECRET } }))
  ws.send(command({ type: 'enter', ref: 4, channel: 'chat:1', client: 'a', state: { mood: SECRET.repeat(9) } }))
  ws.send(command({ type: 'subscribe', channel: 'closed' }))
  ws.send(command({ type: 'subscribe', channel: 'failing' }))
  ws.send(`{"${SECRET}`)
  for (const ref of [1, 2, 3, 4]) await until((event) => event.type === 'result' && event.ref === ref)
  await until((event) => event.type === 'error')

  const sse = new AbortController()
  const stream = await fetch(`${base}?${url}`, {
    headers: { ...headers, accept: 'text/event-stream' },
    signal: sse.signal,
  })
  expect(stream.status).toBe(200)
  sse.abort()
  await (await fetch(`${base}?channels=chat:1&wait=0&token=${SECRET}`, { headers })).text()
  await fetch(base, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: command({ type: 'publish', ref: 1, channel: 'chat:1', messageId: 'c', data: { text: SECRET } }),
  })
  await fetch(`${base}?channels=closed&wait=0`, { headers })
  await fetch(`${base}?channels=chat:1&wait=0`, { headers: { authorization: `Bearer broken-${SECRET}` } })
  await fetch(base, { headers: { origin: `https://${SECRET}.example` } })
  await rt.revoke('ada')
  await until(({ type }) => type === 'bye')
  await vi.waitFor(() => expect(log.of('disconnect')).toHaveLength(3))
  await rt.close()

  expect(log.of('connect')).toMatchObject([
    { level: 'info', transport: 'websocket', identity: 'ada' },
    { level: 'info', transport: 'sse', identity: 'ada' },
    { level: 'debug', transport: 'poll', identity: 'ada' },
  ])
  const [connect] = log.of('connect')
  expect(log.of('disconnect').find(({ connection }) => connection === connect?.['connection'])).toMatchObject({
    level: 'info',
    reason: 'unauthenticated',
    duration: expect.any(Number),
  })
  const refusals = log.of('refusal').map(({ what, code, channel, identity }) => ({ what, code, channel, identity }))
  expect(refusals).toEqual(
    expect.arrayContaining([
      { what: 'command', code: 'invalid_message', channel: 'chat:1', identity: 'ada' },
      { what: 'command', code: 'invalid_request', channel: undefined, identity: 'ada' },
      { what: 'channel', code: 'forbidden', channel: 'closed', identity: 'ada' },
      { what: 'channel', code: 'internal', channel: 'failing', identity: 'ada' },
      { what: 'request', code: 'forbidden', channel: undefined, identity: undefined },
      { what: 'request', code: 'internal', channel: undefined, identity: undefined },
    ]),
  )
  // Two commands with a bad payload, one line.
  expect(log.of('refusal').find(({ code }) => code === 'invalid_message')).toMatchObject({ times: 2 })
  expect(log.of('gap')).toMatchObject([{ level: 'warn', channel: 'chat:1', reason: 'cursor' }])
  expect(log.of('drain')).toMatchObject([{ level: 'info', connections: 0 }])
  expect(log.lines.at(-1)).toMatchObject({ event: 'close', connections: 0 })
  expect(errors.map(String).join()).toContain(SECRET)
  expect(JSON.stringify(log.lines)).not.toContain(SECRET)
  const levels = new Set(log.lines.map(({ level }) => level))
  expect([...levels].sort()).toEqual(['debug', 'info', 'warn'])
})

test('who is refused over and over fills no log', async () => {
  const { log, base } = await start()
  const { ws, until } = await webSocket(base, 'channels=chat:1')
  await until(({ type }) => type === 'subscribed')
  for (let i = 1; i <= 1000; i++)
    ws.send(JSON.stringify([{ type: 'publish', ref: i, channel: `nowhere:${i}`, messageId: 'a', data: 1 }]))
  await until((event) => event.type === 'result' && event.ref === 1000)
  await vi.waitFor(() => expect(log.of('refusal').length).toBeGreaterThan(0), 5000)
  const lines = log.of('refusal')
  expect(lines.length).toBeLessThanOrEqual(202)
  await vi.waitFor(
    () => expect(log.of('refusal').reduce((sum, { times }) => sum + (times as number), 0)).toBe(1000),
    5000,
  )
})

describe.skipIf(!process.env['REDIS_SERVER'])('on Redis', () => {
  test('the absence of the broker and its return are told once each', async () => {
    const store = await RedisServer.start({})
    onTestFinished(() => store.close())
    const { rt, log } = await start(redis(`redis://:${SECRET}@127.0.0.1:${new URL(store.url).port}`))
    // No password is set there: it does not mind, and nothing may be told of it.
    await vi.waitFor(() => expect(rt.metrics().broker?.state).toBe('up'), 10_000)
    await store.kill()
    await vi.waitFor(() => expect(log.of('broker_away')).toMatchObject([{ level: 'warn' }]), 10_000)
    await store.start()
    await vi.waitFor(() => expect(log.of('broker_back')).toMatchObject([{ level: 'info' }]), 10_000)
    expect(log.of('broker_back')[0]?.['duration']).toBeGreaterThan(0)
    expect(log.of('broker_away')).toHaveLength(1)
    expect(JSON.stringify(log.lines)).not.toContain(SECRET)
  })
})
