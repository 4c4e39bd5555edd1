import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { errorTable, limits, RealtimeError, type ServerEvent } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { attach } from '../hosts/node'
import { CURSOR, control, hello, message, ScriptedGateway } from './scripted-gateway.fixture'

let gateway: ScriptedGateway
let server: Server
let url: string

beforeEach(async () => {
  gateway = new ScriptedGateway()
  server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/rt`
})

afterEach(async () => {
  server.closeAllConnections()
  for (const client of clients.splice(0)) client.ws.terminate()
  await new Promise((resolve) => server.close(resolve))
})

const clients: Client[] = []

class Client {
  readonly ws: WebSocket
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #frames: string[] = []
  readonly #waiting: ((text: string) => void)[] = []

  constructor(
    query: string,
    options: ConstructorParameters<typeof WebSocket>[2] = {},
    protocols: string[] = ['rt.v1'],
  ) {
    attachOnce()
    this.ws = new WebSocket(`${url}?${query}`, protocols, options)
    clients.push(this)
    this.ws.on('error', () => {})
    this.ws.on('message', (data, isBinary) => {
      const text = isBinary ? 'binary' : data.toString()
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#frames.push(text)
      else waiting(text)
    })
    this.closed = new Promise((resolve) =>
      this.ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    )
  }

  opened(): Promise<void> {
    return new Promise((resolve) => this.ws.once('open', () => resolve()))
  }

  frame(): Promise<string> {
    const frame = this.#frames.shift()
    return frame === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(frame)
  }

  async events(): Promise<ServerEvent[]> {
    return JSON.parse(await this.frame()) as ServerEvent[]
  }
}

let attached: Server | null = null
function attachOnce(): void {
  if (attached === server) return
  attached = server
  attach(server, gateway)
}

describe('a WebSocket', () => {
  test('speaks first: hello and the cursor in one text frame', async () => {
    const client = new Client(`channels=a,b&new=b&cursor=${CURSOR}`, { headers: { authorization: 'Bearer ada' } })
    const opened = await gateway.opened()
    expect(opened.request).toMatchObject({
      transport: 'websocket',
      identity: { id: 'ada' },
      channels: [
        { channel: 'a', new: false },
        { channel: 'b', new: true },
      ],
      cursor: CURSOR,
    })
    expect(await client.frame()).toBe(`[${hello.json},{"type":"cursor","cursor":"${CURSOR}"}]`)
    expect(client.ws.protocol).toBe('rt.v1')
    expect(client.ws.extensions).toBe('')
  })

  test('prints a flush as one frame, the cursor last, and only when it moved', async () => {
    const client = new Client('channels=a')
    const { wire } = await gateway.opened()
    await client.frame()
    const items = [message('a', '1-0', 'é'), message('b', '2-0')]
    expect(wire.write(items, '1.1.x')).toBe(true)
    expect(await client.frame()).toBe(`[${items.map((item) => item.json).join()},{"type":"cursor","cursor":"1.1.x"}]`)
    wire.write(items, null)
    expect(await client.frame()).toBe(`[${items.map((item) => item.json).join()}]`)
  })

  test('may open without channels', async () => {
    new Client('')
    expect((await gateway.opened()).request.channels).toEqual([])
  })

  test('brings frames to the connection in order, those too that came before it was open', async () => {
    let go = () => {}
    const open = gateway.open.bind(gateway)
    gateway.open = async (request, wire) => {
      await new Promise<void>((resolve) => {
        go = resolve
      })
      return open(request, wire)
    }
    const client = new Client('')
    await client.opened()
    client.ws.send('[1]')
    client.ws.send('[2]')
    const ponged = new Promise((resolve) => client.ws.once('pong', resolve))
    client.ws.ping()
    await ponged
    go()
    const opened = await gateway.opened()
    await client.frame()
    const third = opened.frame()
    client.ws.send('[3]')
    expect(await third).toBe('[3]')
    expect(opened.received).toEqual(['[1]', '[2]', '[3]'])
  })

  test('that goes away before it is open frees everything', async () => {
    const open = gateway.open.bind(gateway)
    let go = () => {}
    gateway.open = async (request, wire) => {
      await new Promise<void>((resolve) => {
        go = resolve
      })
      return open(request, wire)
    }
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
    const client = new Client('')
    const over = accepted.then((socket) => new Promise((resolve) => socket.once('close', resolve)))
    await client.opened()
    client.ws.terminate()
    await over
    go()
    await (await gateway.opened()).closed
  })

  test('takes only so much before it is open', async () => {
    gateway.open = () => new Promise(() => {})
    const client = new Client('')
    await client.opened()
    for (let i = 0; i <= limits.commands; i++) client.ws.send('[]')
    expect(await client.closed).toEqual({ code: 4429, reason: 'rate_limited' })
  })

  test('that sends too much before it is open is cut, whether or not it agrees to the end', async () => {
    const authenticated = new Promise<void>((seen) => {
      gateway.authenticate = () => {
        seen()
        return new Promise(() => {})
      }
    })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
      const client = new Client('open=first')
      const over = accepted.then((socket) => new Promise((resolve) => socket.once('close', resolve)))
      await client.opened()
      client.ws.send('{"type":"open","channels":[]}')
      await authenticated
      // It does not read, so that it answers no close frame.
      client.ws.pause()
      for (let i = 0; i <= limits.commands; i++) client.ws.send('[]')
      await over
    } finally {
      vi.useRealTimers()
    }
  })

  test('a reader that does not keep up is seen, and seen again when it does', async () => {
    const client = new Client('')
    const { wire, drained } = await gateway.opened()
    await client.frame()
    client.ws.pause()
    let reading = false
    const again = drained().then(() => reading)
    expect(wire.write([message('a', '1-0', 'x'.repeat(1_000))], null)).toBe(true)
    // More than the kernel takes for a client that does not read.
    expect(wire.write([message('a', '1-0', 'x'.repeat(20_000_000))], null)).toBe(false)
    await new Promise(setImmediate)
    reading = true
    client.ws.resume()
    expect(await again).toBe(true)
    expect(wire.write([control({ type: 'beat' })], null)).toBe(true)
  })

  test('who does not read is not read either', async () => {
    const client = new Client('')
    const opened = await gateway.opened()
    await client.frame()
    client.ws.pause()
    opened.wire.write([message('a', '1-0', 'x'.repeat(20_000_000))], null)
    const drained = opened.drained()
    const frame = opened.frame()
    await new Promise<void>((sent) => client.ws.send('[1]', () => sent()))
    client.ws.resume()
    expect(await drained).toBe(0)
    expect(await frame).toBe('[1]')
  })

  test('a slow reader is not taken for a dead one', async () => {
    gateway.heartbeat = 40
    const slow = new Client('', { autoPong: false })
    const opened = await gateway.opened()
    await slow.frame()
    slow.ws.pause()
    opened.wire.write([message('a', '1-0', 'x'.repeat(20_000_000))], null)
    const other = new Client('')
    for (let i = 0; i < 5; i++) await new Promise((resolve) => other.ws.once('ping', resolve))
    slow.ws.resume()
    expect((await slow.frame()).length).toBeGreaterThan(20_000_000)
  })

  test('a client that goes away frees everything', async () => {
    const client = new Client('')
    const opened = await gateway.opened()
    await client.frame()
    client.ws.terminate()
    await opened.closed
    expect(opened.wire.write([message('a', '1-0')], null)).toBe(false)
    opened.wire.close(null)
  })

  test('a peer that answers no ping is cut', async () => {
    gateway.heartbeat = 40
    new Client('', { autoPong: false })
    await (await gateway.opened()).closed
  })

  test('a peer that answers pings is not', async () => {
    gateway.heartbeat = 40
    const client = new Client('')
    const { wire } = await gateway.opened()
    await client.frame()
    for (let i = 0; i < 5; i++) await new Promise((resolve) => client.ws.once('ping', resolve))
    wire.write([control({ type: 'beat' })], null)
    expect(await client.frame()).toBe('[{"type":"beat"}]')
  })
})

describe('a WebSocket that opens with its first frame', () => {
  test('the token of the `open` command is what authenticate sees', async () => {
    const client = new Client('open=first')
    await client.opened()
    client.ws.send(JSON.stringify([{ type: 'open', channels: [{ channel: 'a', last: 2 }], token: 'ada' }]))
    client.ws.send('[1]')
    const opened = await gateway.opened()
    expect(opened.request).toMatchObject({
      transport: 'websocket',
      identity: { id: 'ada' },
      channels: [{ channel: 'a', last: 2, new: true }],
      cursor: null,
    })
    expect(await client.events()).toMatchObject([{ type: 'hello' }, { type: 'cursor' }])
    expect(opened.received).toEqual(['[1]'])
  })

  test.each([
    ['something else', '[{"type":"publish"}]', 4400, 'invalid_request'],
    ['no JSON', '{', 4400, 'invalid_request'],
    ['a bad token', '{"type":"open","channels":[],"token":"error-token_expired"}', 4401, 'token_expired'],
  ])('with %s is closed', async (_, frame, code, reason) => {
    const client = new Client('open=first')
    await client.opened()
    client.ws.send(frame)
    expect(await client.events()).toMatchObject([{ type: 'bye', error: { code: reason } }])
    expect(await client.closed).toEqual({ code, reason })
  })
})

test('a WebSocket that never says its first frame is closed after ten seconds', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const client = new Client('open=first')
    await client.opened()
    vi.advanceTimersByTime(9_999)
    expect(client.ws.readyState).toBe(WebSocket.OPEN)
    vi.advanceTimersByTime(1)
    expect(await client.events()).toMatchObject([{ type: 'bye', error: { code: 'timeout' } }])
    expect(await client.closed).toEqual({ code: 4408, reason: 'timeout' })
  } finally {
    vi.useRealTimers()
  }
})

describe('the end of a WebSocket', () => {
  test.each(Object.entries(errorTable))('by %s is a bye and a close code', async (code, { close }) => {
    const client = new Client('')
    const opened = await gateway.opened()
    await client.frame()
    const error = new RealtimeError(code as keyof typeof errorTable, 'x'.repeat(200), { retryAfter: 7 })
    opened.wire.close(error)
    expect(await client.events()).toEqual([{ type: 'bye', error: error.toJSON(), retryAfter: 7 }])
    expect(await client.closed).toEqual({ code: close, reason: code })
    await opened.closed
  })

  test('without an error is 1000', async () => {
    const client = new Client('')
    const { wire } = await gateway.opened()
    await client.frame()
    wire.close(null)
    expect((await client.closed).code).toBe(1000)
  })

  test('is the end of what it takes, before the client knows', async () => {
    const client = new Client('')
    const opened = await gateway.opened()
    await client.frame()
    client.ws.pause()
    opened.wire.close(null)
    await new Promise<void>((sent) => client.ws.send('[1]', () => sent()))
    client.ws.resume()
    await client.closed
    await opened.closed
    expect(opened.received).toEqual([])
  })

  test('by a binary frame is 1003', async () => {
    const client = new Client('')
    const opened = await gateway.opened()
    await client.frame()
    client.ws.send(Buffer.from([1]))
    expect(await client.closed).toEqual({ code: 1003, reason: 'unsupported' })
    await opened.closed
    expect(opened.received).toEqual([])
  })

  test('by a frame that is too large is 1009', async () => {
    const client = new Client('')
    const opened = await gateway.opened()
    await client.frame()
    client.ws.send('x'.repeat(limits.frameBytes + 1))
    expect((await client.closed).code).toBe(1009)
    await opened.closed
  })
})

describe('who comes in', () => {
  test('is counted until the socket is gone, also before it says what it wants', async () => {
    const client = new Client('open=first')
    await client.opened()
    expect([gateway.present, gateway.knocks]).toEqual([1, [null]])
    client.ws.terminate()
    await expect.poll(() => gateway.present).toBe(0)
  })

  test('is not counted any more where the handshake is broken', async () => {
    attachOnce()
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const lines = ['GET /rt HTTP/1.1', 'Host: a', 'Connection: upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: no']
    socket.end(`${lines.join('\r\n')}\r\n\r\n`)
    await new Promise((resolve) => socket.resume().once('close', resolve))
    await expect.poll(() => gateway.present).toBe(0)
    expect(gateway.knocks).toEqual([null])
  })

  test('is told behind the upgrade that there is too much to do, before the app is asked who it is', async () => {
    gateway.shed = new RealtimeError('overloaded', 'Too much.', { retryAfter: 3000 })
    for (const query of ['channels=a', 'open=first']) {
      const client = new Client(query)
      await client.opened()
      if (query === 'open=first') client.ws.send('{"type":"open","channels":[{"channel":"a"}]}')
      expect(await client.events()).toMatchObject([{ type: 'bye', retryAfter: 3000, error: { code: 'overloaded' } }])
      expect(await client.closed).toEqual({ code: 1013, reason: 'overloaded' })
    }
    expect(gateway.requests).toEqual([])
  })

  test('and sends too many frames in a second, pings and pongs among them, is not read until it is over', async () => {
    gateway.frames = 10
    const clock = new FakeClock()
    attached = server
    attach(server, gateway, {}, clock)
    const client = new Client('channels=a')
    const opened = await gateway.opened()
    await client.frame()
    const pong = new Promise((resolve) => client.ws.once('pong', resolve))
    for (let i = 0; i < 8; i++) client.ws.pong()
    for (let i = 0; i < 8; i++) client.ws.ping()
    await pong
    client.ws.send('[]')
    // Others are served meanwhile.
    await new Client('channels=b').frame()
    expect(opened.received).toEqual([])
    clock.advance(1000)
    expect(await opened.frame()).toBe('[]')
  })
})

describe('refusals', () => {
  test.each([
    ['a bad token', 'channels=a', { authorization: 'Bearer error-unauthenticated' }, 'unauthenticated'],
    ['a bad query', 'channels=a&last=x', {}, 'invalid_request'],
    ['an error of the app', 'channels=a', { authorization: 'Bearer error-internal' }, 'internal'],
  ] as const)('that a page should know come after the upgrade: %s', async (_, query, headers, code) => {
    const client = new Client(query, { headers })
    expect(await client.events()).toMatchObject([{ type: 'bye', error: { code } }])
    expect(await client.closed).toEqual({ code: errorTable[code].close, reason: code })
  })

  test('of the gateway come after the upgrade too', async () => {
    gateway.refusal = new RealtimeError('draining', 'Going away.', { retryAfter: 1500 })
    const client = new Client('channels=a')
    expect(await client.events()).toMatchObject([{ type: 'bye', retryAfter: 1500 }])
    expect(await client.closed).toEqual({ code: 1012, reason: 'draining' })
  })

  test('of an Origin come before it', async () => {
    const response = await refused(new Client('channels=a', { origin: 'https://evil.example' }))
    expect(response).toMatchObject({ status: 403, body: { error: { code: 'forbidden' } } })
    expect(gateway.requests).toEqual([])
  })

  test('an allowed Origin is welcome', async () => {
    const client = new Client('channels=a', { origin: 'https://app.example' })
    await client.opened()
  })

  test.each([['only foreign subprotocols', ['graphql-ws', 'v2'], 400]])(
    '%s come before it',
    async (_, protocols, status) => {
      expect(await refused(new Client('', {}, protocols))).toMatchObject({
        status,
        body: { error: { code: 'invalid_request' } },
      })
    },
  )

  test('no subprotocol at all is accepted', async () => {
    const client = new Client('', {}, [])
    await client.opened()
    expect(client.ws.protocol).toBe('')
  })

  test('another version of WebSocket, or none, is told so', async () => {
    attachOnce()
    expect(await raw('GET /rt HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 /,
    )
    expect(
      await raw(
        'GET /rt HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 99\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      ),
    ).toMatch(/^HTTP\/1\.1 400 /)
    expect(await raw('POST /rt HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 405 /,
    )
    expect(await raw('GET /rt HTTP/1.1\r\nhost: a b\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 /,
    )
  })
})

function refused(client: Client): Promise<{ status: number | undefined; body: unknown }> {
  return new Promise((resolve) => {
    client.ws.on('unexpected-response', (_, response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += String(chunk)
      })
      response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }))
    })
  })
}

/** Everything that comes back for these bytes. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('close', () => resolve(text))
    socket.on('error', () => {})
    socket.write(bytes)
  })
}
