/** WebSocket: prints a connection as text frames and takes commands from it; called by the node host for each upgrade of its path. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  type Clock,
  decodeOpen,
  errorTable,
  limits,
  RealtimeError,
  SUBPROTOCOL,
  systemClock,
  toRealtimeError,
} from '@rt/protocol'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Connection, OpenRequest, OutItem, Wire } from '../ports/connection'
import type { Gateway } from '../ports/gateway'
import type { HttpRequest } from '../ports/http'
import { accessOf } from './access'
import { sourceOf } from './address'
import { byeOf } from './bye'
import { withToken } from './endpoint'
import { shareFlushes } from './flush'
import { comesBack, readQuery, type StreamQuery, streamQuery } from './query'
import { refuseUpgrade } from './refuse-upgrade'
import { type CompleteReply, errorReply, invalid } from './reply'
import { createWheel } from './wheel'

/** One request to upgrade, as Node's `upgrade` event brings it, and the same request as the endpoint's parts read it. */
export interface Upgrade {
  readonly raw: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly request: HttpRequest
}

/** Bytes in a socket's queue from which a connection counts as full. */
export const FULL = 64 * 1024

/** Milliseconds that a client with `?open=first` has for its `open` command. */
export const OPEN_WITHIN = 10_000

/** Frames and bytes that may come before the stream is open. */
export const EARLY = { frames: limits.commands, bytes: 4 * limits.frameBytes }

/** Close code for a frame of a kind that is not understood (RFC 6455 section 7.4.1). */
const BINARY_REFUSED = 1003

/** A const of its own: the types do not know all of these options, though ws does. */
export const SERVER_OPTIONS = {
  noServer: true,
  clientTracking: false,
  // Safari has broken it since 2021, and it costs more memory than it saves.
  perMessageDeflate: false,
  maxPayload: limits.frameBytes,
  // A message counts as one frame, whatever it was cut into: 64 KiB in pieces of 1 KiB.
  maxFragments: 64,
  maxBufferedChunks: 4_096,
  maxPendingAutoPongs: 60,
  closeTimeout: 5_000,
  handleProtocols: () => SUBPROTOCOL,
}

/**
 * Takes over sockets. A page can read neither status nor body of a refused upgrade, so refusals that the client can act upon are told after the
 * upgrade: a `bye` event, then the close code of the error with the error's code as the reason. Only what no client of ours sends, and a
 * forbidden Origin, is refused before it.
 */
export function createWebSocket(gateway: Gateway, clock: Clock = systemClock): (upgrade: Upgrade) => Promise<void> {
  const server = new WebSocketServer(SERVER_OPTIONS)
  const wheel = createWheel(gateway.heartbeat, clock)
  const encodeFlush = shareFlushes(encodeFrame)

  return async ({ raw, socket, head, request }) => {
    const refusal = refusalOf(request)
    if (refusal !== null) return refuseUpgrade(socket, refusal)

    // Who asks is settled before anything is promised, except to those who can say it only in their first frame.
    const openFirst = request.url.searchParams.get('open') === 'first'
    const asked = await settle(async () => {
      const address = sourceOf(gateway, request)
      gateway.knock(address)
      request.onClose(gateway.arrive(address))
      return openFirst ? null : ask(readQuery(request.url.searchParams), undefined)
    })
    if (socket.destroyed) return
    server.handleUpgrade(raw, socket, head, (ws) => converse(ws, socket, isAsked(asked) ? asked : firstFrame(ws)))

    async function ask(query: StreamQuery, token: string | undefined): Promise<Asked> {
      gateway.admit(comesBack(query))
      const authenticate = (shown: string | undefined) => gateway.authenticate(withToken(request.toRequest(), shown))
      const identity = await authenticate(token)
      // Only then the request is still needed: it is large, and connections are many.
      return { query, identity, ...(identity?.expiresAt !== undefined && { authenticate }) }
    }

    /** What the first frame asks for. */
    function firstFrame(ws: WebSocket): Promise<Settled<Asked>> {
      return settle(async () => {
        const open = decodeOpen(await nextText(ws, clock))
        return ask(streamQuery(open), open.token)
      })
    }
  }

  /** Runs one accepted socket to its end. */
  function converse(ws: WebSocket, socket: Duplex, asking: Settled<Asked> | Promise<Settled<Asked>>): void {
    let connection: Connection | null = null
    let gone = false
    let full = false
    /** It sent more within this second than it may. */
    let hasty = false
    let frames = 0
    let secondEnds = 0
    const early: string[] = []
    let earlyBytes = 0
    let skipFirst = asking instanceof Promise

    const offWheel = wheel(watch(ws, () => full || hasty))
    // ws answers every broken frame by itself with the right close code; `close` follows.
    ws.on('error', () => {})
    ws.on('close', () => {
      gone = true
      offWheel()
      connection?.closed()
    })
    ws.on('ping', count)
    ws.on('pong', count)
    ws.on('message', (data, isBinary) => {
      count()
      // What still comes until the client has read of the end is not heard.
      if (ws.readyState !== ws.OPEN) return
      if (isBinary)
        return end(new RealtimeError('unsupported', 'Binary frames are not understood here.'), BINARY_REFUSED)
      if (skipFirst) {
        skipFirst = false
        return
      }
      const text = textOf(data)
      if (connection !== null) return connection.receive(text)
      earlyBytes += text.length
      if (early.push(text) > EARLY.frames || earlyBytes > EARLY.bytes) {
        early.length = 0
        end(new RealtimeError('rate_limited', 'Too much was sent before the stream was open.'))
        // Nor is it waited for that the client agrees.
        ws.pause()
        socket.end(() => ws.terminate())
      }
    })
    socket.on('drain', drained)

    const wire: Wire = {
      write(items, cursor) {
        if (ws.readyState !== ws.OPEN) return false
        // Past ws, which would make the head anew and write twice for each connection. It writes its own frames whole, since nothing is compressed
        // here, so that ours stand between them.
        const bytes = encodeFlush(items, cursor)
        socket.write(bytes)
        gateway.bytes.websocket += bytes.length
        full = socket.writableLength > FULL
        // Who does not read is not read either: answers to its commands would pile up.
        if (full) ws.pause()
        return !full
      },
      close: (error) => end(error),
    }

    /** One more frame came. Whoever sends too many is heard again when the second is over. */
    function count(): void {
      const now = clock.monotonic()
      if (now >= secondEnds) {
        secondEnds = now + 1000
        frames = 0
      }
      if (++frames <= gateway.frames || hasty) return
      hasty = true
      flow()
      clock.setTimeout(() => {
        hasty = false
        flow()
      }, secondEnds - now)
    }

    function flow(): void {
      if (ws.readyState !== ws.OPEN) return
      if (full || hasty) ws.pause()
      else ws.resume()
    }

    function drained(): void {
      if (!full || connection === null || socket.writableLength > FULL) return
      full = false
      flow()
      connection.drained()
    }

    function end(error: RealtimeError | null, code?: number): void {
      if (ws.readyState !== ws.OPEN) return
      ws.resume()
      if (error !== null) ws.send(JSON.stringify([byeOf(error)]))
      ws.close(error === null ? 1000 : (code ?? errorTable[error.code].close), error?.code)
    }

    void start()
    async function start(): Promise<void> {
      try {
        const result = await asking
        if ('error' in result) throw result.error
        const { query, ...who } = result.value
        if (gone) return
        const opened = await gateway.open({ transport: 'websocket', ...who, ...query }, wire)
        connection = opened
        if (gone) return opened.closed()
        for (const text of early.splice(0)) opened.receive(text)
        drained()
      } catch (error) {
        const known = toRealtimeError(error)
        if (!gone) gateway.refused(known)
        end(known)
      }
    }
  }

  /** The reply to an upgrade that no client of ours asks for; null: go on. */
  function refusalOf(request: HttpRequest): CompleteReply | null {
    const access = accessOf(gateway, request)
    if (access.refusal !== null) return refused(access.refusal, access.headers)
    if (request.method !== 'GET')
      return refused(new RealtimeError('method_not_allowed', 'A WebSocket opens with GET.'), { allow: 'GET' })
    if (request.header('upgrade')?.toLowerCase() !== 'websocket')
      return refused(invalid('Only WebSocket can be upgraded to.'))
    const offered = request.header('sec-websocket-protocol')
    if (offered !== null && !offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) {
      return refused(invalid(`The subprotocol spoken here is ${SUBPROTOCOL}.`))
    }
    return null
  }

  function refused(error: RealtimeError, headers: Readonly<Record<string, string>> = {}): CompleteReply {
    gateway.refused(error)
    return errorReply(error, headers)
  }
}

/** Whether it is settled already, for better or worse: else its first frame will say. */
function isAsked(asked: Settled<Asked | null>): asked is Settled<Asked> {
  return 'error' in asked || asked.value !== null
}

/** What a client wants and who it is. */
interface Asked extends Pick<OpenRequest, 'identity' | 'authenticate'> {
  readonly query: StreamQuery
}

type Settled<T> = { readonly value: T } | { readonly error: unknown }

async function settle<T>(run: () => Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await run() }
  } catch (error) {
    return { error }
  }
}

/** The next text frame. Rejects with `timeout`, or when the socket closes. */
function nextText(ws: WebSocket, clock: Clock): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(
      () => reject(new RealtimeError('timeout', 'No `open` command came in time.')),
      OPEN_WITHIN,
    )
    ws.once('message', (data) => {
      clock.clearTimeout(timer)
      resolve(textOf(data))
    })
    ws.once('close', () => {
      clock.clearTimeout(timer)
      reject(new RealtimeError('closed', 'The client went away.'))
    })
  })
}

/**
 * A check for the wheel: pings, and ends a socket that gave no sign of life since the last ping. Not while the wire is full: a pong would wait behind
 * a long queue, and it is the core that gives up on who takes nothing.
 */
function watch(ws: WebSocket, isFull: () => boolean): () => void {
  let alive = true
  const live = () => {
    alive = true
  }
  ws.on('pong', live)
  ws.on('message', live)
  return () => {
    if (isFull()) return live()
    if (!alive) return ws.terminate()
    alive = false
    if (ws.readyState === ws.OPEN) ws.ping()
  }
}

/** One frame that holds a JSON array of events, the last of them the cursor. */
function encodeFrame(items: readonly OutItem[], cursor: string | null): Buffer {
  const events = items.map((item) => item.json)
  if (cursor !== null) events.push(`{"type":"cursor","cursor":${JSON.stringify(cursor)}}`)
  return textFrame(`[${events.join(',')}]`)
}

/** A whole, unmasked text frame (RFC 6455 section 5.2). */
function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(head + length)
  frame[0] = 0x81
  frame[1] = head === 2 ? length : head === 4 ? 126 : 127
  if (head === 4) frame.writeUInt16BE(length, 2)
  else if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2)
  frame.write(text, head)
  return frame
}

/** With ws' own `binaryType` a message is one Buffer, and that prints as UTF-8. */
function textOf(data: RawData): string {
  return data.toString()
}
