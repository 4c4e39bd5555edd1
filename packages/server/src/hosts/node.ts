/** The node host: serves the endpoint from node:http(s) servers and as a `(req, res)` handler; called by `rt.attach` and `rt.handler`. */
import { type Server as HttpServer, type IncomingMessage, ServerResponse } from 'node:http'
import type { Http2SecureServer, Http2Server, Http2ServerResponse } from 'node:http2'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { type Clock, RealtimeError, systemClock, toRealtimeError } from '@rt/protocol'
import type { Gateway } from '../ports/gateway'
import type { Health } from '../ports/health'
import type { HttpReply, HttpRequest } from '../ports/http'
import { createEndpoint, type Endpoint } from '../transports/endpoint'
import { healthReply } from '../transports/health'
import { refuseUpgrade } from '../transports/refuse-upgrade'
import { type CompleteReply, errorReply, invalid } from '../transports/reply'

/** A server to attach to. */
export type NodeServer = HttpServer | HttpsServer | Http2Server | Http2SecureServer

/** How to attach to a server. */
export interface AttachOptions {
  /**
   * False: WebSocket alone, and requests go on to the app, where a route with `rt.handler` or `rt.fetch` answers behind the app's own middleware.
   * Default true: requests of the path are answered before the app sees them.
   */
  readonly http?: boolean
}

/** What Fastify gives to a route's handler, as far as it is needed here. */
export interface FastifyRequestLike {
  readonly raw: IncomingMessage
  readonly body?: unknown
}
export interface FastifyReplyLike {
  readonly raw: ServerResponse
  hijack(): unknown
}

/**
 * Answers SSE, polls and commands: `(req, res)` of node:http, `(req, res, next)` of Express and Connect, `(request, reply)` of Fastify.
 * As bare middleware it passes requests of other paths on. WebSocket needs `rt.attach` beside it, with `http: false`: else
 * that answers first.
 *
 * @example
 * app.all('/rt', rt.handler)      // Express
 * fastify.all('/rt', rt.handler)  // Fastify
 * createServer(rt.handler)        // node:http
 */
export interface NodeHandler {
  (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void): void
  (request: FastifyRequestLike, reply: FastifyReplyLike): void
}

/** Headers that Node keeps of a request; it drops the rest in silence, an Origin among them maybe. */
export const MAX_HEADERS = 1_000

/** Milliseconds that a client has to read the end of a stream before it is cut. */
export const END_WITHIN = 5_000

export function createNodeHandler(
  gateway: Gateway,
  clock: Clock = systemClock,
  endpoint: Endpoint = createEndpoint(gateway, clock),
): NodeHandler {
  const site: Site = { gateway, endpoint }
  return (
    req: IncomingMessage | FastifyRequestLike,
    res: ServerResponse | FastifyReplyLike,
    next?: (error?: unknown) => void,
  ): void => {
    if ('raw' in req && 'raw' in res) {
      res.hijack()
      void serve(site, req.raw, res.raw, req.body)
    } else if (!('raw' in req) && !('raw' in res)) {
      if (next !== undefined && !isMeant(req, gateway.path)) next()
      else void serve(site, req, res, 'body' in req ? req.body : undefined)
    }
  }
}

/** Answers health checks. */
export function createHealthHandler(health: () => Health): NodeHandler {
  return (req: IncomingMessage | FastifyRequestLike, res: ServerResponse | FastifyReplyLike): void => {
    if ('raw' in res) res.hijack()
    const [raw, reply] = ['raw' in req ? req.raw : req, 'raw' in res ? res.raw : res]
    const { status, headers, body } = healthReply(health(), targetOf(raw.url).split('?', 1)[0] as string)
    reply.writeHead(status, { ...headers }).end(body)
  }
}

/**
 * Serves `gateway.path` of a server, upgrades included (with `http: false` these alone), and leaves everything else to who else listens there, whether they came before or come
 * later. Returns its own undo, which lets streams that are open go on.
 */
export function attach(
  server: NodeServer,
  gateway: Gateway,
  { http = true }: AttachOptions = {},
  clock: Clock = systemClock,
): () => void {
  const site: Site = { gateway, endpoint: createEndpoint(gateway, clock) }
  // Loaded only here, so that who never attaches never loads ws.
  const websocket = import('../transports/websocket').then(
    (module) => module.createWebSocket(gateway, clock),
    (cause: unknown) => () => {
      throw new RealtimeError('unsupported', 'WebSocket could not be loaded here.', { cause })
    },
  )
  return intercept(server, {
    path: gateway.path,
    request: http ? (req, res) => void serve(site, req, res, undefined) : null,
    upgrade(raw, socket, head) {
      socket.on('error', () => socket.destroy())
      void websocket.then(async (upgrade) => {
        try {
          const request = readRequest(raw, undefined, (run) => socket.once('close', run))
          await upgrade({ raw, socket, head, request })
        } catch (error) {
          refuseUpgrade(socket, refused(gateway, error))
        }
      })
    },
  })
}

/** One path of one server. */
interface Route {
  readonly path: string
  /** Null: requests are the app's. */
  readonly request: ((req: IncomingMessage, res: ServerResponse) => void) | null
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void
}

const routesOf = new WeakMap<NodeServer, Route[]>()

/**
 * Puts a route before all listeners of a server. A listener of our own would not do: for one path the others (an Express app, another WebSocket
 * library) would answer as well, now or when they are added later. So `emit` is asked first.
 */
function intercept(server: NodeServer, route: Route): () => void {
  const routes = routesOf.get(server) ?? install(server)
  // The newest first: a reloaded module attaches again and takes over.
  if (routes.unshift(route) === 1) server.on('request', strayRequest).on('upgrade', strayUpgrade)
  return () => {
    const at = routes.indexOf(route)
    if (at < 0) return
    routes.splice(at, 1)
    if (routes.length === 0) server.off('request', strayRequest).off('upgrade', strayUpgrade)
  }
}

function install(server: NodeServer): Route[] {
  const routes: Route[] = []
  routesOf.set(server, routes)
  const emit = server.emit as (event: string | symbol, ...args: unknown[]) => boolean
  server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== 'request' && event !== 'upgrade') return emit.call(server, event, ...args)
    const req = args[0] as IncomingMessage
    const path = targetOf(req.url).split('?', 1)[0]
    const route = routes.find((candidate) => candidate.path === path && candidate[event] !== null)
    if (route === undefined) return emit.call(server, event, ...args)
    if (event === 'request') route.request?.(req, args[1] as ServerResponse)
    else route.upgrade(req, args[1] as Duplex, args[2] as Buffer)
    return true
  }
  return routes
}

// Node emits `upgrade`, and HTTP/2 servers `request`, only when somebody listens, so these do. Other paths are the business of the other listeners;
// where there are none a request would wait for ever, so it is answered.

function strayRequest(this: NodeServer, _req: unknown, res: ServerResponse | Http2ServerResponse): void {
  if (isAlone(this, 'request', strayRequest)) res.writeHead(404).end()
}

function strayUpgrade(this: NodeServer, _req: unknown, socket: Duplex): void {
  if (!isAlone(this, 'upgrade', strayUpgrade)) return
  socket.on('error', () => socket.destroy())
  socket.once('finish', () => socket.destroy())
  socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
}

/** Also false when another library has taken our listener off to call it by itself, beside others. */
function isAlone(server: NodeServer, event: string, listener: unknown): boolean {
  const listeners: readonly unknown[] = server.listeners(event)
  return listeners.length === 1 && listeners[0] === listener
}

/** Whether middleware is meant: by the path, or because the app named a path of its own (a route, or a mount) for it. */
function isMeant(req: IncomingMessage, path: string): boolean {
  const original = 'originalUrl' in req && typeof req.originalUrl === 'string' ? req.originalUrl : req.url
  if (targetOf(original).split('?', 1)[0] === path) return true
  if ('route' in req && req.route !== undefined) return true
  const mounted = 'baseUrl' in req && typeof req.baseUrl === 'string' && req.baseUrl !== ''
  return mounted && targetOf(req.url).split('?', 1)[0] === '/'
}

interface Site {
  readonly gateway: Gateway
  readonly endpoint: Endpoint
}

async function serve(
  { gateway, endpoint }: Site,
  req: IncomingMessage,
  res: ServerResponse,
  parsed: unknown,
): Promise<void> {
  // Without these a client that goes away at the wrong moment would end the process.
  req.on('error', () => {})
  res.on('error', () => {})
  // Middleware took its time and the client is gone: `close` was there already, and nothing would ever free what is opened now.
  if (res.destroyed || req.aborted) return
  try {
    // An idle stream is no idle socket. (An HTTP/2 socket belongs to many streams, and does not let us; a framework's test double has none of it.)
    if (req.httpVersionMajor === 1 && 'setNoDelay' in req.socket) req.socket.setNoDelay(true).setTimeout(0)
    const request = readRequest(req, parsed, (run) => res.once('close', run))
    const reply = await endpoint(request)
    if (res.headersSent || res.destroyed) return
    if ('stream' in reply) printStream(reply, res)
    else print(reply, req, res, gateway.draining)
  } catch (error) {
    if (res.headersSent || res.destroyed) res.destroy()
    else print(refused(gateway, error), req, res, gateway.draining)
  }
}

function refused(gateway: Gateway, thrown: unknown): CompleteReply {
  const error = toRealtimeError(thrown)
  gateway.refused(error)
  return errorReply(error)
}

/** `last`: the client shall not come back through this connection, which may lead it past its balancer to this node again. */
function print(reply: CompleteReply, req: IncomingMessage, res: ServerResponse, last: boolean): void {
  const unread = req.method === 'POST' && !req.complete
  res.writeHead(reply.status, {
    ...reply.headers,
    ...(reply.body !== null && { 'content-length': Buffer.byteLength(reply.body) }),
    // What is left of the body shall not be read only to reach the next request.
    ...(req.httpVersionMajor === 1 && (unread || last) && { connection: 'close' }),
  })
  res.end(reply.body ?? undefined)
}

function printStream(reply: Extract<HttpReply, { stream: unknown }>, res: ServerResponse): void {
  res.writeHead(reply.status, { ...reply.headers })
  const end = (): void => {
    res.end()
    const cut = setTimeout(() => res.destroy(), END_WITHIN).unref()
    res.once('close', () => clearTimeout(cut))
  }
  const isOpen = (): boolean => !res.destroyed && !res.writableEnded

  // Past `res.write`, which for each response makes a chunk of its own in three pieces. Not when somebody stands between (compressing middleware, a
  // framework's test double), and not in HTTP/2 or 1.0, which know no chunks.
  const { socket } = res
  if (socket !== null && res.chunkedEncoding && res.write === ServerResponse.prototype.write && !('flush' in res)) {
    // The head and what is there already go out together.
    socket.cork()
    res.flushHeaders()
    reply.stream({
      write: (bytes) => isOpen() && socket.write(chunkOf(bytes)),
      onDrain(run) {
        socket.on('drain', run)
        res.once('close', () => socket.off('drain', run))
      },
      end,
    })
    socket.uncork()
    return
  }

  // Compressing middleware keeps back what is not flushed.
  const flush =
    'flush' in res && typeof res.flush === 'function' ? () => void (res as { flush: () => void }).flush() : null
  reply.stream({
    write(bytes) {
      if (!isOpen()) return false
      const more = res.write(bytes)
      flush?.()
      return more
    },
    onDrain: (run) => void res.on('drain', run),
    end,
  })
  res.flushHeaders()
}

let lastBytes: Uint8Array | null = null
let lastChunk = Buffer.alloc(0)

/** Bytes as one chunk of HTTP/1.1 (RFC 9112 section 7.1), made once for all streams that print the same ones. */
function chunkOf(bytes: Uint8Array): Buffer {
  if (bytes !== lastBytes) {
    lastChunk = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
    lastBytes = bytes
  }
  return lastChunk
}

/** A request as the transports read it. Throws `invalid_request` for a target or Host that is none. */
function readRequest(req: IncomingMessage, parsed: unknown, whenClosed: (run: () => void) => void): HttpRequest {
  if (req.rawHeaders.length >= 2 * MAX_HEADERS)
    throw new RealtimeError('headers_too_large', `A request has ${MAX_HEADERS} headers or more.`)
  const method = req.method ?? 'GET'
  const url = urlOf(req)
  let closed = false
  const runs: (() => void)[] = []
  whenClosed(() => {
    closed = true
    for (const run of runs.splice(0)) run()
  })
  return {
    method,
    url,
    // A framework's test double has none.
    peer: req.socket?.remoteAddress ?? null,
    header: (name) => headerOf(req, name),
    text: (limit) => bodyOf(req, parsed, limit),
    toRequest: () => new Request(url, { method, headers: headersOf(req) }),
    onClose: (run) => (closed ? run() : void runs.push(run)),
  }
}

function headerOf(req: IncomingMessage, name: string): string | null {
  const value = req.headers[name] ?? (name === 'host' ? req.headers[':authority'] : undefined)
  return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value
}

function headersOf(req: IncomingMessage): Headers {
  const headers = new Headers()
  for (let i = 0; i + 1 < req.rawHeaders.length; i += 2) {
    const [name, value] = [req.rawHeaders[i] ?? '', req.rawHeaders[i + 1] ?? '']
    try {
      headers.append(name, value)
    } catch {
      // HTTP/2's own (`:path`) are no headers, and Node's parser takes some values that a web header may not have.
    }
  }
  return headers
}

/** Path and query of a request's target; the form with scheme and host, which proxies may use, is cut down to it. */
function targetOf(url: string | undefined): string {
  return (url ?? '').replace(/^https?:\/\/[^/?#]*/i, '')
}

function urlOf(req: IncomingMessage): URL {
  const target = targetOf('originalUrl' in req && typeof req.originalUrl === 'string' ? req.originalUrl : req.url)
  const host = headerOf(req, 'host') ?? 'localhost'
  const scheme = 'encrypted' in req.socket && req.socket.encrypted === true ? 'https' : 'http'
  if (!target.startsWith('/')) throw invalid('The target of the request is no path.')
  if (!/^[\w.~%!$&'()*+,;=:[\]-]+$/.test(host)) throw invalid('The Host header is no host.')
  try {
    return new URL(`${scheme}://${host}${target}`)
  } catch {
    throw invalid('The target or the Host of the request is malformed.')
  }
}

/** The body as text, whether or not a body parser of the framework was there first. */
async function bodyOf(req: IncomingMessage, parsed: unknown, limit: number): Promise<string> {
  if (!req.readableEnded) return readBody(req, limit)
  if (parsed === undefined) {
    throw new RealtimeError('invalid_request', 'The body was read before it came here, and not left in `req.body`.', {
      hint: 'Mount rt before body parsers, or let them parse application/json.',
    })
  }
  const text = textOfParsed(parsed)
  if (Buffer.byteLength(text) > limit) throw tooLarge(limit)
  return text
}

function textOfParsed(parsed: unknown): string {
  if (typeof parsed === 'string') return parsed
  if (Buffer.isBuffer(parsed)) return decode(parsed)
  try {
    return JSON.stringify(parsed)
  } catch {
    throw invalid('The body nests too deep.')
  }
}

function readBody(req: IncomingMessage, limit: number): Promise<string> {
  return new Promise((resolve, reject) => {
    if (Number(req.headers['content-length']) > limit) return reject(tooLarge(limit))
    const chunks: Buffer[] = []
    let size = 0
    const stop = (): void => {
      req.off('data', take).off('end', end).off('close', gone)
    }
    const take = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= limit) return
      stop()
      req.pause()
      reject(tooLarge(limit))
    }
    const end = (): void => {
      stop()
      try {
        resolve(decode(Buffer.concat(chunks)))
      } catch (error) {
        reject(error)
      }
    }
    const gone = (): void => {
      stop()
      reject(new RealtimeError('closed', 'The client went away.'))
    }
    req.on('data', take).on('end', end).on('close', gone)
  })
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Bytes that are no text would be stored as other ones than were sent. */
function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw invalid('The body is not UTF-8.')
  }
}

function tooLarge(limit: number): RealtimeError {
  return new RealtimeError('payload_too_large', `The body is larger than ${limit} bytes.`)
}
