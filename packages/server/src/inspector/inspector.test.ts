import type { Snapshot } from '@rt/inspector/snapshot'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createRealtime, RealtimeError } from '../index'
import type { InspectorOptions } from './inspector'

const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const rt of closing.splice(0)) await rt.close()
})

interface User {
  readonly id: string
  readonly admin: boolean
}

function start(options?: InspectorOptions<User>) {
  const reported: unknown[] = []
  const rt = createRealtime({
    authenticate: (request): User | null => {
      const id = request.headers.get('cookie')?.slice('user='.length)
      return id === undefined ? null : { id, admin: id === 'root' }
    },
    onError: (error) => reported.push(error),
    channels: {
      'chat:{room}': {
        message: z.object({ text: z.string().min(1) }),
        presence: z.object({}),
        state: () => ({ secret: 'of whom it is computed for' }),
        subscribe: ({ identity }) => identity !== null,
      },
    },
  })
  closing.push(rt)
  return { rt, reported, ...rt.inspector(options) }
}

const admins: InspectorOptions<User> = { allow: ({ identity }) => identity?.admin === true }

const url = 'http://localhost/any/path'
const ask = (accept: string, query = '', user?: string) =>
  new Request(`${url}${query}`, { headers: { accept, ...(user !== undefined && { cookie: `user=${user}` }) } })
const post = (command: object, user?: string) =>
  new Request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(user !== undefined && { cookie: `user=${user}` }) },
    body: JSON.stringify([{ ref: 1, ...command }]),
  })

/** One of each thing that can be asked for. */
const everything = (user?: string) => [
  ask('text/html', '', user),
  ask('*/*', '?file=page.js', user),
  ask('text/event-stream', '?channels=:nodes', user),
  ask('application/json', '?channels=:nodes&wait=0', user),
  ask('application/json', '?channels=chat:1&wait=0', user),
  ask('application/json', '?members=chat:1', user),
  post({ type: 'publish', channel: 'chat:1', data: { text: 'x' } }, user),
  post({ type: 'history', channel: 'chat:1', last: 1 }, user),
]

const text = async (fetch: (request: Request) => Promise<Response>, request: Request) => (await fetch(request)).text()
const result = async (fetch: (request: Request) => Promise<Response>, request: Request) =>
  JSON.parse(await text(fetch, request))[0]

/** Reads a stream until this event; ends it. */
async function until<E>(
  response: Response,
  fits: (event: { type: string; channel?: string; data?: unknown }) => boolean,
) {
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let unread = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`The stream ended with ${unread}`)
    unread += value
    for (const line of unread.split('\n').slice(0, -1)) {
      if (!line.startsWith('data: ')) continue
      const event = JSON.parse(line.slice('data: '.length))
      if (!fits(event)) continue
      await reader.cancel()
      return event as E
    }
  }
}

const snapshotOf = async (
  fetch: (request: Request) => Promise<Response>,
  fits: (data: Snapshot) => boolean = () => true,
) =>
  (
    await until<{ data: Snapshot }>(
      await fetch(ask('text/event-stream', '?channels=:nodes', 'root')),
      ({ type, data }) => type === 'live' && fits(data as Snapshot),
    )
  ).data

describe('the permission', () => {
  it('lets nobody in without `allow`, and says what to do', async () => {
    const { fetch } = start()
    for (const request of everything('root')) {
      const response = await fetch(request)
      expect(response.status).toBe(403)
      expect(await response.text()).toContain('rt.inspector({ allow:')
    }
  })

  it('is asked for the page, its files, and each stream, poll and command, with the identity and the request', async () => {
    const asked: unknown[] = []
    const { fetch } = start({
      allow: ({ identity, request }) => {
        asked.push([identity, new URL(request.url).pathname])
        return false
      },
    })
    for (const [user, status] of [
      ['ann', 403],
      [undefined, 401],
    ] as const) {
      const requests = everything(user)
      for (const request of requests) expect((await fetch(request)).status).toBe(status)
      const identity = user === undefined ? null : { id: user, admin: false }
      expect(asked.splice(0)).toEqual(requests.map(() => [identity, '/any/path']))
    }
  })

  it('is given by `true` alone', async () => {
    for (const answer of ['yes', 1, {}, Promise.resolve('true')]) {
      const { fetch } = start({ allow: () => answer as boolean })
      for (const request of everything('root')) expect((await fetch(request)).status).toBe(403)
    }
  })

  it('is not given when the function throws: what it threw is reported, and said to nobody', async () => {
    const secret = new Error('password=1234')
    const { fetch, reported } = start({ allow: () => Promise.reject(secret) })
    for (const request of everything('root')) {
      const response = await fetch(request)
      expect(response.status).toBe(500)
      expect(await response.text()).not.toContain('password')
    }
    expect(reported).toEqual(everything().map(() => secret))
  })

  it('may refuse in its own words, which are no markup', async () => {
    const { fetch } = start({
      allow: () => {
        throw new RealtimeError('unauthenticated', '<script>alert(1)</script>', { hint: 'Log in at /login.' })
      },
    })
    const page = await text(fetch, ask('text/html'))
    expect(page).toContain('Log in at /login.')
    expect(page).not.toContain('<script')
  })

  it('ends with the identity', async () => {
    const { rt, fetch } = start(admins)
    const stream = await fetch(ask('text/event-stream', '?channels=:nodes', 'root'))
    const bye = until<{ error: { code: string } }>(stream, ({ type }) => type === 'bye')
    await rt.revoke('root')
    expect((await bye).error.code).toBe('unauthenticated')
  })
})

describe('who may', () => {
  it('publishes as the server whatever the rule says, and through the schema', async () => {
    const { rt, fetch } = start(admins)
    const publish = (data: unknown) => result(fetch, post({ type: 'publish', channel: 'chat:1', data }, 'root'))
    expect(await publish({ text: 'hi' })).toMatchObject({ type: 'result', value: { duplicate: false } })
    expect(await rt.history('chat:1', { last: 10 })).toMatchObject([{ from: null, data: { text: 'hi' } }])
    expect(await publish({ text: '' })).toMatchObject({
      error: { code: 'invalid_message', issues: [{ path: ['text'] }] },
    })
    expect(await result(fetch, post({ type: 'publish', channel: ':nodes', data: 1 }, 'root'))).toMatchObject({
      error: { code: 'unknown_channel' },
    })
  })

  it('hears a channel without its state, and is neither online nor a member', async () => {
    const { rt, fetch } = start(admins)
    const stream = await fetch(ask('text/event-stream', '?channels=chat:1', 'root'))
    const subscribed = await until(stream, ({ type }) => type === 'subscribed')
    expect(subscribed).not.toHaveProperty('state')
    expect(await rt.presence.online(['root'])).toEqual([false])
    const enter = { type: 'enter', channel: 'chat:1', client: 'c', state: {} }
    expect(await result(fetch, post(enter, 'root'))).toMatchObject({ error: { code: 'forbidden' } })
    expect((await rt.presence.list('chat:1')).members).toEqual([])
  })

  it('hears of the nodes only here: names of that kind do not exist for the app', async () => {
    const { rt } = start(admins)
    expect((await rt.fetch(ask('application/json', '?channels=:nodes&wait=0', 'root'))).status).toBe(404)
    expect(() => createRealtime({ channels: { ':nodes': { message: z.unknown() } } })).toThrow(
      "names that begin with ':' are rt's own",
    )
  })
})

describe('what a node says of itself', () => {
  it('is the app: its connections and channels, and not the inspector', async () => {
    const { rt, fetch } = start(admins)
    const stream = await rt.fetch(ask('text/event-stream', '?channels=chat:1,chat:2', 'ann'))
    const events = (stream.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
    for (let read = ''; !/"subscribed","channel":"chat:1"/.test(read); ) read += (await events.read()).value
    await rt.publish('chat:1', { text: 'a' })
    const snapshot = await snapshotOf(fetch, ({ deliveries }) => deliveries > 0)
    expect(snapshot).toMatchObject({
      pid: process.pid,
      open: { websocket: 0, sse: 1, 'long-poll': 0, poll: 0 },
      publications: 1,
      deliveries: 1,
      connections: { total: 1, head: [{ identity: 'ann', transport: 'sse', channels: 2, waiting: 0 }] },
      channels: {
        total: 2,
        head: [
          { name: 'chat:1', delivery: 'all', subscribers: 1, publications: 1 },
          { name: 'chat:2', delivery: 'all', subscribers: 1, publications: 0 },
        ],
      },
    })
    await events.cancel()
  })

  it('comes by polls as well', async () => {
    const { fetch } = start(admins)
    const poll = async (query: string) => JSON.parse(await text(fetch, ask('application/json', query, 'root')))
    const { cursor } = await poll('?channels=:nodes&wait=0')
    const { events } = await poll(`?channels=:nodes&cursor=${cursor}&wait=10`)
    expect(events).toContainEqual(expect.objectContaining({ type: 'live', channel: ':nodes' }))
  })

  it('is bounded: of long lists the head and their length, and of a connection’s id the beginning', async () => {
    const { rt, fetch } = start(admins)
    const streams: Response[] = []
    for (let i = 0; i < 230; i++)
      streams.push(await rt.fetch(ask('text/event-stream', `?channels=chat:${i},chat:all`, `user${i}`)))
    const { connections, channels } = await snapshotOf(fetch)
    expect([connections.total, connections.head.length]).toEqual([230, 200])
    expect([channels.total, channels.head.length]).toEqual([231, 200])
    expect(channels.head[0]).toMatchObject({ name: 'chat:all', subscribers: 230 })
    for (const { id } of connections.head) expect(id).toMatch(/^[\da-f]{8}$/)
    for (const stream of streams) await stream.body?.cancel()
  })
})
