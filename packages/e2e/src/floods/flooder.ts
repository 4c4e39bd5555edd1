/** Floods a node from an address of its own, in every way at once, until it is told to stop; a process of its own, started by floods.test.ts, which judges the answers. */
import { connect, type Socket } from 'node:net'
import { constants, setPriority } from 'node:os'
import { frame, handshake, readFrames } from '../fuzz/raw-websocket.ts'
import { parent, settings } from '../processes/child.ts'

/** The requests, each made anew, and the frames, of WebSockets that stay until it stops. */
export const REQUESTS = ['websocket', 'sse', 'login', 'slow header', 'many headers'] as const
export const FRAMES = ['subscribe', 'ping', 'pong', 'fragments'] as const

export type Way = (typeof REQUESTS)[number] | (typeof FRAMES)[number]

export interface FlooderSettings {
  readonly port: number
  /** Its own address. */
  readonly address: string
  /** Requests a second of each kind; as many as that if they are answered in time. */
  readonly requests: number
  /** WebSockets for each kind of frame, each of which is written to as fast as the node reads. */
  readonly sockets: number
}

export type FlooderAsked = { readonly type: 'start' } | { readonly type: 'stop' }

export type FlooderTold =
  | { readonly type: 'ready' }
  /** Its WebSockets are open. */
  | { readonly type: 'started' }
  /** No more comes. Since the start: how often each answer came, a status with the code of an error, or `frame` for each frame. */
  | { readonly type: 'stopped'; readonly answers: Readonly<Partial<Record<Way, Readonly<Record<string, number>>>>> }

const { port, address, requests, sockets } = settings<FlooderSettings>()

// Who floods has a machine of its own; here it must not take the processor away from those whose time is measured.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL)

const TICK = 20
/** Sockets of each kind that wait for an answer. */
const MOST = 200
/** Milliseconds between two bytes of a slow header. */
const SLOWLY = 100

let answers: Partial<Record<Way, Record<string, number>>> = {}

function answered(way: Way, answer: string): void {
  answers[way] ??= {}
  const counts = answers[way]
  counts[answer] = (counts[answer] ?? 0) + 1
}

const HOST = `Host: 127.0.0.1:${port}\r\n`
const UPGRADE = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\nSec-WebSocket-Protocol: rt.v1\r\n`
const heads: Readonly<Record<(typeof REQUESTS)[number], string>> = {
  websocket: `GET /rt?channels=room:1 HTTP/1.1\r\n${HOST}${UPGRADE}\r\n`,
  sse: `GET /rt?channels=room:1 HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`,
  login: `GET /rt?channels=room:1 HTTP/1.1\r\n${HOST}Authorization: Bearer guess\r\n\r\n`,
  'slow header': `GET /rt HTTP/1.1\r\n${HOST}X-Slow: `,
  'many headers': `GET /rt?channels=room:1 HTTP/1.1\r\n${HOST}${'a:1\r\n'.repeat(1_500)}\r\n`,
}

/** Sockets of each kind of request. */
const open = new Map(REQUESTS.map((way) => [way, new Set<Socket>()]))

/** One request on a socket of its own. A stream that is let in stays. */
function request(way: (typeof REQUESTS)[number]): void {
  const all = open.get(way) as Set<Socket>
  if (all.size >= MOST) return
  const socket = connect({ port, host: '127.0.0.1', localAddress: address })
  all.add(socket)
  let text = ''
  let known = false
  socket.on('error', () => {})
  socket.on('close', () => {
    all.delete(socket)
    if (!known) answered(way, 'closed')
  })
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    if (known) return
    text += chunk
    const [, status] = /^HTTP\/1\.1 (\d+)/.exec(text) ?? []
    const [, code] = /"code":"(\w+)"/.exec(text) ?? []
    const isStream = status === '101' || status === '200'
    // What is no stream is known by its body.
    if (code === undefined && !text.includes(isStream ? '"type":"hello"' : '\r\n\r\n')) return
    known = true
    answered(way, code === undefined ? `${status}` : `${status} ${code}`)
    if (code !== undefined || !isStream) socket.destroy()
  })
  socket.write(heads[way])
}

/** Pings that wait for their pongs: of more at a time the node makes an end. */
const PINGS = 50

let subscribes = 0

/** Enough of each kind for one write. */
const batches: Readonly<Record<(typeof FRAMES)[number], () => Buffer>> = {
  subscribe: () =>
    Buffer.concat(
      Array.from({ length: 100 }, () => {
        const ref = ++subscribes
        const type = ref % 2 === 0 ? 'unsubscribe' : 'subscribe'
        return frame(0x81, `[{"type":"${type}","ref":${ref},"channel":"room:f${(ref >> 1) % 4}"}]`)
      }),
    ),
  ping: once(() => Buffer.concat(Array(PINGS).fill(frame(0x89)))),
  pong: once(() => Buffer.concat(Array(1_000).fill(frame(0x8a)))),
  // A text of 64 characters, each in a frame.
  fragments: once(() =>
    Buffer.concat(
      Array(50)
        .fill([frame(0x01, 'x'), ...Array(62).fill(frame(0x00, 'x')), frame(0x80, 'x')])
        .flat(),
    ),
  ),
}

function once(make: () => Buffer): () => Buffer {
  const bytes = make()
  return () => bytes
}

let staying: { readonly socket: Socket; readonly write: () => void }[] = []

async function openSocket(way: (typeof FRAMES)[number]): Promise<void> {
  const opened = await handshake(port, '/rt?channels=room:1', {}, address)
  if (typeof opened === 'string') throw new Error(`A WebSocket was answered with ${opened}.`)
  const { socket, head } = opened
  let pongs = 0
  readFrames(socket, head, ({ opcode, payload }) => {
    answered(way, opcode === 8 ? `close ${payload.readUInt16BE(0)}` : 'frame')
    if (opcode === 10 && ++pongs % PINGS === 0) write()
  })
  socket.on('close', () => answered(way, 'closed'))
  const write = () => {
    while (flooding && socket.writable && socket.write(batches[way]()) && way !== 'ping');
  }
  if (way !== 'ping') socket.on('drain', write)
  staying.push({ socket, write })
}

let flooding = false
let due = 0

setInterval(() => {
  if (!flooding) return
  due += (requests * TICK) / 1000
  for (; due >= 1; due--) for (const way of REQUESTS) request(way)
}, TICK)
setInterval(() => {
  for (const socket of open.get('slow header') ?? []) if (!socket.connecting && socket.writable) socket.write('x')
}, SLOWLY)

async function start(): Promise<void> {
  answers = {}
  await Promise.all(FRAMES.flatMap((way) => Array.from({ length: sockets }, () => openSocket(way))))
  tell({ type: 'started' })
  flooding = true
  for (const { write } of staying) write()
}

/** Without a word: what it wrote and the node has not read is gone as well. */
function stop(): void {
  flooding = false
  tell({ type: 'stopped', answers })
  for (const { socket } of staying) socket.resetAndDestroy()
  staying = []
  for (const all of open.values()) for (const socket of all) socket.resetAndDestroy()
}

const { tell } = parent<FlooderTold, FlooderAsked>(({ type }) => void (type === 'start' ? start() : stop()))
tell({ type: 'ready' })
