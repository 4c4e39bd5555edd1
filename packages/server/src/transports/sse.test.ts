import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { RealtimeError } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createNodeHandler } from '../hosts/node'
import type { HttpRequest } from '../ports/http'
import { CURSOR, control, hello, message, type Opened, ScriptedGateway } from './scripted-gateway.fixture'
import { createSse } from './sse'

let gateway: ScriptedGateway
let server: Server
let url: string

beforeEach(async () => {
  gateway = new ScriptedGateway()
  server = createServer(createNodeHandler(gateway))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rt`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** A stream as its bytes. */
class Reader {
  text = ''
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #decoder = new TextDecoder()

  constructor(response: Response) {
    this.#reader = (response.body as ReadableStream<Uint8Array>).getReader()
  }

  /** Reads on until the text so far ends like this. */
  async until(end: string): Promise<string> {
    while (!this.text.endsWith(end)) {
      const { done, value } = await this.#reader.read()
      if (done) throw new Error(`The stream ended: ${this.text}`)
      this.text += this.#decoder.decode(value, { stream: true })
    }
    return this.text
  }

  async toEnd(): Promise<string> {
    for (;;) {
      const { done, value } = await this.#reader.read()
      if (done) return this.text
      this.text += this.#decoder.decode(value, { stream: true })
    }
  }
}

async function openStream(
  query = 'channels=a',
): Promise<{ response: Response; reader: Reader; opened: Opened; abort: () => void }> {
  const controller = new AbortController()
  const opening = gateway.opened()
  const response = await fetch(`${url}?${query}`, {
    headers: { accept: 'text/event-stream' },
    signal: controller.signal,
  })
  return { response, reader: new Reader(response), opened: await opening, abort: () => controller.abort() }
}

describe('a stream of server-sent events', () => {
  test('byte by byte', async () => {
    const { response, reader, opened } = await openStream()
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-store, no-transform',
      'x-accel-buffering': 'no',
    })

    // A second frame comes at once behind hello, for those who hold the first one back.
    const start = await reader.until(':\n\n')
    const [, retry] = /^retry: (\d+)\n/.exec(start) ?? []
    expect(Number(retry)).toBeGreaterThanOrEqual(1000)
    expect(start).toBe(`retry: ${retry}\ndata: ${hello.json}\n\nid: ${CURSOR}\n\n:\n\n`)

    reader.text = ''
    opened.wire.write([message('a', '1-0', 'é'), message('b', '2-0')], '1.1.x')
    expect(await reader.until('id: 1.1.x\n\n')).toBe(
      'data: {"type":"message","channel":"a","id":"1-0","messageId":"m","data":"é"}\n\n' +
        'data: {"type":"message","channel":"b","id":"2-0","messageId":"m","data":1}\n\n' +
        'id: 1.1.x\n\n',
    )

    reader.text = ''
    opened.wire.write([control({ type: 'beat' })], null)
    expect(await reader.until('\n\n')).toBe('data: {"type":"beat"}\n\n')

    reader.text = ''
    opened.wire.write([], '1.1.y')
    expect(await reader.until('\n\n')).toBe('id: 1.1.y\n\n')
  })

  test('sends one more frame a second later, so that who reads sees whether frames are held together', async () => {
    const { reader, opened } = await openStream()
    opened.wire.write([hello], CURSOR)
    await reader.until(':\n\n')
    const began = performance.now()
    await reader.until('data: {"type":"beat","after":1000}\n\n')
    expect(performance.now() - began).toBeGreaterThan(500)
  })

  test('what was printed while the connection opened is not lost, and not reordered', async () => {
    gateway.onOpen = ({ wire }) => void wire.write([message('a', '1-0')], null)
    const { reader } = await openStream()
    const text = await reader.until('"data":1}\n\n')
    expect(text.indexOf('hello')).toBeLessThan(text.indexOf('message'))
  })

  test('an item is encoded once for all who get it', async () => {
    const [one, two] = [await openStream(), await openStream('channels=b')]
    const item = message('a', '1-0')
    one.opened.wire.write([item], null)
    const encoded = item.sse
    two.opened.wire.write([item], null)
    expect(encoded).toBeInstanceOf(Uint8Array)
    expect(item.sse).toBe(encoded)
    await Promise.all([one.reader.until('"data":1}\n\n'), two.reader.until('"data":1}\n\n')])
  })

  test('line ends in a payload can not forge events', async () => {
    const { reader, opened } = await openStream()
    await reader.until(':\n\n')
    reader.text = ''
    opened.wire.write([{ kind: 'publication', channel: 'a', json: '{"a":\n\ndata: forged\r\n\r: 1}' }], 'c')
    expect(await reader.until('id: c\n\n')).toBe('data: {"a": data: forged : 1}\n\nid: c\n\n')
  })

  test('an end by the server says why and when to come back', async () => {
    const { reader, opened } = await openStream()
    await reader.until(':\n\n')
    reader.text = ''
    const error = new RealtimeError('draining', 'Bye.', { retryAfter: 700 })
    opened.wire.close(error)
    expect(opened.wire.write([message('a', '1-0')], null)).toBe(false)
    expect(await reader.toEnd()).toBe(
      `retry: 700\ndata: ${JSON.stringify({ type: 'bye', error, retryAfter: 700 })}\n\n`,
    )
  })

  test('who is told to move on while the stream goes on learns from `retry` when to come back, bare EventSources too', async () => {
    const { reader, opened } = await openStream()
    await reader.until(':\n\n')
    reader.text = ''
    const bye = control({ type: 'bye', error: { code: 'draining', message: 'Bye.' }, retryAfter: 700 })
    opened.wire.write([bye, message('a', '1-0')], 'c')
    expect(await reader.until('id: c\n\n')).toBe(
      `retry: 700\ndata: ${bye.json}\n\ndata: ${message('a', '1-0').json}\n\nid: c\n\n`,
    )
  })

  test('who must not come back is given no time', async () => {
    const { reader, opened } = await openStream()
    await reader.until(':\n\n')
    reader.text = ''
    const error = new RealtimeError('forbidden', 'Revoked.')
    opened.wire.close(error)
    expect(await reader.toEnd()).toBe(`data: ${JSON.stringify({ type: 'bye', error })}\n\n`)
  })

  test('a normal end says nothing', async () => {
    const { reader, opened } = await openStream()
    await reader.until(':\n\n')
    reader.text = ''
    opened.wire.close(null)
    expect(await reader.toEnd()).toBe('')
  })

  test('an end while the connection opens is still a whole stream', async () => {
    gateway.onOpen = ({ wire }) => wire.close(new RealtimeError('draining', 'Bye.', { retryAfter: 0 }))
    const { response, reader, opened } = await openStream()
    expect(response.status).toBe(200)
    expect(await reader.toEnd()).toMatch(/^retry: \d+\ndata: .*hello.*\n\nid: .*\n\n:\n\nretry: 0\ndata: .*bye.*\n\n$/)
    await opened.closed
  })

  test('a reader that does not keep up is seen, and seen again when it does', async () => {
    const socket = await rawStream()
    const opened = await gateway.opened()
    // The host has the reply now, and the wire a sink.
    await opened.drained()
    socket.pause()
    let reading = false
    const drained = opened.drained().then(() => reading)
    // More than the kernel takes for a client that does not read.
    expect(opened.wire.write([message('a', '1-0', 'x'.repeat(20_000_000))], null)).toBe(false)
    await new Promise(setImmediate)
    reading = true
    socket.resume()
    expect(await drained).toBe(true)
    expect(opened.wire.write([control({ type: 'beat' })], null)).toBe(true)
    socket.destroy()
    await opened.closed
  })

  test('a client that goes away frees everything', async () => {
    const { opened, abort } = await openStream()
    abort()
    await opened.closed
    expect(opened.wire.write([message('a', '1-0')], null)).toBe(false)
    opened.wire.close(new RealtimeError('internal', 'Too late.'))
  })

  test('a client that goes away while the gateway still decides frees everything', async () => {
    let go = () => {}
    const asked = new Promise<void>((seen) => {
      gateway.authenticate = () =>
        new Promise((resolve) => {
          go = () => resolve(null)
          seen()
        })
    })
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
    const socket = await rawStream()
    const serverSide = await accepted
    await asked
    const over = new Promise((resolve) => serverSide.once('close', resolve))
    socket.resetAndDestroy()
    await over
    go()
    await (await gateway.opened()).closed
  })
})

async function rawStream(): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.on('error', () => {})
  socket.write('GET /rt?channels=a HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n')
  return socket
}

test.each(['the server', 'the client'])(
  'leaves no timer behind when %s ends it within its first second',
  async (who) => {
    const clock = new FakeClock()
    let close = () => {}
    const request = { onClose: (run: () => void) => (close = run) } as unknown as HttpRequest
    const opening = gateway.opened()
    let left = 0
    const asked = { transport: 'sse', identity: null, channels: [], cursor: null } as const
    await createSse(gateway, clock)(request, asked, () => left++)
    const { wire } = await opening
    expect(clock.pending).toBe(1)
    if (who === 'the client') close()
    else wire.close(null)
    expect(clock.pending).toBe(0)
  },
)
