/** The endpoint: one function from an HTTP request to its reply, whichever transport that is; called by every host. */
import {
  type Clock,
  decodeOpen,
  isChannelName,
  limits,
  parseJson,
  RealtimeError,
  systemClock,
  toRealtimeError,
} from '@rt/protocol'
import type { Gateway } from '../ports/gateway'
import type { HttpReply, HttpRequest } from '../ports/http'
import { accessOf, preflightHeaders } from './access'
import { sourceOf } from './address'
import { executeCommands } from './commands'
import { createPolling } from './polling'
import { comesBack, readQuery, readWait, type StreamQuery, streamQuery } from './query'
import { errorReply, invalid, jsonReply } from './reply'
import { byeReply, createSse } from './sse'

const METHODS = 'GET, POST, OPTIONS'

/** Never rejects: whatever goes wrong is a reply `{"error": ErrorBody}`. */
export type Endpoint = (request: HttpRequest) => Promise<HttpReply>

/** Makes the endpoint of a gateway. */
export function createEndpoint(gateway: Gateway, clock: Clock = systemClock): Endpoint {
  const printSse = createSse(gateway, clock)
  const printPoll = createPolling(gateway, clock)

  return async (request) => {
    const access = accessOf(gateway, request)
    const reply =
      access.refusal === null ? await answer(request).catch((error: unknown) => refuse(error)) : refuse(access.refusal)
    return { ...reply, headers: { ...reply.headers, ...access.headers } }
  }

  function refuse(thrown: unknown, headers?: Readonly<Record<string, string>>): HttpReply {
    const error = toRealtimeError(thrown)
    gateway.refused(error)
    return errorReply(error, headers)
  }

  async function answer(request: HttpRequest): Promise<HttpReply> {
    if (request.method !== 'OPTIONS') gateway.knock(sourceOf(gateway, request))
    switch (request.method) {
      case 'GET':
        return get(request)
      case 'POST':
        return post(request)
      case 'OPTIONS':
        return { status: 204, headers: { ...preflightHeaders, allow: METHODS }, body: null }
      default:
        return refuse(new RealtimeError('method_not_allowed', 'Use GET or POST.'), { allow: METHODS })
    }
  }

  async function get(request: HttpRequest): Promise<HttpReply> {
    // A handshake that came as an ordinary request: the host has no upgrade handler, or a proxy in front dropped the Upgrade header.
    if (request.header('sec-websocket-key') !== null) {
      throw new RealtimeError('unsupported', 'No WebSocket upgrade arrives here.', {
        hint: 'Use rt.attach(server), and let proxies pass the Upgrade header; or use another transport.',
      })
    }
    const params = request.url.searchParams
    if (accepted(request) === 'sse')
      return stream(request, readQuery(params, request.header('last-event-id')), undefined)
    const asked = params.getAll('members')
    if (asked.length > 0) return members(request, asked)
    const wait = readWait(params)
    return poll(request, readQuery(params), undefined, wait)
  }

  async function post(request: HttpRequest): Promise<HttpReply> {
    if (!/^application\/json\s*(;|$)/i.test(request.header('content-type') ?? '')) {
      throw new RealtimeError('unsupported_media_type', 'A POST carries JSON.')
    }
    const form = accepted(request)
    const text = await request.text(limits.frameBytes)
    if (form === 'sse') {
      const open = decodeOpen(text)
      return stream(request, streamQuery(open), open.token)
    }
    const params = request.url.searchParams
    if (params.has('wait') || isOpen(text)) {
      const wait = readWait(params)
      const open = decodeOpen(text)
      return poll(request, streamQuery(open), open.token, wait)
    }
    const identity = await gateway.authenticate(request.toRequest())
    return executeCommands(gateway, text, identity, sourceOf(gateway, request))
  }

  async function members(request: HttpRequest, [channel = '', ...more]: readonly string[]): Promise<HttpReply> {
    if (more.length > 0 || !isChannelName(channel)) throw invalid('`members` must be the name of one channel.')
    const identity = await gateway.authenticate(request.toRequest())
    return jsonReply(200, JSON.stringify(await gateway.members(channel, identity)))
  }

  async function stream(request: HttpRequest, query: StreamQuery, token: string | undefined): Promise<HttpReply> {
    demandChannels(query)
    let leave = () => {}
    try {
      leave = arrive(request, query)
    } catch (error) {
      const refusal = toRealtimeError(error)
      // A bare EventSource comes back only from a stream that ends.
      if (request.method !== 'GET') throw refusal
      gateway.refused(refusal)
      return byeReply(refusal)
    }
    try {
      const identity = await gateway.authenticate(withToken(request.toRequest(), token))
      return await printSse(request, { transport: 'sse', identity, ...query }, leave)
    } catch (error) {
      leave()
      throw error
    }
  }

  async function poll(
    request: HttpRequest,
    query: StreamQuery,
    token: string | undefined,
    wait: number,
  ): Promise<HttpReply> {
    demandChannels(query)
    const leave = arrive(request, query)
    try {
      const identity = await gateway.authenticate(withToken(request.toRequest(), token))
      return await printPoll(request, { identity, ...query }, wait)
    } finally {
      leave()
    }
  }

  /** Before anybody is asked who it is, which is work of the app. Returns the way to say that the stream is gone. */
  function arrive(request: HttpRequest, query: StreamQuery): () => void {
    gateway.admit(comesBack(query))
    return gateway.arrive(sourceOf(gateway, request))
  }
}

/** The request as `authenticate` shall see it when the token came in an `open` command. */
export function withToken(request: Request, token: string | undefined): Request {
  if (token === undefined) return request
  const headers = new Headers(request.headers)
  try {
    headers.set('authorization', `Bearer ${token}`)
  } catch {
    throw new RealtimeError('unauthenticated', '`token` holds characters that no header can carry.')
  }
  return new Request(request, { headers })
}

/** What `Accept` asks for: an event stream when it is named, else JSON when that will do. Throws `not_acceptable`. */
function accepted(request: HttpRequest): 'sse' | 'json' {
  const types = (request.header('accept') ?? '*/*')
    .toLowerCase()
    .split(',')
    .filter((part) => !/;\s*q=0(\.0*)?\s*(;|$)/.test(part))
    .map((part) => part.split(';', 1)[0]?.trim())
  if (types.includes('text/event-stream')) return 'sse'
  if (types.some((type) => type === 'application/json' || type === 'application/*' || type === '*/*')) return 'json'
  throw new RealtimeError('not_acceptable', 'There is nothing here of the types in `Accept`.')
}

function demandChannels(query: StreamQuery): void {
  if (query.channels.length + query.watch.length + query.entered.length === 0) throw invalid('`channels` is missing.')
}

/** Whether a body is an `open` command and not commands to run. The first test spares the common case a second parse. */
function isOpen(text: string): boolean {
  if (!text.includes('"open"')) return false
  const value = parseJson(text)
  const entry: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value
  return typeof entry === 'object' && entry !== null && 'type' in entry && entry.type === 'open'
}
