/** createNetwork: clients reach a server in the same process without a port, over the real transports, and meet the faults that a test asks for. */
import { createServer, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Clock, systemClock } from '@rt/protocol'
import { WebSocket } from 'ws'
import type { NodeServer } from '../hosts/node'
import { type Conditions, Link } from './link'
import { createLinkFetch } from './link-fetch'

/** What a network may not let through; short polls are plain requests. */
export type Blockable = 'websocket' | 'sse' | 'long-poll'

/** What of a WebSocket a client uses. */
export interface NetworkSocket {
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  send(data: string): void
  close(code?: number, reason?: string): void
}

/** What {@link createNetwork} takes beside the server. */
export interface NetworkOptions {
  /** The clock of the clients and of `delay`: the same one as the server's, if that has one. Default: the system's clock. */
  readonly clock?: Clock | undefined
}

/** What the clients of one network have between them and the server. Clients that shall meet other faults are on a network of their own. */
export interface Network {
  /** Where the server is, without a path: `http://network-1.test`. No other network has it, so that no client remembers what another test did. */
  readonly url: string
  /** For `createClient`: how to get there. `fetch` alone is for the app's other routes, where the network leads to a whole server. */
  readonly options: {
    readonly fetch: typeof globalThis.fetch
    readonly WebSocket: new (url: string, protocols?: string | string[]) => NetworkSocket
    readonly share: false
    readonly clock?: Clock
  }
  /** Ends all links, as a router does that restarts: both sides are told. New ones are made. */
  cut(): void
  /** Cuts all links and makes none until {@link restore}: the network is away, and clients are told. */
  offline(): void
  /**
   * From now on nothing arrives, and nobody is told: links stay open, new ones are never answered. What is sent waits as TCP has it wait: after
   * {@link restore} it arrives where the other end is still open.
   */
  blackhole(): void
  /** From now on whatever is sent arrives `ms` later, in order, in both directions. A round trip takes twice as long. */
  delay(ms: number): void
  /** Makes no links for these transports until {@link restore}, as a proxy that knows nothing of them, and cuts those that are there. */
  block(...transports: Blockable[]): void
  /** Ends all faults: what was blocked, delayed or swallowed. Clients come back by themselves when they next try. */
  restore(): void
}

let networks = 0

/**
 * A network to `target`: an `rt`, or a node:http server that it is attached to (with the app's other routes; it need not listen). It opens no port and
 * leaves nothing behind.
 *
 * @example
 * const network = createNetwork(rt)
 * const client = createClient<typeof rt>(`${network.url}/rt`, { ...network.options, token: 'ada' })
 * network.block('websocket')
 */
export function createNetwork(
  target: Server | { attach(server: NodeServer): unknown },
  { clock }: NetworkOptions = {},
): Network {
  const server = 'attach' in target ? createServer() : target
  if ('attach' in target) target.attach(server)

  const conditions: Conditions = { silent: false, delay: 0 }
  const blocked = new Set<Blockable>()
  let away = false
  const links = new Map<Link, Blockable | null>()

  const connect = (transport: Blockable | null): Duplex => {
    const link = new Link(conditions, clock ?? systemClock)
    links.set(link, transport)
    for (const end of [link.client, link.server]) {
      end.once('close', () => {
        if (link.closed) links.delete(link)
      })
    }
    // Refused at the first word: before it nobody listens yet.
    if (away || (transport !== null && blocked.has(transport))) link.server.once('readable', () => link.cut())
    else server.emit('connection', link.server)
    return link.client
  }
  const cut = (concerns: (transport: Blockable | null) => boolean): void => {
    for (const [link, transport] of [...links]) if (concerns(transport)) link.cut()
  }

  return {
    url: `http://network-${++networks}.test`,
    options: {
      fetch: createLinkFetch((request) => connect(transportOf(request))),
      WebSocket: class extends WebSocket {
        constructor(url: string, protocols?: string | string[]) {
          super(url, protocols, { createConnection: () => connect('websocket'), perMessageDeflate: false })
        }
      },
      share: false,
      ...(clock !== undefined && { clock }),
    },
    cut: () => cut(() => true),
    offline() {
      away = true
      cut(() => true)
    },
    blackhole() {
      conditions.silent = true
    },
    delay(ms) {
      conditions.delay = ms
    },
    block(...transports) {
      for (const name of transports) blocked.add(name)
      cut((transport) => transport !== null && blocked.has(transport))
    },
    restore() {
      away = false
      blocked.clear()
      Object.assign(conditions, { silent: false, delay: 0 } satisfies Conditions)
      for (const link of links.keys()) link.look()
    },
  }
}

/** What a request is for; null: what only a network that is away does not let through. */
function transportOf({ headers, url }: Request): Blockable | null {
  if (headers.get('accept')?.includes('text/event-stream') === true) return 'sse'
  return Number(new URL(url).searchParams.get('wait')) > 0 ? 'long-poll' : null
}
