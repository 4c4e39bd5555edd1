// One node of an app in a process of its own, which a test may kill; started by server-process.ts with its options as JSON in the first argument.
import { createServer, IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { queryObjects } from 'node:v8'
import { createRealtime, memory, RealtimeError } from '@rt/server'
import { WebSocket } from 'ws'
import { z } from 'zod'

const { port = 0, redisUrl, options = {}, http = {} } = JSON.parse(process.argv[2] ?? '{}')
// Loaded only where it is asked for, as an app does it.
const broker = redisUrl === undefined ? memory() : (await import('@rt/server/redis')).redis(redisUrl)

const rt = createRealtime({
  ...options,
  broker,
  authenticate(request) {
    const header = request.headers.get('authorization')
    if (header === null) {
      // What a page sends that was logged in.
      const [, id] = /(?:^|; )user=(\w+)/.exec(request.headers.get('cookie') ?? '') ?? []
      return id === undefined ? null : { id }
    }
    const [, user, lasts] = /^Bearer user:(\w+)(?: for:(\d+))?$/.exec(header) ?? []
    if (user !== undefined) return { id: user, ...(lasts !== undefined && { expiresAt: Date.now() + Number(lasts) }) }
    if (header === 'Bearer expired') throw new RealtimeError('token_expired', 'This token has expired.')
    throw new RealtimeError('unauthenticated', 'This token is none of ours.')
  },
  channels: {
    'room:{id}': { message: z.object({ n: z.number() }), subscribe: 'public', publish: 'public' },
    'chat:{id}': {
      message: z.object({ text: z.string().min(1) }),
      subscribe: 'public',
      publish: ({ identity }) => identity !== null,
    },
    'any:{id}': { message: z.unknown(), subscribe: 'public', publish: 'public' },
    'typing:{id}': { message: z.unknown(), delivery: 'live', subscribe: 'public', publish: 'public' },
    'user:{id}:inbox': { message: z.unknown(), subscribe: ({ identity, params }) => identity?.id === params.id },
    'closed:{id}': { message: z.unknown() },
    'score:{id}': {
      message: z.object({ n: z.number() }),
      state: ({ params }) => ({ game: params.id, n: 3 }),
      subscribe: 'public',
      publish: 'public',
    },
    'lobby:{id}': { message: z.unknown(), presence: z.object({ name: z.string() }), subscribe: 'public' },
    'team:{id}': {
      message: z.object({ text: z.string() }),
      presence: z.object({ name: z.string() }),
      subscribe: 'public',
      publish: 'public',
    },
    'club:{id}': { message: z.unknown(), presence: z.unknown(), subscribe: ({ identity }) => identity?.id === '7' },
  },
})

const inspector = rt.inspector({ allow: ({ identity }) => identity?.id === 'admin' })

const server = createServer(http, (request, response) => {
  const [path, query] = request.url.split('?', 2)
  if (path === '/inspect') return inspector.handler(request, response)
  if (path === '/login') {
    response
      .writeHead(302, {
        'set-cookie': `user=${new URLSearchParams(query).get('user')}; HttpOnly`,
        location: '/inspect',
      })
      .end()
    return
  }
  if (request.url === '/prototype') {
    // What a polluted prototype would show: `for in` finds only what somebody put there.
    const found = []
    for (const key in {}) found.push(key)
    response.end(JSON.stringify(found))
    return
  }
  if (request.url === '/figures') {
    // Its own connection is one of them each time.
    response.end(JSON.stringify(figures()))
    return
  }
  if (request.url.startsWith('/publish/')) {
    const n = Number(request.url.slice('/publish/'.length))
    rt.publish('user:ann:inbox', { n }).then(() => response.end())
    return
  }
  if (request.url.startsWith('/ticket/')) {
    rt.ticket({ id: request.url.slice('/ticket/'.length) }).then((ticket) => response.end(ticket))
    return
  }
  response.setHeader('content-type', 'text/html').end('<!doctype html><title>bare</title>')
})
rt.attach(server)

const { constructor: Timeout } = setTimeout(() => {}, 0)
const never = process.eventNames().length

/** What is there once the garbage is gone. */
function figures() {
  globalThis.gc()
  const { connections, subscriptions, channels } = rt.metrics()
  return {
    connections: Object.values(connections).reduce((sum, n) => sum + n),
    subscriptions,
    channels,
    resources: process.getActiveResourcesInfo().length,
    listeners: process.eventNames().length - never,
    timers: queryObjects(Timeout),
    sockets: queryObjects(Socket),
    webSockets: queryObjects(WebSocket),
    requests: queryObjects(IncomingMessage),
    responses: queryObjects(ServerResponse),
    heap: process.memoryUsage().heapUsed,
  }
}
server.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })))

// The parent is gone: so are we.
process.stdin.on('end', () => process.exit()).resume()
