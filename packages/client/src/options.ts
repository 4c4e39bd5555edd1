/** Every option of createClient: meaning, unit, default. */
import type { Clock } from '@rt/protocol'
import type { SocketConstructor } from './ports/environment'
import type { TransportName } from './ports/transport'

/** What `createClient` takes beside the URL. */
export interface ClientOptions {
  /**
   * The token that says who this is, or a function that fetches one. The function is called before the first connection, again some time (25 s, of a short-lived
   * token a quarter of its life) before it expires, and when the server calls it invalid. Sent as `Authorization: Bearer …`, on WebSocket in a frame, never in a URL.
   * Default: none; cookies of the same origin are sent anyway.
   */
  readonly token?: string | (() => string | Promise<string>)
  /**
   * The transports to use, best first: the client tries them in this order, and goes back to the first as soon as it works. One name pins it.
   * Default: all four, and which is best depends on what the application does: a client that sends often or is hidden for minutes needs another one
   * than one that listens.
   */
  readonly transports?: readonly TransportName[]
  /** `low`: nothing is urgent, so that polls do unless the application sends often. Default: `normal`; `low` where the browser is told to save data. */
  readonly priority?: 'normal' | 'low'
  /**
   * Whether the tabs of a browser that are the same to the server (endpoint, identity, and the options `headers`, `transports` and `priority`) use one connection: one
   * tab has it, and another one takes over when that one goes. Default: true in pages where Web Locks and BroadcastChannel exist (all browsers, over HTTPS).
   */
  readonly share?: boolean
  /** Milliseconds until `publish` and `history` reject with `timeout` when no answer came. Default 30,000. */
  readonly timeout?: number
  /** Headers of every HTTP request; browsers can't send them with a WebSocket. Default: none. */
  readonly headers?: Readonly<Record<string, string>>
  /** Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch
  /** Default: the global `WebSocket`; where there is none, the one of the optional package `ws`; without that, the ladder starts at SSE. */
  readonly WebSocket?: SocketConstructor
  /** For tests. Default: the system's clock. */
  readonly clock?: Clock
}

/** The transports when none are given. */
export const allTransports: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
