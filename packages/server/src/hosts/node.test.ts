import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { RealtimeError } from '@rt/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { control, message, ScriptedGateway } from '../transports/scripted-gateway.fixture'
import { attach, createNodeHandler, type NodeHandler } from './node'

let gateway: ScriptedGateway
let server: Server
let base: string

async function listen(listener?: RequestListener): Promise<void> {
  server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

beforeEach(() => {
  gateway = new ScriptedGateway()
  gateway.onOpen = (opened) => queueMicrotask(() => opened.wire.caughtUp?.())
})

const sockets: WebSocket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const COMMANDS = JSON.stringify([{ type: 'publish', ref: 1, channel: 'a', data: 1 }])
const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: COMMANDS }

/** The first message of a WebSocket, or how it failed. */
function firstMessage(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(base.replace('http', 'ws') + path)
    sockets.push(socket)
    socket.on('message', (data) => resolve(String(data)))
    socket.on('error', (error) => resolve(error.message))
  })
}

describe('attach', () => {
  test.each(['before', 'after'])('leaves other paths to listeners that came %s', async (when) => {
    const app: RequestListener = (req, res) => res.end(`app ${req.url}`)
    await listen(when === 'before' ? app : undefined)
    attach(server, gateway)
    if (when === 'after') server.on('request', app)
    for (const path of ['/', '/rt/x', '/rtx', '/other?a=/rt']) {
      expect(await (await fetch(base + path)).text()).toBe(`app ${path}`)
    }
    expect((await (await fetch(`${base}/rt?channels=a`)).json()) as object).toHaveProperty('cursor')
  })

  test('answers for other paths when nobody else does', async () => {
    await listen()
    attach(server, gateway)
    expect((await fetch(`${base}/x`)).status).toBe(404)
    expect(await firstMessage('/x')).toContain('404')
  })

  test.each(['before', 'after'])(
    'leaves other upgrades to handlers that came %s, and keeps its own from them',
    async (when) => {
      await listen()
      const other = new WebSocketServer({ noServer: true })
      const greedy = (req: IncomingMessage, socket: Socket, head: Buffer) =>
        other.handleUpgrade(req, socket, head, (ws) => ws.send('other'))
      if (when === 'before') server.on('upgrade', greedy)
      attach(server, gateway)
      if (when === 'after') server.on('upgrade', greedy)
      expect(await firstMessage('/x')).toBe('other')
      expect(await firstMessage('/rt')).toContain('hello')
    },
  )

  test('serves two gateways on one server, each on its path', async () => {
    await listen()
    const second = new ScriptedGateway()
    second.path = '/second'
    attach(server, gateway)
    attach(server, second)
    await fetch(`${base}/rt`, post)
    await fetch(`${base}/second`, post)
    expect([gateway.executed.length, second.executed.length]).toEqual([1, 1])
    expect(await firstMessage('/rt')).toContain('hello')
    expect(await firstMessage('/second')).toContain('hello')
    await Promise.all([gateway.opened(), second.opened()])
  })

  test('for one path twice, the newest serves until it is undone', async () => {
    await listen()
    const newer = new ScriptedGateway()
    attach(server, gateway)
    const undo = attach(server, newer)
    await fetch(`${base}/rt`, post)
    undo()
    undo()
    await fetch(`${base}/rt`, post)
    expect([gateway.executed.length, newer.executed.length]).toEqual([1, 1])
  })

  test('with `http: false` takes WebSocket alone: requests reach the route behind the middleware of the app', async () => {
    const handler = createNodeHandler(gateway)
    await listen((req, res) => {
      res.setHeader('x-middleware', 'was here')
      if (req.url?.startsWith('/rt')) handler(req, res)
      else res.end('app')
    })
    attach(server, gateway, { http: false })
    const answer = await fetch(`${base}/rt`, post)
    expect([answer.status, answer.headers.get('x-middleware')]).toEqual([200, 'was here'])
    expect(await (await fetch(base)).text()).toBe('app')
    expect(await firstMessage('/rt')).toContain('hello')
  })

  test('with `http: false` beside one that serves all of the path, that one goes on to answer requests', async () => {
    await listen()
    const newer = new ScriptedGateway()
    attach(server, gateway)
    attach(server, newer, { http: false })
    await fetch(`${base}/rt`, post)
    expect([gateway.executed.length, newer.executed.length]).toEqual([1, 0])
    const opened = newer.opened()
    void firstMessage('/rt')
    await opened
  })

  test('is undone without a trace for new requests, and open streams go on', async () => {
    await listen((_, res) => res.end('app'))
    const undo = attach(server, gateway)
    const opening = gateway.opened()
    const socket = new WebSocket(`${base.replace('http', 'ws')}/rt`)
    sockets.push(socket)
    const { wire } = await opening
    await new Promise((resolve) => socket.once('message', resolve))
    undo()
    expect(server.listenerCount('upgrade')).toBe(0)
    expect(await (await fetch(`${base}/rt`)).text()).toBe('app')
    wire.write([control({ type: 'beat' })], null)
    expect(String(await new Promise((resolve) => socket.once('message', resolve)))).toBe('[{"type":"beat"}]')
  })

  test('refuses upgrades where WebSocket can not be loaded, and serves the rest', async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => void unhandled.push(error)
    process.on('unhandledRejection', note)
    vi.resetModules()
    vi.doMock('ws', () => {
      throw new Error('Cannot find package ws')
    })
    try {
      const { attach: attachAnew } = await import('./node')
      await listen()
      attachAnew(server, gateway)
      expect(await firstMessage('/rt')).toContain('501')
      expect((await fetch(`${base}/rt`, post)).status).toBe(200)
      expect(unhandled).toEqual([])
    } finally {
      vi.doUnmock('ws')
      vi.resetModules()
      process.off('unhandledRejection', note)
    }
  })

  test('serves HTTP/2 too', async () => {
    await listen()
    const h2 = createHttp2Server()
    attach(h2, gateway)
    await new Promise<void>((resolve) => h2.listen(0, '127.0.0.1', resolve))
    const session = connectHttp2(`http://127.0.0.1:${(h2.address() as AddressInfo).port}`)
    const stream = session.request({ ':path': '/rt?channels=a', accept: 'text/event-stream', cookie: 'sid=7' })
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve))
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'text/event-stream' })
    expect(String(await new Promise((resolve) => stream.once('data', resolve)))).toContain('hello')
    expect(gateway.requests[0]?.headers.get('cookie')).toBe('sid=7')
    const opened = await gateway.opened()
    stream.close()
    await opened.closed
    session.close()
    await new Promise((resolve) => h2.close(resolve))
  })
})

describe('the handler', () => {
  /** What Express does before it calls a handler. */
  const express =
    (
      handler: NodeHandler,
      properties: Record<string, unknown>,
      next: (error?: unknown) => void = () => {},
    ): RequestListener =>
    (req, res) =>
      handler(Object.assign(req, { originalUrl: req.url }, properties), res, next)

  test('takes a body that express.json() has read', async () => {
    const handler = createNodeHandler(gateway)
    await listen(async (req, res) => express(handler, { body: JSON.parse(await bodyOf(req)) })(req, res))
    expect((await fetch(`${base}/rt`, post)).status).toBe(200)
    expect(gateway.executed).toEqual([{ text: COMMANDS, identity: null }])
  })

  test.each([
    ['text', (text: string) => text],
    ['bytes', (text: string) => Buffer.from(text)],
  ])('takes a body that another parser has left as %s', async (_, parse) => {
    const handler = createNodeHandler(gateway)
    await listen(async (req, res) => express(handler, { body: parse(await bodyOf(req)) })(req, res))
    await fetch(`${base}/rt`, post)
    expect(gateway.executed).toEqual([{ text: COMMANDS, identity: null }])
  })

  test('does not take a placeholder for a body', async () => {
    const handler = createNodeHandler(gateway)
    await listen(express(handler, { body: {} }))
    await fetch(`${base}/rt`, post)
    expect(gateway.executed).toEqual([{ text: COMMANDS, identity: null }])
  })

  test('tells what to do when the body is gone', async () => {
    const handler = createNodeHandler(gateway)
    await listen(async (req, res) => {
      await bodyOf(req)
      handler(req, res)
    })
    const response = await fetch(`${base}/rt`, post)
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { hint: expect.stringContaining('body parsers') } },
    ])
  })

  test('limits a parsed body like any other', async () => {
    const handler = createNodeHandler(gateway)
    await listen(async (req, res) => express(handler, { body: JSON.parse(await bodyOf(req)) })(req, res))
    expect((await fetch(`${base}/rt`, { ...post, body: JSON.stringify('x'.repeat(70_000)) })).status).toBe(413)
  })

  test.each([
    ['of its path', '/rt', {}, 'served'],
    ['of another path', '/x', {}, 'next'],
    ['of another path that a route names', '/x', { route: {} }, 'served'],
    ['of another path that it is mounted at', '/', { originalUrl: '/x/', baseUrl: '/x' }, 'served'],
    ['below the path that it is mounted at', '/y', { originalUrl: '/x/y', baseUrl: '/x' }, 'next'],
  ])('as middleware, a request %s is %s', async (_, path, properties, outcome) => {
    const handler = createNodeHandler(gateway)
    await listen((req, res) => express(handler, properties, () => res.end('next'))(req, res))
    const text = await (await fetch(`${base}${path}?channels=a`)).text()
    expect(text === 'next' ? 'next' : 'served').toBe(outcome)
  })

  test('serves whatever a plain server gives it', async () => {
    await listen(createNodeHandler(gateway))
    expect((await fetch(`${base}/any`, post)).status).toBe(200)
  })

  test('is a route handler of Fastify, whose parser has read the body', async () => {
    const handler = createNodeHandler(gateway)
    let hijacked = false
    await listen(async (req, res) => {
      const body: unknown = JSON.parse(await bodyOf(req))
      const hijack = () => {
        hijacked = true
      }
      handler({ raw: req, body }, { raw: res, hijack })
    })
    expect((await fetch(`${base}/rt`, post)).status).toBe(200)
    expect([hijacked, gateway.executed]).toEqual([true, [{ text: COMMANDS, identity: null }]])
  })

  test.each(['text/event-stream', 'application/json'])(
    'opens no stream (%s) for a client that went away during middleware',
    async (accept) => {
      const handler = createNodeHandler(gateway)
      const served = new Promise<void>((resolve) => {
        void listen((req, res) => {
          res.once('close', () => {
            handler(req, res)
            resolve()
          })
          socket.destroy()
        }).then(() => {
          socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
          socket.write(`GET /rt?channels=a&wait=9 HTTP/1.1\r\nhost: h\r\naccept: ${accept}\r\n\r\n`)
        })
      })
      let socket: Socket
      await served
      await new Promise(setImmediate)
      expect(gateway.requests).toEqual([])
    },
  )

  test('flushes compressing middleware', async () => {
    const handler = createNodeHandler(gateway)
    let flushes = 0
    await listen((req, res) => handler(req, Object.assign(res, { flush: () => flushes++ })))
    const response = await fetch(`${base}/rt?channels=a`, { headers: { accept: 'text/event-stream' } })
    await response.body?.cancel()
    expect(flushes).toBeGreaterThan(0)
  })

  test('prints a stream through middleware that writes in its own way', async () => {
    const handler = createNodeHandler(gateway)
    const written: string[] = []
    await listen((req, res) => {
      const write = res.write.bind(res)
      handler(
        req,
        Object.assign(res, { write: (bytes: Uint8Array) => written.push(String(bytes)) > 0 && write(bytes) }),
      )
    })
    const response = await fetch(`${base}/rt?channels=a`, { headers: { accept: 'text/event-stream' } })
    const { wire } = await gateway.opened()
    wire.close(null)
    await response.text()
    expect(written.length).toBeGreaterThan(0)
  })

  test('prints whole chunks, so that the connection of a stream that ended serves the next request', async () => {
    await listen(createNodeHandler(gateway))
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    let text = ''
    const until = (end: string) =>
      new Promise<void>((resolve) => {
        socket.on('data', function read(chunk) {
          text += String(chunk)
          if (!text.includes(end)) return
          socket.off('data', read)
          resolve()
        })
      })
    socket.write('GET /rt?channels=a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n')
    const { wire } = await gateway.opened()
    const ended = until('\r\n0\r\n\r\n')
    wire.write([message('a', '1-0', 'é')], 'c')
    wire.close(null)
    await ended
    expect(text).toContain('\r\nTransfer-Encoding: chunked\r\n')
    const answered = until('"cursor"')
    socket.write('GET /rt?channels=a HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n')
    await answered
    socket.destroy()
  })

  test('lets connections go, and no others, while it drains', async () => {
    await listen(createNodeHandler(gateway))
    const ask = () =>
      fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/rt?channels=a`, { method: 'PUT' })
    expect((await ask()).headers.get('connection')).toBe('keep-alive')
    gateway.draining = true
    expect((await ask()).headers.get('connection')).toBe('close')
  })

  test('lets no server time-out cut a stream', async () => {
    await listen(createNodeHandler(gateway))
    server.timeout = 60_000
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
    const response = await fetch(`${base}/rt?channels=a`, { headers: { accept: 'text/event-stream' } })
    expect((await accepted).timeout).toBe(0)
    await response.body?.cancel()
  })

  test('cuts a stream whose reader does not take its end', async () => {
    await listen(createNodeHandler(gateway))
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {})
    socket.pause()
    socket.write('GET /rt?channels=a HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n')
    const { wire, closed, drained } = await gateway.opened()
    await drained()
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    try {
      // More than the kernel takes for a client that does not read.
      wire.write([message('a', '1-0', 'x'.repeat(20_000_000))], null)
      wire.close(new RealtimeError('draining', 'Bye.'))
      vi.advanceTimersByTime(5_000)
      await closed
    } finally {
      vi.useRealTimers()
    }
    socket.destroy()
  })
})

describe('what comes malformed', () => {
  test.each([
    ['a Host that is none', 'GET /rt?channels=a HTTP/1.1\r\nhost: a b\r\n\r\n', 400],
    ['a Host with a path', 'GET /rt?channels=a HTTP/1.1\r\nhost: a/b\r\n\r\n', 400],
    ['a Host with a bad port', 'GET /rt?channels=a HTTP/1.1\r\nhost: a:99999999\r\n\r\n', 400],
    ['a Host with a user', 'GET /rt?channels=a HTTP/1.1\r\nhost: u@h\r\n\r\n', 400],
    ['no Host', 'GET /rt?channels=a HTTP/1.0\r\n\r\n', 200],
    ['a target with scheme and host', 'GET http://h/rt?channels=a HTTP/1.1\r\nhost: h\r\n\r\n', 200],
    ['a bad escape', 'GET /rt?channels=%ff%zz HTTP/1.1\r\nhost: h\r\n\r\n', 400],
    ['too many headers', `GET /rt?channels=a HTTP/1.1\r\nhost: h\r\n${'a:b\r\n'.repeat(1500)}\r\n`, 431],
    ['a header with bytes beyond ASCII', 'GET /rt?channels=a HTTP/1.1\r\nhost: h\r\nx: \xff\x80\r\n\r\n', 200],
    ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n', 400],
  ])('%s', async (_, bytes, status) => {
    await listen(createNodeHandler(gateway))
    expect(await raw(bytes)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    // And the server is still there.
    expect((await fetch(`${base}/rt?channels=a`)).status).toBe(200)
  })

  test('a target of two slashes is a path, not a host', async () => {
    await listen()
    attach(server, gateway)
    expect(await raw('GET //rt?channels=a HTTP/1.1\r\nhost: h\r\n\r\n')).toMatch(/^HTTP\/1.1 404 /)
  })

  test('a body that is no UTF-8', async () => {
    await listen(createNodeHandler(gateway))
    const response = await fetch(`${base}/rt`, { ...post, body: Uint8Array.of(0x22, 0xff, 0x22) })
    expect([response.status, await response.json()]).toMatchObject([400, { error: { code: 'invalid_request' } }])
    expect(gateway.executed).toEqual([])
  })

  test('a body that is cut off', async () => {
    const handler = createNodeHandler(gateway)
    let ended = () => {}
    const over = new Promise<void>((resolve) => {
      ended = resolve
    })
    await listen((req: IncomingMessage, res: ServerResponse) => {
      res.once('close', ended)
      handler(req, res)
    })
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write('POST /rt HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n[{')
    await new Promise((resolve) => server.once('request', resolve))
    socket.destroy()
    await over
    expect(gateway.executed).toEqual([])
  })

  test('an upgrade whose client goes away at once', async () => {
    await listen()
    attach(server, gateway)
    let seen = () => {}
    const asked = new Promise<void>((resolve) => {
      seen = resolve
    })
    let go = () => {}
    const authenticate = gateway.authenticate.bind(gateway)
    gateway.authenticate = () =>
      new Promise((resolve) => {
        go = () => resolve(null)
        seen()
      })
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
    socket.write(
      'GET /rt HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    const serverSide = await accepted
    await asked
    const closed = new Promise((resolve) => serverSide.once('close', resolve))
    socket.resetAndDestroy()
    serverSide.resume()
    await closed
    gateway.authenticate = authenticate
    go()
    expect((await fetch(`${base}/rt`, post)).status).toBe(200)
  })
})

async function bodyOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** The first bytes that come back for these. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {})
    socket.once('data', (chunk) => {
      socket.destroy()
      resolve(chunk.toString())
    })
    socket.write(Buffer.from(bytes, 'latin1'))
  })
}
