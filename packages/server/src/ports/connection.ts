/** The connection port: what a transport gives to the core (a wire), and what it gets back (a connection). */
import type { ChannelRequest, RealtimeError, WatchRequest } from '@rt/protocol'

/** The names of transports, as the client's ladder and the metrics know them. */
export type TransportName = 'websocket' | 'sse' | 'long-poll' | 'poll'

/** Who is behind a connection; what `authenticate` returned. */
export interface Identity {
  /** Stable id of the user or device; appears as `from` of what it publishes. */
  readonly id: string
  /**
   * Milliseconds since 1970 after which the identity is worth nothing (`exp` of a JWT, times 1000). Clients are told, and show a new token before; streams that are open end
   * a heartbeat later, 25 s at most.
   */
  readonly expiresAt?: number | undefined
  /** Milliseconds since 1970 at which the token or session was issued (`iat` of a JWT, times 1000): `rt.revoke` then refuses it for a day if it is older. */
  readonly issuedAt?: number | undefined
}

/** One encoded event in an outbox. The same object is shared by all connections that get it, so encodings can be cached on it. */
export interface OutItem {
  /** `publication` may be dropped and read again from the log; `presence` and told again as a list; `live` may be dropped; `control` may not. */
  readonly kind: 'publication' | 'presence' | 'live' | 'control'
  /** For all but control events. */
  readonly channel: string | null
  /** Of publications: milliseconds since 1970 by the broker's clock. */
  readonly time?: number
  /** The event as JSON text. */
  readonly json: string
  /** The event as a chunk of an SSE stream (`data: …\n\n`), made by the SSE transport when first needed. */
  sse?: Uint8Array
}

/** Given by the transport to the core. */
export interface Wire {
  /**
   * Writes one flush: all items in order, then the cursor (null: it did not move). Called at most once per turn of the event loop and never while
   * the wire is full. Returns false when it is full now; the transport then calls `connection.drained()` once when it is not any more.
   */
  write(items: readonly OutItem[], cursor: string | null): boolean
  /** Everything that was asked for has been read and printed up to now (called after the flush that holds it). Polls answer here. */
  caughtUp?(): void
  /** Ends the connection after what was written: the transport says `error` in its own way (bye event, close code). Null: a normal end. */
  close(error: RealtimeError | null): void
}

/** Given by the core to the transport. */
export interface Connection {
  /** Random id of this connection; unguessable. */
  readonly id: string
  /** The wire is writable again. */
  drained(): void
  /** One frame of commands came in (JSON text). Never throws; answers go out over the wire. */
  receive(text: string): void
  /** The transport is gone; idempotent. Frees everything. */
  closed(): void
}

/** What a transport knows when it opens a connection: already authenticated. */
export interface OpenRequest<I extends Identity | null = Identity | null> {
  readonly transport: TransportName
  readonly identity: I
  readonly channels: readonly ChannelRequest[]
  readonly cursor: string | null
  readonly watch?: readonly WatchRequest[]
  /** Name of the client within its identity; null: it did not say. */
  readonly client?: string | null
  /** Channels that the client has entered. */
  readonly entered?: readonly string[]
  /** Milliseconds between signs of life that suit the client; null: it did not say. */
  readonly heartbeat?: number | null
  /** Who asks when the request that opened it had this token; absent: no command takes one. Rejects as {@link Gateway.authenticate}. */
  readonly authenticate?: (token: string) => Promise<Identity | null>
}
