/** Which web pages may talk to the endpoint: the Origin check and the CORS headers; used by the endpoint and before a WebSocket upgrade. */
import { RealtimeError } from '@rt/protocol'
import type { Gateway } from '../ports/gateway'
import type { HttpRequest } from '../ports/http'

/** Headers for a reply to a request, and the error to reply with when its Origin is not one of ours. */
export interface Access {
  readonly refusal: RealtimeError | null
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Judges the Origin of a request. Only an allowed one is echoed, so a refused page can't read the refusal either.
 * A POST that the browser calls cross-site but that carries no Origin is refused: it would run with the user's cookies.
 */
export function accessOf(gateway: Gateway, request: HttpRequest): Access {
  const origin = request.header('origin')
  const host = request.header('host') ?? request.url.host
  if (!gateway.allowsOrigin(origin, host)) return refused('This Origin is not allowed here.')
  if (origin === null) {
    const crossSite = request.method === 'POST' && request.header('sec-fetch-site') === 'cross-site'
    return crossSite
      ? refused('A cross-site POST needs an allowed Origin.')
      : { refusal: null, headers: { vary: 'Origin' } }
  }
  return {
    refusal: null,
    headers: {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'ETag, Retry-After',
    },
  }
}

/** What a preflight is told beside {@link Access.headers}. Chromium keeps it for two hours at most, so that is what we say. */
export const preflightHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': 'authorization, content-type, last-event-id, if-none-match',
  'access-control-max-age': '7200',
}

function refused(message: string): Access {
  return { refusal: new RealtimeError('forbidden', message), headers: { vary: 'Origin' } }
}
