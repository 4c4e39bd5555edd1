/** The hub port: what the gateway asks of the stream core of a node. */
import type { Member, RealtimeError, ServerEvent, WatchRequest } from '@rt/protocol'
import type { History } from './broker'
import type { Wire } from './connection'
import type { Seat } from './presence'

/** What the contract says of one channel, as far as the stream core needs it. */
export interface ChannelRules {
  /** `all`: every publication; `latest`: a slow reader may get only the newest; `live`: not logged, may be lost. */
  readonly delivery: 'all' | 'latest' | 'live'
  readonly history: History
}

/** One authorised channel of a stream. */
export interface SubscriptionRequest {
  readonly channel: string
  readonly rules: ChannelRules
  /** True: starts at its head, with the newest `last` publications first. False: continues from the cursor. */
  readonly fresh: boolean
  readonly last: number
  /** Computes what is sent first, as JSON text; null: the channel declares none. Asked only where the channel starts at its head. */
  readonly state?: (() => Promise<string>) | null
}

export interface StreamRequest {
  readonly subscriptions: readonly SubscriptionRequest[]
  readonly cursor: string | null
  readonly watch?: readonly WatchRequest[]
  /** Held by this stream: the client entered them on an earlier one. */
  readonly seats?: readonly Seat[]
  /** Who is connected by it; null: nobody in particular. */
  readonly identity?: string | null
  /** Milliseconds of a seat when the stream is a poll, gone in a moment and back soon; null: seats live as long as the stream. */
  readonly seatTtl?: number | null
  /** Milliseconds between heartbeats at most; null: the node's own. */
  readonly heartbeat?: number | null
  /** Events to print right behind `hello`, such as refusals. */
  readonly first: readonly ServerEvent[]
}

/** One live stream, as the gateway drives it. */
export interface Stream {
  /** Bytes that wait for it. */
  readonly waiting: number
  /** More waits for this stream than its outbox may hold: no more answers now. */
  readonly congested: boolean
  /** Adds a channel in mid-stream; printed as `subscribed` once it is established. A channel that is already there is printed again as `subscribed`. */
  subscribe(request: SubscriptionRequest): void
  /** Takes a channel off; prints `unsubscribed`, with `error` when the client did not ask for it. */
  unsubscribe(channel: string, error?: RealtimeError): void
  /** Tells the members of a channel from now on; of one that is watched already, the whole list once more. */
  watch(request: WatchRequest): void
  /** Prints `unwatched`, with `error` when the client did not ask for it. */
  unwatch(channel: string, error?: RealtimeError): void
  /** Makes the client present for as long as this stream lives. Rejects as {@link PresenceDesk.enter}. */
  enter(seat: Seat, state: string): Promise<void>
  /** The channels that this stream keeps its client present in. */
  readonly entered: ReadonlySet<string>
  /** The client is not present in this channel any more, and is told so. */
  expel(channel: string): void
  /** Prints a control event, such as a result. */
  send(event: ServerEvent): void
  drained(): void
  /** The server ends the stream. */
  end(error: RealtimeError | null): void
  /** The transport is gone; idempotent. */
  closed(): void
}

/** A channel that somebody hears here. */
export interface ChannelInfo {
  readonly name: string
  readonly delivery: ChannelRules['delivery']
  /** Connections that hear it here. */
  readonly subscribers: number
  /** What was heard of it here since somebody hears it: publications, and live messages. */
  readonly publications: number
}

/** Presence as commands and the app ask for it. All reject with `broker_unavailable`. */
export interface PresenceDesk {
  /** For a client whose stream is elsewhere. `state`: JSON text. Rejects with `rate_limited` when too many clients of the member are there. */
  enter(seat: Seat, state: string, stream: null): Promise<void>
  leave(seat: Seat): Promise<void>
  /** `known` false: who is gone can't be told now. */
  members(channel: string): Promise<{ members: Member[]; known: boolean }>
  count(channel: string): Promise<number>
  online(ids: readonly string[]): Promise<boolean[]>
  match(glob: string, cursor: string | null, limit: number): Promise<{ ids: string[]; cursor: string | null }>
}

export interface Hub {
  readonly presence: PresenceDesk
  /** For how many milliseconds some part of the log has not been heard: 0 while all is; Infinity when it never was. */
  readonly away: number
  /** How many channels somebody hears here now. */
  readonly channels: number
  /** Starts a stream: `hello` is printed at once. */
  open(request: StreamRequest, wire: Wire): Stream
  /** The channels that somebody hears here, as they are now. */
  heard(): Iterable<ChannelInfo>
  /** Hears a `live` channel without a stream: `run` gets each event as JSON text. Returns its own undo. */
  listen(channel: string, run: (json: string) => void): () => void
  /** Delivers to this node's connections first, then to the other nodes. `members`: JSON members of the event: `"from":"…","data":…`. */
  publishLive(channel: string, members: string): void
  /** The newest `last` publications as JSON texts of history items, oldest first. Rejects with `broker_unavailable`. */
  history(channel: string, rules: ChannelRules, last: number): Promise<string[]>
  /**
   * Tells each stream when to go elsewhere, spread over `ms`, and serves it until it has or the time is over. Resolves when none is left. The
   * caller opens none any more.
   */
  drain(ms: number): Promise<void>
  /** Ends every stream with `draining` and stops all timers. */
  close(): void
}
