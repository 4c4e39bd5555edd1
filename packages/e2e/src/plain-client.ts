/** HTTP and WebSocket as bare as possible, with nothing of @rt/client in it; used by the tests that speak the protocol, or speak it badly. */
import { once } from 'node:events'
import {
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http'
import { connect } from 'node:net'
import { type ServerEvent, SUBPROTOCOL } from '@rt/protocol'
import { WebSocket } from 'ws'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Ask {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
  readonly agent?: Agent | false
}

function begin(url: string, { method = 'GET', headers = {}, agent = false }: Ask) {
  const { hostname, port } = new URL(url)
  // The path goes out as it is written: a URL object would repair what is to be broken.
  const path = url.slice(url.indexOf('/', 'http://'.length))
  return request({ hostname, port, path, method, headers, agent })
}

/** One request and its whole answer. */
export async function ask(url: string, options: Ask = {}): Promise<Answer> {
  const sent = begin(url, options)
  const response = once(sent, 'response') as Promise<[IncomingMessage]>
  // An answer may come before the body was read, and the connection end behind it.
  sent.on('error', () => {})
  sent.end(options.body)
  const [message] = await response
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return { status: message.statusCode ?? 0, headers: message.headers, text: Buffer.concat(chunks).toString() }
}

/** Writes bytes to a socket and reads until the server ends it, or has answered once and `whole` says that this is all. */
export async function exchange(port: number, parts: readonly (string | Buffer)[]): Promise<Answer> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {})
  await once(socket, 'connect')
  for (const part of parts) socket.write(part)
  const text = () => Buffer.concat(chunks).toString()
  while (!isWhole(text()) && !socket.closed) await Promise.race([once(socket, 'data'), once(socket, 'close')])
  socket.destroy()
  const [head = '', body = ''] = text().split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  return { status: Number(first.split(' ')[1] ?? 0), headers, text: body }
}

function isWhole(text: string): boolean {
  const at = text.indexOf('\r\n\r\n')
  const length = /^content-length: (\d+)/im.exec(text.slice(0, at))?.[1]
  return at >= 0 && length !== undefined && Buffer.byteLength(text.slice(at + 4)) >= Number(length)
}

/** Events as they come, to be awaited one after the other. */
export class Events {
  readonly all: ServerEvent[] = []
  ended = false
  #seen = 0
  #waiting: (() => void)[] = []

  take(events: readonly ServerEvent[]): void {
    this.all.push(...events)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  end(): void {
    this.ended = true
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** The next event of this type that fits; what came before it is passed over. Rejects when the stream ends before. */
  async next<T extends ServerEvent['type']>(
    type: T,
    fits: (event: Extract<ServerEvent, { type: T }>) => boolean = () => true,
  ): Promise<Extract<ServerEvent, { type: T }>> {
    for (;;) {
      while (this.#seen < this.all.length) {
        const event = this.all[this.#seen++] as ServerEvent
        if (event.type === type && fits(event as Extract<ServerEvent, { type: T }>))
          return event as Extract<ServerEvent, { type: T }>
      }
      if (this.ended) throw new Error(`The stream ended before "${type}": ${JSON.stringify(this.all)}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** The newest cursor that was printed. */
  get cursor(): string | undefined {
    return this.all.findLast((event) => event.type === 'cursor')?.cursor
  }
}

export interface PlainSocket {
  readonly ws: WebSocket
  readonly events: Events
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
}

/** Rejects with the HTTP status as message when the upgrade is refused. */
export async function openWebSocket(
  url: string,
  { headers = {}, protocols = SUBPROTOCOL }: { headers?: Record<string, string>; protocols?: string | string[] } = {},
): Promise<PlainSocket> {
  const ws = new WebSocket(url.replace('http', 'ws'), protocols, { headers, perMessageDeflate: false })
  const events = new Events()
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.on('close', (code, reason) => {
      events.end()
      resolve({ code, reason: String(reason) })
    })
  })
  ws.on('message', (data) => events.take(JSON.parse(String(data)) as ServerEvent[]))
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve)
    ws.once('unexpected-response', (_, response) => {
      reject(new Error(String(response.statusCode)))
      response.resume()
      ws.terminate()
    })
    ws.on('error', reject)
  })
  return { ws, events, closed }
}

export interface PlainSse {
  readonly answer: IncomingMessage
  readonly events: Events
  close(): void
}

/** A bare event stream. Its cursor blocks read as `cursor` events. Rejects with the answer's text when it is no stream. */
export async function openSse(url: string, options: Ask = {}): Promise<PlainSse> {
  const sent = begin(url, { ...options, headers: { accept: 'text/event-stream', ...options.headers } })
  sent.on('error', () => {})
  const response = once(sent, 'response') as Promise<[IncomingMessage]>
  sent.end(options.body)
  const [answer] = await response
  const events = new Events()
  let rest = ''
  answer
    .setEncoding('utf8')
    .on('data', (chunk: string) => {
      const blocks = (rest + chunk).split('\n\n')
      rest = blocks.pop() ?? ''
      events.take(blocks.flatMap(readBlock))
    })
    .on('close', () => events.end())
    .on('error', () => {})
  return { answer, events, close: () => void answer.destroy() }
}

function readBlock(block: string): ServerEvent[] {
  const events: ServerEvent[] = []
  for (const line of block.split('\n')) {
    if (line.startsWith('data: ')) events.push(JSON.parse(line.slice('data: '.length)) as ServerEvent)
    else if (line.startsWith('id: ')) events.push({ type: 'cursor', cursor: line.slice('id: '.length) })
  }
  return events
}
