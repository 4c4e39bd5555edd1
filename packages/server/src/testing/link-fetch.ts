/** `fetch` over sockets that it is given, by node:http: what the clients of a network in memory use. */
import { type IncomingMessage, request } from 'node:http'
import { type Duplex, Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'

/** Statuses whose responses have no body. */
const BODILESS = [101, 204, 205, 304]

/** Each request has a connection of its own, made by `connect`. Redirects are not followed, nothing is cached. */
export function createLinkFetch(connect: (request: Request) => Duplex): typeof globalThis.fetch {
  return async (input, init) => {
    const asked = new Request(input, init)
    const body = Buffer.from(await asked.arrayBuffer())
    const { signal } = asked
    signal.throwIfAborted()
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = Object.fromEntries(asked.headers)
      if (asked.body !== null) headers['content-length'] = String(body.length)
      const socket = () => connect(asked)
      const sent = request(asked.url, { method: asked.method, headers, signal, createConnection: socket }, resolve)
      // As fetch tells it: what the app aborted by its reason, all else as the network's failure.
      sent.on('error', (cause) => reject(signal.aborted ? signal.reason : new TypeError('fetch failed', { cause })))
      sent.end(body)
    })
    return new Response(bodyOf(response), {
      status: response.statusCode ?? 0,
      statusText: response.statusMessage ?? '',
      headers: Object.entries(response.headersDistinct).flatMap(([name, values = []]) =>
        values.map((value): [string, string] => [name, value]),
      ),
    })
  }
}

function bodyOf(response: IncomingMessage): ReadableStream<Uint8Array> | null {
  if (!BODILESS.includes(response.statusCode ?? 0)) {
    return Readable.toWeb(response) as NodeReadableStream<Uint8Array> as ReadableStream<Uint8Array>
  }
  response.resume()
  return null
}
