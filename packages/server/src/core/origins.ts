/** Which web pages may talk to this server, by their Origin; asked by the gateway for transports. */
import type { RealtimeOptions } from '../options'

/** `origin` and `host` as in the request's headers; null when absent. */
export type AllowsOrigin = (origin: string | null, host: string | null) => boolean

/** Throws a TypeError for an entry of the list that no browser would send. */
export function readOrigins(
  origins: RealtimeOptions<never, never, never, never, never, never>['origins'],
): AllowsOrigin {
  if (origins === '*') return () => true
  if (typeof origins === 'function') return (origin) => origin === null || origins(origin) === true
  if (origins === undefined) return (origin, host) => origin === null || isSameHost(origin, host)
  for (const origin of origins) {
    if (originOf(origin) !== origin) {
      throw new TypeError(
        `origins: ${JSON.stringify(origin)} is no origin. Write it like 'https://app.example.com', without a path.`,
      )
    }
  }
  const allowed = new Set(origins)
  return (origin) => origin === null || allowed.has(origin)
}

// The scheme is not compared: behind a proxy that ends TLS nobody here knows it.
function isSameHost(origin: string, host: string | null): boolean {
  const page = originOf(origin)
  if (page === null || host === null) return false
  const scheme = page.slice(0, page.indexOf('//'))
  return page === originOf(`${scheme}//${host}`)
}

function originOf(text: string): string | null {
  try {
    const { origin, pathname, search, hash, username, password } = new URL(text)
    return origin !== 'null' && pathname === '/' && `${search}${hash}${username}${password}` === '' ? origin : null
  } catch {
    return null
  }
}
