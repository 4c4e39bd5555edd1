/** The gateway port: the door of the core, as transports and hosts see it. */
import type { Member, RealtimeError, ResultEvent } from '@rt/protocol'
import type { Connection, Identity, OpenRequest, TransportName, Wire } from './connection'

/** The door before anybody is asked who it is. `address`: null where none is known. */
export interface Arrivals {
  /** A request, of whatever kind. Throws `rate_limited`. */
  knock(address: string | null): void
  /** A stream is being opened; returns the way to say that it is gone, idempotent. Throws `rate_limited` or `overloaded`. */
  arrive(address: string | null): () => void
  /** `returns`: it was here before and wants to go on. Throws `overloaded`. */
  admit(returns: boolean): void
}

export interface Gateway extends Arrivals {
  /** Who sent this request; null: nobody in particular. Rejects with `unauthenticated`, `token_expired`, or `internal` when the app's function threw. */
  authenticate(request: Request): Promise<Identity | null>
  /**
   * Authorises each channel and starts the stream on the wire: `hello` first. Rejects with the first refusal when every channel was refused
   * (not for `websocket`, which may subscribe later), with `too_many_channels`, or with `draining`.
   */
  open(request: OpenRequest, wire: Wire): Promise<Connection>
  /** Runs a frame of commands that came by POST; one result for each, in order. Rejects with `invalid_request` when the frame can't be read. */
  execute(text: string, identity: Identity | null, address: string | null): Promise<ResultEvent[]>
  /** Who is present, for who may subscribe. Rejects with `unknown_channel`, `unsupported`, `forbidden`, `unauthenticated`, `broker_unavailable`. */
  members(channel: string, identity: Identity | null): Promise<{ members: Member[]; known: boolean }>
  /** Whether this Origin may talk to us. `host` is the request's own host (with port), for the same-origin default; a missing Origin is allowed. */
  allowsOrigin(origin: string | null, host: string | null): boolean
  /** Told what a whole request or connection is turned away with. */
  refused(error: RealtimeError): void
  /** Bytes that were written: each transport adds its own. */
  readonly bytes: Record<TransportName, number>
  /** Nothing new is begun any more: whoever asks shall ask another node. */
  readonly draining: boolean
  /** Milliseconds between heartbeats. */
  readonly heartbeat: number
  /** Milliseconds that a long poll may be held. */
  readonly pollHold: number
  /** Milliseconds that a short poll is told to wait before the next. */
  readonly pollFloor: number
  /** Frames that one connection may send within a second; it is not read on until that is over. */
  readonly frames: number
  /** See options.ts. */
  readonly trustedProxies: number | null
  /** Path of the endpoint, default `/rt`. */
  readonly path: string
}
