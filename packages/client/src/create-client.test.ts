// The client against a small server of the protocol, over real sockets: what the application sees through cuts, switches and refusals.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { ErrorBody, Json, ServerEvent } from '@rt/protocol'
import { RealtimeError } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { afterEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Client, createClient } from './create-client'
import type { ClientOptions } from './options'
import type { Rung, TransportName } from './ports/transport'

interface Stored {
  readonly id: string
  readonly channel: string
  readonly messageId: string
  readonly data: Json
}

/** One open stream as the server sees it. */
interface Printer {
  readonly rung: Rung
  readonly channels: Set<string>
  print(events: ServerEvent[]): void
  cut(): void
}

/** A log and the four ways to print it, with the faults that the tests ask for. */
class LittleServer {
  readonly log: Stored[] = []
  readonly streams = new Set<Printer>()
  /** What was asked: `websocket a,b`, `POST [publish]`. */
  readonly asked: string[] = []
  /** Rungs that a proxy in front does not let through. */
  readonly blocked = new Set<Rung>()
  /** Rungs where nothing follows `hello`. */
  readonly swallowed = new Set<Rung>()
  /** Answers instead of results, one for each command. */
  readonly refusals: (Partial<ErrorBody> & { code: ErrorBody['code'] })[] = []
  /** Takes commands and does not answer. */
  mute = false
  token: string | null = null
  #n = 0
  readonly #sockets = new Set<Socket>()
  readonly #waiting = new Set<() => void>()
  readonly server: Server = createServer((request, response) => {
    void this.#http(request, response)
  })
  readonly #ws = new WebSocketServer({ noServer: true, handleProtocols: () => 'rt.v1' })

  async listen(): Promise<string> {
    this.server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.server.on('upgrade', (request, socket, head) => {
      if (this.blocked.has('websocket')) socket.destroy()
      else this.#ws.handleUpgrade(request, socket, head, (ws) => this.#websocket(request, ws))
    })
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/rt`
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.server.close()
    await once(this.server, 'close')
  }

  publish(channel: string, data: Json, messageId = `m${this.#n + 1}`): Stored {
    const before = this.log.find((stored) => stored.messageId === messageId)
    if (before !== undefined) return before
    const stored = { id: `1000-${++this.#n}`, channel, messageId, data }
    this.log.push(stored)
    for (const stream of this.streams) {
      if (stream.channels.has(channel)) stream.print([{ type: 'message', ...stored }, this.#cursor()])
    }
    for (const wake of [...this.#waiting]) wake()
    return stored
  }

  cut(): void {
    for (const stream of [...this.streams]) stream.cut()
  }

  #cursor(): ServerEvent {
    return { type: 'cursor', cursor: String(this.#n) }
  }

  #start(query: URLSearchParams | Map<string, string>, printer: Printer): void {
    this.streams.add(printer)
    const cursor = query.get('cursor') ?? undefined
    const from = cursor ?? String(this.#n)
    printer.print([
      { type: 'hello', version: 1, node: 'little', heartbeat: 20_000 },
      { type: 'cursor', cursor: from },
    ])
    if (!this.swallowed.has(printer.rung)) printer.print(this.#news(query, printer.channels))
  }

  /** Everything behind the cursor, with `subscribed` for what is new. */
  #news(query: URLSearchParams | Map<string, string>, channels: Set<string>): ServerEvent[] {
    const asked = (query.get('channels') ?? '').split(',').filter(Boolean)
    const cursor = query.get('cursor') ?? null
    const fresh = new Set(cursor === null ? asked : (query.get('new') ?? '').split(','))
    const lasts = (query.get('last') ?? '').split(',').map(Number)
    const events: ServerEvent[] = []
    for (const [i, channel] of asked.entries()) {
      if (!channels.has(channel)) {
        events.push({ type: 'unsubscribed', channel, error: new RealtimeError('forbidden', 'Secret.').toJSON() })
      } else if (fresh.has(channel)) events.push(this.#subscribed(channel, lasts[i] ?? 0))
    }
    for (const stored of this.log) {
      if (!channels.has(stored.channel) || fresh.has(stored.channel) || numberOf(stored.id) <= Number(cursor)) continue
      events.push({ type: 'message', ...stored })
    }
    return [...events, this.#cursor()]
  }

  #subscribed(channel: string, last: number): ServerEvent {
    const history = last === 0 ? [] : this.log.filter((stored) => stored.channel === channel).slice(-last)
    return {
      type: 'subscribed',
      channel,
      id: `1000-${this.#n}`,
      epoch: '1-0',
      history: history.map(({ id, messageId, data }) => ({ id, messageId, data })),
      cursor: String(this.#n),
    }
  }

  #execute(text: string): ServerEvent[] {
    const commands = JSON.parse(text) as {
      type: string
      ref: number
      channel: string
      data: Json
      messageId: string
      last: number
    }[]
    this.asked.push(`commands ${commands.map((command) => `${command.type} ${command.channel}`).join(', ')}`)
    return commands.flatMap((command): ServerEvent[] => {
      if (command.type !== 'publish' && command.type !== 'history') return []
      const refusal = this.refusals.shift()
      if (refusal !== undefined) {
        return [
          {
            type: 'result',
            ref: command.ref,
            error: { ...new RealtimeError(refusal.code, 'No.').toJSON(), ...refusal },
          },
        ]
      }
      if (command.type === 'history') {
        const items = this.log.filter(({ channel }) => channel === command.channel).slice(-command.last)
        return [
          {
            type: 'result',
            ref: command.ref,
            value: items.map(({ id, messageId, data }) => ({ id, messageId, data })),
          },
        ]
      }
      const { id } = this.publish(command.channel, command.data, command.messageId)
      return [{ type: 'result', ref: command.ref, value: { id } }]
    })
  }

  #websocket(request: IncomingMessage, ws: WebSocket): void {
    const url = new URL(request.url ?? '', 'http://x')
    const begin = (query: URLSearchParams | Map<string, string>) => {
      this.asked.push(`websocket ${query.get('channels')}`)
      const printer: Printer = {
        rung: 'websocket',
        channels: allowed(query.get('channels')),
        print: (events) => ws.send(JSON.stringify(events)),
        cut: () => ws.terminate(),
      }
      ws.on('close', () => this.streams.delete(printer))
      ws.on('message', (data) => {
        const text = data.toString()
        for (const command of JSON.parse(text) as { type: string; channel: string; last?: number }[]) {
          if (command.type === 'subscribe') {
            printer.channels.add(command.channel)
            printer.print([this.#subscribed(command.channel, command.last ?? 0)])
          } else if (command.type === 'unsubscribe') {
            printer.channels.delete(command.channel)
            printer.print([{ type: 'unsubscribed', channel: command.channel }])
          }
        }
        const results = this.#execute(text)
        if (!this.mute && results.length > 0) printer.print(results)
      })
      this.#start(query, printer)
    }
    if (url.searchParams.get('open') !== 'first') {
      begin(url.searchParams)
      return
    }
    ws.once('message', (data) => {
      const open = JSON.parse(data.toString()) as {
        channels: { channel: string; new?: boolean }[]
        cursor?: string
        token?: string
      }
      if (this.token !== null && open.token !== this.token) return ws.close(4401, 'unauthenticated')
      const query = new Map([['channels', open.channels.map(({ channel }) => channel).join(',')]])
      if (open.cursor !== undefined) query.set('cursor', open.cursor)
      begin(query)
    })
  }

  async #http(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://x')
    const body = (await request.toArray()).join('')
    // The body of a stream over POST says what the query of one over GET does.
    const open = body.startsWith('{')
      ? (JSON.parse(body) as { channels: { channel: string }[]; cursor?: string })
      : null
    const names = open?.channels.map(({ channel }) => channel).join(',') ?? ''
    const query =
      open === null
        ? url.searchParams
        : new URLSearchParams({ channels: names, ...(open.cursor !== undefined && { cursor: open.cursor }) })
    const streams = request.headers.accept === 'text/event-stream'
    const rung: Rung = streams ? (open === null ? 'sse' : 'sse-post') : query.has('wait') ? 'long-poll' : 'poll'
    const json = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    }
    if (this.token !== null && request.headers.authorization !== `Bearer ${this.token}`) {
      return json(401, { error: new RealtimeError('unauthenticated', 'Who?').toJSON() })
    }
    if (request.method === 'POST' && open === null) {
      if (this.mute) {
        response.destroy()
        return
      }
      return json(200, this.#execute(body))
    }
    if (this.blocked.has(rung)) {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<html>')
      return
    }
    this.asked.push(`${rung} ${query.get('channels')}`)
    const channels = allowed(query.get('channels'))
    if (channels.size === 0) {
      return json(403, { error: new RealtimeError('forbidden', 'Secret.').toJSON() })
    }
    if (rung !== 'sse') {
      const answer = () => {
        this.#waiting.delete(again)
        const events = this.#news(query, channels).filter(({ type }) => type !== 'cursor')
        json(200, { events, cursor: String(this.#n), next: rung === 'poll' ? 20 : 0 })
      }
      const again = () => {
        if (this.#news(query, channels).length > 1) answer()
      }
      response.on('close', () => this.#waiting.delete(again))
      if (rung === 'poll' || this.#news(query, channels).length > 1) return answer()
      this.#waiting.add(again)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const printer: Printer = {
      rung,
      channels,
      print: (events) =>
        void response.write(
          events
            .map((event) =>
              event.type === 'cursor' ? `id: ${event.cursor}\n\n` : `data: ${JSON.stringify(event)}\n\n`,
            )
            .join(''),
        ),
      cut: () => response.destroy(),
    }
    response.on('close', () => this.streams.delete(printer))
    this.#start(query, printer)
  }
}

function allowed(channels: string | null | undefined): Set<string> {
  return new Set((channels ?? '').split(',').filter((channel) => channel !== '' && !channel.startsWith('secret')))
}

const numberOf = (id: string) => Number(id.split('-')[1])

const open: { client?: Client; server?: LittleServer } = {}

async function setUp(options: ClientOptions = {}, prepare?: (server: LittleServer) => void) {
  const server = new LittleServer()
  prepare?.(server)
  const url = await server.listen()
  const client = createClient(url, options)
  open.client = client
  open.server = server
  return { client, server }
}

afterEach(async () => {
  open.client?.close()
  await open.server?.close()
})

/** Resolves when the check holds. */
async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 2))
}

const connected = (client: Client, rung?: TransportName) =>
  until(() => client.status === 'connected' && (rung === undefined || client.transport === rung))

describe.each<TransportName>(['websocket', 'sse', 'long-poll', 'poll'])('over %s', (rung) => {
  const transports = [rung]

  it('brings history first, then what is published, in order', async () => {
    const { client, server } = await setUp({ transports })
    for (let i = 1; i <= 3; i++) server.publish('a', i)
    const got: unknown[] = []
    client.channel('a').subscribe(({ data }) => got.push(data), { last: 2 })
    await until(() => got.length === 2)
    server.publish('a', 4)
    server.publish('b', 'not for us')
    server.publish('a', 5)
    await until(() => got.length === 4)
    expect(got).toEqual([2, 3, 4, 5])
    expect(client.transport).toBe(rung)
  })

  it('resumes after a cut: nothing lost, nothing twice', async () => {
    const { client, server } = await setUp({ transports })
    const got: unknown[] = []
    client.channel('a').subscribe(({ data }) => got.push(data))
    await connected(client)
    server.publish('a', 1)
    await until(() => got.length === 1)
    server.cut()
    server.publish('a', 2)
    server.publish('a', 3)
    await until(() => got.length === 3)
    await connected(client)
    server.publish('a', 4)
    await until(() => got.length === 4)
    expect(got).toEqual([1, 2, 3, 4])
  })

  it('adds and removes channels while the others go on', async () => {
    const { client, server } = await setUp({ transports })
    const got: string[] = []
    const listen = (name: string) => client.channel(name).subscribe(({ data }) => got.push(`${name}${data}`))
    let established = 0
    for (const name of ['b', 'c']) client.channel(name).on('subscribed', () => established++)
    listen('a')
    await connected(client)
    const off = listen('b')
    listen('c')
    await until(() => established === 2)
    for (const name of ['a', 'b', 'c']) server.publish(name, 1)
    await until(() => got.length === 3)
    off()
    await until(() => rung !== 'sse' || [...server.streams].every(({ channels }) => !channels.has('b')))
    server.publish('b', 2)
    server.publish('c', 2)
    await until(() => got.includes('c2'))
    expect(got).toEqual(['a1', 'b1', 'c1', 'c2'])
  })

  it('subscribes anew to a channel that was left in the same moment', async () => {
    const { client, server } = await setUp({ transports })
    const got: unknown[] = []
    let established = 0
    client.channel('a').on('subscribed', () => established++)
    const off = client.channel('a').subscribe(() => {})
    await until(() => established === 1)
    off()
    client.channel('a').subscribe(({ data }) => got.push(data))
    await until(() => established === 2)
    server.publish('a', 1)
    await until(() => got.length === 1)
    expect(got).toEqual([1])
  })

  it('publishes and is told the id', async () => {
    const { client, server } = await setUp({ transports })
    await expect(client.channel('a').publish({ n: 1 })).resolves.toEqual({ id: '1000-1' })
    await expect(client.channel('a').history({ last: 5 })).resolves.toMatchObject([
      { id: '1000-1', data: { n: 1 }, from: null },
    ])
    expect(server.log).toMatchObject([{ channel: 'a', data: { n: 1 } }])
  })

  it('publishes once when the answer is lost, in order', async () => {
    const { client, server } = await setUp({ transports })
    client.channel('a').subscribe(() => {})
    await connected(client)
    server.mute = true
    const answers = Promise.all([1, 2, 3].map((n) => client.channel('a').publish(n)))
    await until(() => rung !== 'websocket' || server.log.length === 3)
    server.mute = false
    server.cut()
    await expect(answers).resolves.toEqual([{ id: '1000-1' }, { id: '1000-2' }, { id: '1000-3' }])
    expect(server.log.map(({ data }) => data)).toEqual([1, 2, 3])
  })

  it('shows the token, and fetches a new one once', async () => {
    const tokens = ['old', 'new']
    const { client } = await setUp({ transports, token: () => tokens.shift() ?? 'none' }, (server) => {
      server.token = 'new'
    })
    client.channel('a').subscribe(() => {})
    await connected(client)
    expect(tokens).toEqual([])
  })

  it('fails when the new token is refused too', async () => {
    const { client } = await setUp({ transports, token: () => 'wrong' }, (server) => {
      server.token = 'right'
    })
    const errors: string[] = []
    client.on('error', ({ code }) => errors.push(code))
    client.channel('a').subscribe(() => {})
    await until(() => client.status === 'failed' && errors.length > 0)
    expect(errors).toEqual(['unauthenticated'])
  })

  it('tells a channel that it is refused, and goes on with the others', async () => {
    const { client, server } = await setUp({ transports })
    const refused = new Promise<RealtimeError>((resolve) => client.channel('secret').on('error', resolve))
    const got: unknown[] = []
    client.channel('secret').subscribe(() => {})
    client.channel('a').subscribe(({ data }) => got.push(data))
    expect((await refused).code).toBe('forbidden')
    server.publish('a', 1)
    await until(() => got.length === 1)
  })

  it('stays usable when its only channel is refused', async () => {
    const { client } = await setUp({ transports })
    const refused = new Promise<RealtimeError>((resolve) => client.channel('secret').on('error', resolve))
    client.channel('secret').subscribe(() => {})
    expect((await refused).code).toBe('forbidden')
    await expect(client.channel('a').publish(1)).resolves.toEqual({ id: '1000-1' })
  })
})

describe('the ladder', () => {
  it('takes the next transport when one is refused', async () => {
    const { client } = await setUp({}, (server) => server.blocked.add('websocket').add('sse'))
    client.channel('a').subscribe(() => {})
    await connected(client)
    expect(client.transport).toBe('long-poll')
  })

  it('does not trust a transport on which nothing follows hello', { timeout: 10_000 }, async () => {
    const { client } = await setUp({}, (server) => server.swallowed.add('websocket'))
    client.channel('a').subscribe(() => {})
    await connected(client)
    expect(client.transport).toBe('sse')
  })

  it('switches to each transport and back, nothing lost, nothing twice', async () => {
    const { client, server } = await setUp()
    const got: unknown[] = []
    client.channel('a').subscribe(({ data }) => got.push(data))
    await connected(client)
    let n = 0
    const timer = setInterval(() => server.publish('a', ++n), 1)
    for (const rung of ['sse', 'long-poll', 'poll', 'websocket', 'poll', 'sse', 'websocket'] as const) {
      await client.switchTo(rung)
      expect(client.transport).toBe(rung)
      expect(client.status).toBe('connected')
      const seen = got.length
      await until(() => got.length > seen + 3)
    }
    clearInterval(timer)
    await until(() => got.length === n)
    expect(got).toEqual(Array.from({ length: n }, (_, i) => i + 1))
  })

  it('stays where it is when a switch is not possible', async () => {
    const { client } = await setUp({}, (server) => server.blocked.add('sse'))
    client.channel('a').subscribe(() => {})
    await connected(client)
    await expect(client.switchTo('sse')).rejects.toMatchObject({ code: 'unsupported' })
    expect([client.status, client.transport]).toEqual(['connected', 'websocket'])
    await expect((await setUp({ transports: ['poll'] })).client.switchTo('sse')).rejects.toMatchObject({
      code: 'unsupported',
    })
  })
})

describe('commands', () => {
  it('reject at once for good reasons, and let the next ones pass', async () => {
    const { client, server } = await setUp()
    server.refusals.push({ code: 'invalid_message', issues: [{ message: 'too short' }] })
    const room = client.channel('a')
    const [first, second] = await Promise.allSettled([room.publish(''), room.publish('ok')])
    expect(first).toMatchObject({
      status: 'rejected',
      reason: { code: 'invalid_message', issues: [{ message: 'too short' }] },
    })
    expect(second.status).toBe('fulfilled')
  })

  it('are tried again when the broker is away', async () => {
    const { client, server } = await setUp()
    server.refusals.push({ code: 'broker_unavailable', retryable: true, retryAfter: 1 })
    await expect(client.channel('a').publish(1)).resolves.toEqual({ id: '1000-1' })
  })

  it('say unknown when they left and time is up, failed when they did not leave', async () => {
    const clock = new FakeClock()
    const { client, server } = await setUp({ clock, timeout: 5000 })
    server.mute = true
    const sent = client.channel('a').publish(1)
    await until(() => server.log.length === 1)
    const controller = new AbortController()
    const given = client.channel('a').publish(2, { signal: controller.signal })
    controller.abort()
    await expect(given).rejects.toMatchObject({ code: 'timeout', outcome: 'failed' })
    const timedOut = expect(sent).rejects.toMatchObject({ code: 'timeout', outcome: 'unknown' })
    await clock.advanceAsync(5000)
    await timedOut
  })
})

describe('subscriptions', () => {
  it('survive an exception in a callback', async () => {
    const uncaught = new Promise<unknown>((resolve) => {
      const before = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', (error) => {
        for (const listener of before) process.on('uncaughtException', listener)
        resolve(error)
      })
    })
    const { client, server } = await setUp()
    const got: unknown[] = []
    client.channel('a').subscribe(() => {
      throw new Error('mine')
    })
    client.channel('a').subscribe(({ data }) => got.push(data))
    await connected(client)
    server.publish('a', 1)
    await until(() => got.length === 1)
    expect(await uncaught).toMatchObject({ message: 'mine' })
  })

  it('give a later subscriber its own history, then the same messages as the first', async () => {
    const { client, server } = await setUp()
    for (let i = 1; i <= 5; i++) server.publish('a', i)
    const first: unknown[] = []
    const second: unknown[] = []
    client.channel('a').subscribe(({ data }) => first.push(data))
    await connected(client)
    server.publish('a', 6)
    client.channel('a').subscribe(({ data }) => second.push(data), { last: 3 })
    server.publish('a', 7)
    await until(() => second.length >= 3 && first.length === 2)
    expect(first).toEqual([6, 7])
    expect(second).toEqual([5, 6, 7])
  })

  it('end by their signal', async () => {
    const { client, server } = await setUp()
    const controller = new AbortController()
    const got: unknown[] = []
    client.channel('a').subscribe(({ data }) => got.push(data), { signal: controller.signal })
    client.channel('b').subscribe(({ data }) => got.push(data))
    await connected(client)
    controller.abort()
    server.publish('a', 1)
    server.publish('b', 2)
    await until(() => got.length === 1)
    expect(got).toEqual([2])
  })

  it('can be read as a loop, which ends with the client', async () => {
    const { client, server } = await setUp()
    client.channel('a').on('subscribed', () => {
      for (let i = 1; i <= 3; i++) server.publish('a', i)
    })
    const got: unknown[] = []
    for await (const { data } of client.channel('a')) {
      got.push(data)
      if (got.length === 3) client.close()
    }
    expect(got).toEqual([1, 2, 3])
    expect(client.status).toBe('closed')
    for await (const message of client.channel('a')) got.push(message)
    expect(got).toHaveLength(3)
  })

  it('throw into the loop when they are refused', async () => {
    const { client } = await setUp()
    const read = async () => {
      for await (const message of client.channel('secret')) void message
    }
    await expect(read()).rejects.toMatchObject({ code: 'forbidden' })
  })
})
