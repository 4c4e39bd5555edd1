/** Presence on this node: who is watched, who sits here, and what of it can be trusted; made by the hub, asked by streams, commands and the app. */
import { type Clock, type Json, type Member, RealtimeError, type Timer } from '@rt/protocol'
import type { Broker } from '../../ports/broker'
import type { PresenceDesk } from '../../ports/hub'
import type { PresenceNotice, Seat } from '../../ports/presence'
import { Pulse } from './pulse'
import { Seats, type Sitter } from './seats'
import { View, type Watcher } from './view'

export interface PresenceOptions {
  readonly broker: Broker
  readonly clock: Clock
  /** Name of this node, without blanks. */
  readonly node: string
  /** Milliseconds of a seat without a sign of life. */
  readonly ttl: number
  /** Milliseconds of a seat whose stream ended without a word. */
  readonly grace: number
  /** Milliseconds for which a channel without watchers stays watched. */
  readonly linger: number
}

export class Presence implements PresenceDesk {
  readonly seats: Seats
  readonly #options: PresenceOptions
  readonly #pulses: readonly Pulse[]
  readonly #views: readonly Map<string, View>[]
  readonly #up: boolean[]
  /** Views that nobody watches, until they are given up. */
  readonly #lingering = new Map<View, Timer>()
  #closed = false

  constructor(options: PresenceOptions) {
    const { broker, clock, node, ttl, grace } = options
    const { presence: store } = broker
    this.#options = options
    this.#up = new Array<boolean>(broker.partitions).fill(false)
    this.#views = this.#up.map(() => new Map<string, View>())
    this.seats = new Seats({ store, owner: node, partition: (name) => broker.partition(name), clock, ttl, grace })
    this.#pulses = this.#up.map(
      (_, partition) =>
        new Pulse({
          store,
          partition,
          clock,
          ttl,
          changed: () => {
            for (const view of (this.#views[partition] as Map<string, View>).values()) view.knownChanged()
          },
          recovered: () => this.seats.recovered(partition),
        }),
    )
  }

  // ── For the hub ────────────────────────────────────────────────────────────────────────────────────────────────

  notice(notice: PresenceNotice): void {
    this.#views[notice.partition]?.get(notice.channel)?.notice(notice)
  }

  linkUp(partition: number): void {
    this.#up[partition] = true
    this.#pulses[partition]?.linkUp()
    for (const view of this.#views[partition]?.values() ?? []) view.linkUp()
  }

  linkDown(partition: number): void {
    this.#up[partition] = false
    this.#pulses[partition]?.linkDown()
    for (const view of this.#views[partition]?.values() ?? []) view.linkDown()
  }

  close(): void {
    this.#closed = true
    this.seats.close()
    for (const pulse of this.#pulses) pulse.close()
    for (const timer of this.#lingering.values()) this.#options.clock.clearTimeout(timer)
    this.#lingering.clear()
  }

  // ── For streams ────────────────────────────────────────────────────────────────────────────────────────────────

  watch(channel: string, since: string | undefined, watcher: Watcher): void {
    const { broker, clock } = this.#options
    const partition = broker.partition(channel)
    const views = this.#views[partition] as Map<string, View>
    const pulse = this.#use(partition)
    let view = views.get(channel)
    if (view === undefined) {
      view = new View({ store: broker.presence, pulse, clock, partition, channel }, this.#up[partition] === true)
      views.set(channel, view)
    }
    clock.clearTimeout(this.#lingering.get(view))
    this.#lingering.delete(view)
    view.add(watcher, since)
  }

  unwatch(channel: string, watcher: Watcher): void {
    const { broker, clock, linger } = this.#options
    const partition = broker.partition(channel)
    const views = this.#views[partition] as Map<string, View>
    const view = views.get(channel)
    if (view === undefined) return
    view.remove(watcher)
    if (!view.empty || this.#closed || this.#lingering.has(view)) return
    // Polls and reconnects come back at once.
    const timer = clock.setTimeout(() => {
      this.#lingering.delete(view)
      views.delete(channel)
      view.linkDown()
      broker.presence.unwatch(partition, [channel])
    }, linger)
    this.#lingering.set(view, timer)
  }

  attach(sitter: Sitter, seats: readonly Seat[], ttl: number | null): Promise<void> {
    for (const { channel } of seats) this.#use(this.#options.broker.partition(channel))
    // Quick polls may still take a moment to come back, as streams do.
    return this.seats.attach(sitter, seats, ttl === null ? null : Math.max(ttl, this.#options.grace))
  }

  // ── For commands and the app ───────────────────────────────────────────────────────────────────────────────────

  /** `sitter`: keeps the seat from now on; null: no stream of this node does. */
  async enter(seat: Seat, state: string, sitter: Sitter | null): Promise<void> {
    const { broker, node, ttl } = this.#options
    this.#use(broker.partition(seat.channel))
    const room = await broker.presence.enter({ ...seat, state, owner: sitter === null ? '' : node, ttl })
    if (!room)
      throw new RealtimeError('rate_limited', 'Too many clients of this identity are there.', { outcome: 'failed' })
  }

  async leave(seat: Seat): Promise<void> {
    this.seats.drop(seat)
    await this.#options.broker.presence.leave(seat)
  }

  async members(channel: string): Promise<{ members: Member[]; known: boolean }> {
    const { broker } = this.#options
    const partition = broker.partition(channel)
    const pulse = this.#use(partition)
    // Not from a view: the notice of what the caller has just done may still be under way.
    const { members } = await broker.presence.members(channel)
    if (this.#up[partition] === true) await pulse.decided()
    return {
      members: members.map(({ member, state }) => ({ id: member, state: JSON.parse(state) as Json })),
      known: pulse.known,
    }
  }

  count(channel: string): Promise<number> {
    return this.#options.broker.presence.count(channel)
  }

  online(ids: readonly string[]): Promise<boolean[]> {
    return this.#options.broker.presence.isOnline(ids)
  }

  match(glob: string, cursor: string | null, limit: number) {
    return this.#options.broker.presence.match(glob, cursor, limit)
  }

  #use(partition: number): Pulse {
    const pulse = this.#pulses[partition] as Pulse
    pulse.use()
    return pulse
  }
}
