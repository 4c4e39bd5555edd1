/** The transport port: one way to print a stream. The connection opens links; a transport decides nothing beyond open, events in order, alive, closed. */
import type { ChannelRequest, RealtimeError, ServerEvent, WatchRequest } from '@rt/protocol'

/** The transports, as applications name them. */
export type TransportName = 'websocket' | 'sse' | 'long-poll' | 'poll'

/** The rungs of the ladder: the transports, SSE twice. */
export type Rung = TransportName | 'sse-post'

/** What a stream is opened for. */
export interface ResumeRequest {
  readonly channels: readonly ChannelRequest[]
  readonly cursor: string | undefined
  /** Channels whose members to tell; absent: none. */
  readonly watch?: readonly WatchRequest[]
  /** This client's name, where it has entered channels, and these channels. */
  readonly client?: string
  readonly entered?: readonly string[]
  /** Milliseconds between signs of life to ask for; absent: whatever the server does. */
  readonly heartbeat?: number
}

/** Why a link ended. */
export interface Closed {
  /** What our server said; null when it did not speak: the path or the network ended it. */
  readonly error: RealtimeError | null
  /** The HTTP status, where there was one. */
  readonly status?: number
}

/** Given by the connection. A transport never calls it while `open` runs, nor after `closed` or `Link.close()`. */
export interface LinkListener {
  /** Events in the order of the stream; on every transport `hello` is the first and `cursor` follows what it accounts for. */
  events(events: readonly ServerEvent[]): void
  /** Something arrived: called before the events of a frame. `quiet`: nothing is to be expected for so many milliseconds. */
  alive(quiet?: number): void
  closed(reason: Closed): void
}

/** What a transport asks while it opens a stream; polling asks again before each poll. */
export interface LinkStart {
  request(): ResumeRequest
  token(): string | undefined
  /** Milliseconds between two polls at least; 0: as the server says. */
  pause(): number
}

/** An open, or opening, stream. */
export interface Link {
  /** What it goes over, when that is a stream of another tab. Known from `hello` on. */
  readonly rung?: Rung
  /** Sends a frame of commands (JSON text). Absent where commands go by POST. Called only after `hello`. */
  send?(text: string): void
  /** Channels and watches are added and taken off by commands; only with `send`. */
  readonly inPlace?: true
  /** What is wanted changed: ask again at once. Absent where a change needs commands or a new link. */
  refresh?(): void
  /** Ends the link without a further call to the listener; frees every timer and socket. */
  close(): void
}

/** A way to open streams that is no rung of its own. */
export interface Relay {
  open(start: LinkStart, listener: LinkListener): Link
}

export interface Transport extends Relay {
  readonly rung: Rung
}

/** Sends a frame of commands by POST and resolves with what came back: an array of results. Rejects with {@link Closed}. */
export type Post = (text: string, token: string | undefined, signal: AbortSignal) => Promise<readonly ServerEvent[]>
