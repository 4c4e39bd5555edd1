/** The broker port: what the core asks of a log with publish and subscribe, and what every backend must promise. */
import type { Id } from '@rt/protocol'
import type { BrokerMetrics } from './metrics'
import type { PresenceNotice, PresenceStore } from './presence'

/** A publication as it reaches a node over its link. */
export interface Publication {
  readonly partition: number
  readonly channel: string
  readonly id: Id
  /** No publication of this channel lies between `prev` and `id`. */
  readonly prev: Id
  /** The life of the partition's log that stamped it. */
  readonly epoch: Id
  /** JSON members of the event behind `id`, without braces: `"messageId":"…","from":"…","data":…`. The broker never parses it. */
  readonly body: string
}

/** A stored publication as a read returns it. */
export interface Entry {
  readonly id: Id
  /** No publication of this channel lies between `prev` and `id`. */
  readonly prev: Id
  readonly body: string
}

/** A publication that is to be stored. */
export interface PublishRequest {
  readonly channel: string
  readonly messageId: string
  readonly body: string
  readonly history: History
  /** Milliseconds for which `messageId` is remembered. */
  readonly dedupe: number
}

/** What a channel's log keeps: at least the newest `size` publications that are younger than `ttl` milliseconds. */
export interface History {
  /** Publications. */
  readonly size: number
  /** Milliseconds. */
  readonly ttl: number
}

/** How long a channel's newest id is kept after its last publication: longer than its log, so that an expired log still tells. */
export function lifeOfLast(history: History): number {
  return history.ttl + 24 * 60 * 60 * 1000
}

/** What was stored. */
export interface Published {
  readonly id: Id
  /** True when this `messageId` was stored before; `id` is that publication's. */
  readonly duplicate: boolean
}

/** One life of a partition's log that is over: every id up to `end` is of it or of an older one. */
export interface PastEpoch {
  readonly epoch: Id
  readonly end: Id
}

/** What to read of one channel. */
export interface ReadRequest {
  readonly channel: string
  /** Entries newer than this, oldest first; null: the newest `last` entries, oldest first. */
  readonly after: Id | null
  /** Only with `after: null`. 0: no entries, only the head. */
  readonly last: number
  /** {@link lifeOfLast} of the channel. */
  readonly life: number
}

/** What was read of one channel. */
export interface ReadAnswer {
  readonly entries: readonly Entry[]
  /** True when the page ended before the log did; then `entries` is not empty. */
  readonly more: boolean
  /** The channel's newest id ever; when that is not stored (any more): head's time minus `life`, `-0`. Nothing is newer than `last` but what `entries` holds. */
  readonly last: Id
}

/** What one call of {@link Broker.read} gives: all of it as of one moment of the partition. */
export interface ReadResult {
  readonly epoch: Id
  /** The lives before this one, oldest first (the broker keeps at least the 8 newest). */
  readonly past: readonly PastEpoch[]
  /** The clock's newest id at the moment of the read. */
  readonly head: Id
  /** In the order of the requests; null when `epoch` was not the one that the caller expected: nothing was read then. */
  readonly answers: readonly ReadAnswer[] | null
}

/** What the core gives to the broker at {@link Broker.start}. Calls are synchronous and come in the link's order. */
export interface BrokerListener {
  /** Publications of one partition arrive in clock order. */
  publication(publication: Publication): void
  /** A message of a `live` channel from another node; never one that this node published. */
  live(channel: string, body: string): void
  /** Changes of members in a watched channel; of one partition in clock order. */
  presence(notice: PresenceNotice): void
  /** The link to this partition is there. Nothing is subscribed on it yet. Never called twice without `down` between. */
  up(partition: number): void
  /** The link is gone, or was found deaf; whatever was subscribed is not any more. */
  down(partition: number): void
}

/**
 * A log with publish and subscribe. Promises that every backend keeps:
 *
 * - `publish` is atomic: dedupe by (channel, messageId), stamp, store, announce. Ids are strictly increasing over all channels of a partition,
 *   also when wall clocks step back, and are never handed out twice, not even after the store lost data.
 * - Announcements of one partition reach a node in the order of their ids, or the link is reported `down`.
 * - A store that lost data (restart, failover, rollback) starts a new epoch before it answers anything else, and remembers where the old one ended.
 * - Every call settles within the broker's time-out: it rejects with `broker_unavailable` (or `timeout`), `outcome: 'failed'` when it surely did not
 *   happen and `'unknown'` when it may have.
 */
export interface Broker {
  /** Number of partitions, at least 1. Part of every cursor: changing it costs every client a gap. */
  readonly partitions: number
  /** The partition of a channel, from 0. Pure. */
  partition(channel: string): number
  /** Begins to call the listener. Called once. `up` may be called before this returns. */
  start(listener: BrokerListener): void
  /** Stores a publication and announces it, in one step. */
  publish(request: PublishRequest): Promise<Published>
  /** Sends a message of a `live` channel to the other nodes: no promise of delivery, in order per sending node, never twice. Never throws. */
  publishLive(channel: string, body: string): void
  /**
   * Resolves when the link carries all these channels (all of one partition): every publication stamped after that moment will be announced.
   * Rejects when the link was lost before. Subscribing twice is harmless.
   */
  subscribe(partition: number, channels: readonly string[]): Promise<void>
  /** Announcements may stop; calls of `subscribe` made later win. Never throws. */
  unsubscribe(partition: number, channels: readonly string[]): void
  /** All requests of one call see one moment of the partition. `expected`: the epoch that the `after`s belong to, null when unknown. */
  read(partition: number, expected: Id | null, requests: readonly ReadRequest[]): Promise<ReadResult>
  /** Keeps a text for `ttl` milliseconds, for whoever takes it first. `key`: up to 64 letters, digits, `_` or `-`, at random and so never twice. */
  keep(key: string, text: string, ttl: number): Promise<void>
  /** Takes what is kept: of all who ask, on any node, one gets it; the others, and who asks too late, get null. */
  take(key: string): Promise<string | null>
  /** Who is where, over the same links. */
  readonly presence: PresenceStore
  /** How it does; brokers in this process have nothing to tell. */
  metrics?(): BrokerMetrics
  /** Ends the links for good. */
  close(): Promise<void>
}
