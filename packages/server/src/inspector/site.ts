/** The inspector's one path: the page and its files for a browser that opens it, the endpoint of rt for what the page then asks. */
import { type Clock, RealtimeError, toRealtimeError } from '@rt/protocol'
import type { Gateway } from '../ports/gateway'
import type { HttpReply } from '../ports/http'
import { createEndpoint, type Endpoint } from '../transports/endpoint'
import { errorReply } from '../transports/reply'

const HEADERS = {
  'cache-control': 'no-store',
  // Nothing but its own files, and nobody may frame it.
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Never rejects. */
export function createSite(gateway: Gateway, clock: Clock): Endpoint {
  const endpoint = createEndpoint(gateway, clock)
  return async (request) => {
    const isPage = request.method === 'GET' && (request.header('accept') ?? '').includes('text/html')
    // Files are told apart by the query, so that it does not matter under which path the app mounts it, nor how that ends.
    const name = request.url.searchParams.get('file') ?? (isPage ? 'index.html' : null)
    if (name === null || request.method !== 'GET') return endpoint(request)
    try {
      await gateway.authenticate(request.toRequest())
      return await fileReply(name)
    } catch (error) {
      return isPage ? refusalPage(error) : errorReply(error)
    }
  }
}

async function fileReply(name: string): Promise<HttpReply> {
  // Loaded only here, so that who mounts no inspector never loads it.
  const { files } = await import('./files')
  const file = files.get(name)
  if (file === undefined) throw new RealtimeError('invalid_request', 'The inspector has no such file.')
  return { status: 200, headers: { ...HEADERS, 'content-type': file.type }, body: file.text }
}

function refusalPage(thrown: unknown): HttpReply {
  const { status, message, hint } = toRealtimeError(thrown)
  return {
    status,
    headers: { ...HEADERS, 'content-type': 'text/html; charset=utf-8' },
    body: `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>rt inspector</title>
  </head>
  <body>
    <h1>${status}</h1>
    <p>${escaped(message)}</p>
    <p>${escaped(hint)}</p>
  </body>
</html>
`,
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
