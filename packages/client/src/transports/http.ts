/** Requests to the endpoint over fetch: query, headers, refusals, and the POST of commands. Used by SSE, polling and the connection. */
import { decodeEvents, type ErrorBody, errorFromBody, type OpenCommand } from '@rt/protocol'
import type { Closed, Post, ResumeRequest } from '../ports/transport'

/** Where the endpoint is and how to get there. */
export interface Endpoint {
  /** Absolute, without the query of a stream. */
  readonly url: URL
  readonly fetch: typeof globalThis.fetch
  readonly headers: Readonly<Record<string, string>>
}

/** A query longer than this goes into a body: proxies refuse lines of 4 to 8 kB. */
const LONGEST_QUERY = 3500

/** The query of a stream; null when it is too long for a URL. */
export function streamQuery(request: ResumeRequest, extra: string): string | null {
  const { channels, cursor, watch = [], client, entered = [], heartbeat } = request
  let query = `?${extra}channels=${names(channels)}`
  if (channels.some(({ last }) => last)) query += `&last=${channels.map(({ last }) => last ?? 0).join(',')}`
  if (cursor !== undefined) {
    query += `&cursor=${encodeURIComponent(cursor)}`
    const fresh = channels.filter((request) => request.new)
    if (fresh.length > 0) query += `&new=${names(fresh)}`
  }
  if (watch.length > 0) query += `&watch=${names(watch)}`
  if (watch.some(({ since }) => since)) {
    query += `&since=${watch.map(({ since = '' }) => encodeURIComponent(since)).join(',')}`
  }
  if (client !== undefined) query += `&client=${client}`
  if (entered.length > 0) query += `&entered=${entered.map(encodeURIComponent).join(',')}`
  if (heartbeat !== undefined) query += `&heartbeat=${heartbeat}`
  return query.length > LONGEST_QUERY ? null : query
}

function names(channels: readonly { readonly channel: string }[]): string {
  return channels.map(({ channel }) => encodeURIComponent(channel)).join(',')
}

/** The same as a command. */
export function openCommand({ cursor, ...request }: ResumeRequest, token?: string): string {
  const command: OpenCommand = {
    type: 'open',
    ...request,
    ...(cursor !== undefined && { cursor }),
    ...(token !== undefined && { token }),
  }
  return JSON.stringify(command)
}

/** The endpoint's URL with a query behind the one that it may have. */
export function withQuery(url: URL, query: string): URL {
  const target = new URL(url)
  target.search = target.search === '' ? query : `${target.search}&${query.slice(1)}`
  return target
}

/** Asks for a stream or a poll: by GET, by POST when that is asked for or the list of channels is too long for a URL. */
export function requestStream(
  endpoint: Endpoint,
  request: ResumeRequest,
  token: string | undefined,
  {
    accept,
    extra = '',
    etag,
    post = false,
    signal,
  }: { accept: string; extra?: string; etag?: string | undefined; post?: boolean; signal: AbortSignal },
): Promise<Response> {
  const query = post ? null : streamQuery(request, extra)
  const headers: Record<string, string> = { ...endpoint.headers, Accept: accept }
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`
  if (etag !== undefined) headers['If-None-Match'] = etag
  if (query === null) headers['Content-Type'] = 'application/json'
  const { fetch } = endpoint
  return fetch(withQuery(endpoint.url, query ?? `?${extra}`), {
    method: query === null ? 'POST' : 'GET',
    headers,
    body: query === null ? openCommand(request) : null,
    cache: 'no-store',
    signal,
  })
}

/** What an answer says that is not the one we asked for. Anything but our own error body is an intermediary's. */
export async function refusal(response: Response): Promise<Closed> {
  const { status, headers } = response
  const json = headers.get('content-type')?.includes('json') === true
  const body: unknown = json ? await response.json().catch(() => null) : await response.body?.cancel().catch(() => null)
  const said = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
  if (typeof said !== 'object' || said === null || !('code' in said)) return { error: null, status }
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const waiting = Number.isFinite(seconds) ? { retryAfter: seconds * 1000 } : {}
  return { error: errorFromBody({ ...waiting, ...(said as Partial<ErrorBody>) }), status }
}

/** The POST of commands. */
export function createPost(endpoint: Endpoint): Post {
  return async (text, token, signal) => {
    const { fetch } = endpoint
    const broken: Closed = { error: null }
    let response: Response
    try {
      response = await fetch(endpoint.url, {
        method: 'POST',
        headers: {
          ...endpoint.headers,
          Accept: 'application/json',
          'Content-Type': 'application/json',
          ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        },
        body: text,
        signal,
      })
    } catch {
      throw broken
    }
    const json = response.headers.get('content-type')?.includes('json') === true
    if (!response.ok || !json) throw await refusal(response)
    const results = decodeEvents(await response.text().catch(() => ''))
    if (results === null) throw broken
    return results
  }
}
