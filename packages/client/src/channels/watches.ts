/**
 * The channels whose members the application wants to know, with their lists: what to ask a stream for and what its events mean. Bookkeeping without
 * timers; owned by the connection's watching.
 */
import type { ErrorBody, Json, MembersEvent, PresenceEvent, UnwatchedEvent, WatchRequest } from '@rt/protocol'
import type { PresenceChangeOf, PresenceList } from '../types'
import { Roster, type RosterNews } from './roster'

/** One stream's side of it. */
export interface WatchSide {
  /** The channels that were asked for on this stream. */
  readonly requested: Set<string>
  /** `unwatched` answers that are still to come: until then the stream speaks of an earlier watch. */
  readonly leaving: Map<string, number>
}

/** What the application is to be told about members. */
export type PresenceDelivery =
  | {
      readonly kind: 'members'
      readonly channel: string
      readonly list: PresenceList<Json>
      readonly changes: readonly PresenceChangeOf<Json>[]
    }
  | { readonly kind: 'unwatched'; readonly channel: string; readonly error: ErrorBody }

export class Watches {
  readonly #rosters = new Map<string, Roster>()
  /** Refused for the moment: not asked for until {@link resume}. */
  readonly #paused = new Set<string>()

  /** The state of a stream that is opened with these requests. */
  static side(watch: readonly WatchRequest[]): WatchSide {
    return { requested: new Set(watch.map(({ channel }) => channel)), leaving: new Map() }
  }

  add(channel: string): void {
    if (!this.#rosters.has(channel)) this.#rosters.set(channel, new Roster())
  }

  /** Forgets the list too: a later `add` starts anew. */
  remove(channel: string): void {
    this.#rosters.delete(channel)
    this.#paused.delete(channel)
  }

  has(channel: string): boolean {
    return this.#rosters.has(channel)
  }

  resume(channel: string): void {
    this.#paused.delete(channel)
  }

  /** What to ask of a stream that is opened now. */
  request(): WatchRequest[] {
    const requests: WatchRequest[] = []
    for (const channel of this.#rosters.keys()) {
      if (!this.#paused.has(channel)) requests.push(this.requestOf(channel))
    }
    return requests
  }

  requestOf(channel: string): WatchRequest {
    const since = this.#rosters.get(channel)?.at
    return { channel, ...(since !== undefined && { since }) }
  }

  /** The list of a channel as this stream would tell it first; null: it has not told it, or does not watch. */
  listOn(side: WatchSide, channel: string): MembersEvent | null {
    const told = side.requested.has(channel) && !side.leaving.has(channel)
    return told ? (this.#rosters.get(channel)?.event(channel) ?? null) : null
  }

  /** Notes that `watch` was sent on this stream. */
  join(side: WatchSide, channel: string): void {
    side.requested.add(channel)
  }

  /** Notes that `unwatch` was sent on this stream. */
  leave(side: WatchSide, channel: string): void {
    side.requested.delete(channel)
    side.leaving.set(channel, (side.leaving.get(channel) ?? 0) + 1)
  }

  members(side: WatchSide, event: MembersEvent | PresenceEvent): PresenceDelivery | null {
    const { channel } = event
    const roster = this.#rosters.get(channel)
    return roster === undefined || side.leaving.has(channel) ? null : delivery(channel, roster.accept(event))
  }

  /** Returns why the channel is not watched, when that was not asked for; it is not asked for until {@link resume} or {@link remove}. */
  unwatched(side: WatchSide, { channel, error }: UnwatchedEvent): ErrorBody | null {
    const leaving = side.leaving.get(channel)
    if (leaving !== undefined) {
      if (error !== undefined) return null
      if (leaving > 1) side.leaving.set(channel, leaving - 1)
      else side.leaving.delete(channel)
      return null
    }
    if (error === undefined || !this.#rosters.has(channel)) return null
    side.requested.delete(channel)
    this.#paused.add(channel)
    return error
  }

  /** Nothing more is heard of this channel, or of any: what is known of it is old. */
  unlink(channels: Iterable<string> = this.#rosters.keys()): PresenceDelivery[] {
    return this.#each(channels, (roster) => roster.unlink())
  }

  /** The server answered in full: of channels where it said nothing there is nothing new. */
  relink(): PresenceDelivery[] {
    const asked = [...this.#rosters.keys()].filter((channel) => !this.#paused.has(channel))
    return this.#each(asked, (roster) => (roster.at === undefined ? null : roster.relink()))
  }

  #each(channels: Iterable<string>, act: (roster: Roster) => RosterNews | null): PresenceDelivery[] {
    const deliveries: PresenceDelivery[] = []
    for (const channel of channels) {
      const roster = this.#rosters.get(channel)
      const told = roster === undefined ? null : delivery(channel, act(roster))
      if (told !== null) deliveries.push(told)
    }
    return deliveries
  }
}

function delivery(channel: string, news: RosterNews | null): PresenceDelivery | null {
  return news === null ? null : { kind: 'members', channel, ...news }
}
