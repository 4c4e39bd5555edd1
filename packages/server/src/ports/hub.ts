/** The hub port: what the gateway asks of the stream core of a node. */
import type { RealtimeError, ServerEvent } from '@rt/protocol'
import type { History } from './broker'
import type { Wire } from './connection'

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
}

export interface StreamRequest {
  readonly subscriptions: readonly SubscriptionRequest[]
  readonly cursor: string | null
  /** Events to print right behind `hello`, such as refusals. */
  readonly first: readonly ServerEvent[]
}

/** One live stream, as the gateway drives it. */
export interface Stream {
  /** More waits for this stream than its outbox may hold: no more answers now. */
  readonly congested: boolean
  /** Adds a channel in mid-stream; printed as `subscribed` once it is established. A channel that is already there is printed again as `subscribed`. */
  subscribe(request: SubscriptionRequest): void
  /** Takes a channel off; prints `unsubscribed`, with `error` when the client did not ask for it. */
  unsubscribe(channel: string, error?: RealtimeError): void
  /** Prints a control event, such as a result. */
  send(event: ServerEvent): void
  drained(): void
  /** The server ends the stream. */
  end(error: RealtimeError | null): void
  /** The transport is gone; idempotent. */
  closed(): void
}

export interface Hub {
  /** Starts a stream: `hello` is printed at once. */
  open(request: StreamRequest, wire: Wire): Stream
  /** Delivers to this node's connections first, then to the other nodes. `members`: JSON members of the event: `"from":"…","data":…`. */
  publishLive(channel: string, members: string): void
  /** The newest `last` publications as JSON texts of history items, oldest first. Rejects with `broker_unavailable`. */
  history(channel: string, rules: ChannelRules, last: number): Promise<string[]>
  /** Ends every stream with `draining` and stops all timers. */
  close(): void
}
