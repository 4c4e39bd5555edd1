/** By which address a request is counted; asked by the endpoint and the WebSocket transport. */
import type { Gateway } from '../ports/gateway'
import type { HttpRequest } from '../ports/http'

/** Where a request comes from; null: not known. */
export function sourceOf({ trustedProxies }: Gateway, request: HttpRequest): string | null {
  return addressOf(request.peer, request.header('x-forwarded-for'), trustedProxies)
}

/**
 * The client's address, in the form in which it is counted: of IPv6 the first 64 bits, of which one customer has all. Null: not known. `peer`: the other end of the
 * socket. `proxies`: see `trustedProxies` in options.ts. `forwarded`: the header `X-Forwarded-For`, of which only what trusted proxies added counts, from the right.
 */
export function addressOf(peer: string | null, forwarded: string | null, proxies: number | null): string | null {
  const own = peer === null ? null : counted(peer)
  if (proxies === null) return own !== null && isPrivate(own) ? null : own
  const hops = [
    ...(forwarded ?? '')
      .split(',')
      .filter((hop) => hop.trim() !== '')
      .map(counted),
    own,
  ]
  // Who came past some of the proxies is the first of the rest.
  return hops[Math.max(0, hops.length - 1 - proxies)] ?? null
}

/** Null: no address. */
function counted(text: string): string | null {
  // `1.2.3.4:5678` and `[::1]:5678`, as some proxies write them; a scope (`%eth0`) is none of ours.
  const bare = text
    .trim()
    .replace(/^\[(.*)\](:\d+)?$/, '$1')
    .replace(/^(\d+(\.\d+){3}):\d+$/, '$1')
    .replace(/%.*/, '')
  const [v4] = /(?<=^|^::ffff:)\d{1,3}(\.\d{1,3}){3}$/i.exec(bare) ?? []
  if (v4 !== undefined) return v4
  if (!/^[\da-f:.]{2,45}$/i.test(bare) || !bare.includes(':')) return null
  const [head = '', tail] = bare.split('::')
  const groups = head.split(':').filter((group) => group !== '')
  // What `::` stands for reaches from here to the last groups.
  const rest = (tail ?? '').split(':').filter((group) => group !== '')
  const all =
    tail === undefined ? groups : [...groups, ...Array(Math.max(0, 8 - groups.length - rest.length)).fill('0'), ...rest]
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

/** Loopback, the networks that are routed nowhere, link-local and those of carriers. */
function isPrivate(address: string): boolean {
  return /^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|0:0:0:0::|f[cd]..:|fe[89ab].:)/.test(
    address,
  )
}
