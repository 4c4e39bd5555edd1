/** The presence port: what the core asks of a store of members, and what every backend must promise. */
import type { Id } from '@rt/protocol'

/** One client (tab, device) of one member in one channel. A member is present as long as it has a client. */
export interface Seat {
  readonly channel: string
  /** Identity id: any text of 1 to 255 characters without lone surrogates. */
  readonly member: string
  /** 1 to 64 letters, digits, `_` or `-`. */
  readonly client: string
}

/** A client that enters, or says something else of itself. */
export interface EnterRequest extends Seat {
  /** JSON text. */
  readonly state: string
  /** The node whose stream keeps the seat, a text without blanks; empty: none yet (then the one that it had stays). */
  readonly owner: string
  /** Milliseconds until the seat expires. */
  readonly ttl: number
}

/** A seat that is to live on. */
export interface TouchRequest extends Seat {
  /** The node whose stream keeps the seat from now on; null: the same as before. */
  readonly owner: string | null
  /** Milliseconds. */
  readonly ttl: number
}

/** Changes of one channel at one moment, as they reach every node that watches it. */
export interface PresenceNotice {
  readonly partition: number
  readonly channel: string
  readonly epoch: Id
  readonly id: Id
  /** No change of this channel lies between `prev` and `id`; `0-0` when none was remembered. */
  readonly prev: Id
  /** JSON array of PresenceChange: `[{"action":"enter","member":"7","state":{…}}]`. */
  readonly changes: string
}

/** Who is present in a channel. */
export interface MembersResult {
  readonly epoch: Id
  /** The newest change; `0-0` when none is remembered. */
  readonly id: Id
  /** Each member once, with its newest state as JSON text, in no particular order. */
  readonly members: readonly { readonly member: string; readonly state: string }[]
}

/** What a node says with its pulse. */
export interface PulseRequest {
  /** The epoch that this node's last pulse was answered with; null: none yet. */
  readonly epoch: Id | null
  /** Milliseconds of a seat. */
  readonly ttl: number
  /** Milliseconds without any node's pulse after which the store counts as having been away. */
  readonly gap: number
}

/** What a node learns by its pulse. */
export interface PulseResult {
  readonly epoch: Id
  /** Milliseconds for which nobody is swept and absence proves nothing: the store was away, or came back with other data. 0: all is known. */
  readonly hold: number
  /** Channels that may have expired seats now; each is handed to one caller, and again after 5 s should that one not sweep it. At most 100. */
  readonly due: readonly string[]
}

/**
 * Who is where. Promises that every backend keeps:
 *
 * - All times are the store's own; a node's clock plays no part.
 * - Each change that members see (first client in, newest state, last client out) is stamped by the partition's clock, chained by `prev`, and announced in that
 *   order to the nodes that watch the channel; what nobody sees (a further tab, a beat) is neither stamped nor announced.
 * - A seat whose time is over stays until a sweep: its removal and its announcement are one step, so it is told once, whoever sweeps.
 * - A member's state is that of the client that set one last; when that client goes, that of the one before, as an `update`.
 * - Nothing is swept while a hold lasts: when no pulse came for `gap`, or the epoch changed while nodes were there, one of `ttl` begins.
 * - Calls reject with `broker_unavailable`, as those of the broker; `outcome: 'failed'` when surely nothing happened.
 */
export interface PresenceStore {
  /** Resolves false when the member has too many clients there (limits.clients). The same state again is no change. */
  enter(request: EnterRequest): Promise<boolean>
  /** Removes a seat. Harmless when there is none. */
  leave(seat: Seat): Promise<void>
  /** Prolongs seats (all of one partition); resolves with the state (JSON text) of each in their order, null for those that do not exist (any more). */
  touch(partition: number, requests: readonly TouchRequest[]): Promise<(string | null)[]>
  /** The seats' streams ended without a word: each expires after at most `grace` milliseconds, unless another node has it by then. */
  release(partition: number, seats: readonly Seat[], owner: string, grace: number): Promise<void>
  /** Who is present. */
  members(channel: string): Promise<MembersResult>
  /** Number of members. */
  count(channel: string): Promise<number>
  /** Says that this node is there, and learns what is due. */
  pulse(partition: number, request: PulseRequest): Promise<PulseResult>
  /** Removes what expired in a channel (at most some hundred at a time) unless a hold lasts. Resolves true when more is due at once. */
  sweep(channel: string): Promise<boolean>

  /** Resolves when the link carries the notices of these channels (all of one partition); as {@link Broker.subscribe}. */
  watch(partition: number, channels: readonly string[]): Promise<void>
  /** The notices may stop. */
  unwatch(partition: number, channels: readonly string[]): void

  /** Marks identities as connected for `ttl` milliseconds: on Redis also as the plain key `user:<id>:online`. */
  online(ids: readonly string[], ttl: number): Promise<void>
  /** Which of these are marked now, in their order. */
  isOnline(ids: readonly string[]): Promise<boolean[]>
  /**
   * A page of marked identities whose id fits a glob (`*`, `?`), in no order; one may come twice. `cursor` null: from the beginning; an answer with
   * `cursor: null` is the last. `limit` is a hint. Throws nothing for a foreign cursor: it starts anew or ends.
   */
  match(glob: string, cursor: string | null, limit: number): Promise<{ ids: string[]; cursor: string | null }>
}
