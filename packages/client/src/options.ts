/** Every option of createClient: meaning, unit, default. */
import type { Clock } from '@rt/protocol'
import type { SocketConstructor } from './ports/environment'
import type { Rung } from './ports/transport'

export interface ClientOptions {
  /**
   * The token that says who this is, or a function that fetches one. The function is called before the first connection and again when the
   * server calls the token invalid or expired. Sent as `Authorization: Bearer …`, on WebSocket in the first frame, never in a URL.
   * Default: none; cookies of the same origin are sent anyway.
   */
  readonly token?: string | (() => string | Promise<string>)
  /** The transports to use, best first. One name pins it. Default: `['websocket', 'sse', 'long-poll', 'poll']`. */
  readonly transports?: readonly Rung[]
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

/** The order of the rungs when none is given. */
export const defaultTransports: readonly Rung[] = ['websocket', 'sse', 'long-poll', 'poll']
