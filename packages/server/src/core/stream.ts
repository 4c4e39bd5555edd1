/** One live connection's stream: its lanes fill the outbox, one flush per turn empties it onto the wire; made by the hub. */
import {
  type Clock,
  type HelloEvent,
  type Id,
  PROTOCOL_VERSION,
  parseCursor,
  RealtimeError,
  type ServerEvent,
  type SubscribedEvent,
  toRealtimeError,
  type WatchRequest,
} from '@rt/protocol'
import type { Entry } from '../ports/broker'
import type { OutItem, Wire } from '../ports/connection'
import type { Stream, StreamRequest, SubscriptionRequest } from '../ports/hub'
import type { Seat } from '../ports/presence'
import type { Counters } from './counters'
import { controlItem, gapItem, type StateAnswer, subscribedItem } from './events'
import type { Feed, HeardChannel } from './feed'
import { Lane, type LaneOwner } from './lane'
import type { LiveSubscriber } from './live'
import type { Log } from './log'
import { Outbox, type Waiting } from './outbox'
import type { Presence } from './presence/presence'
import type { Sitter } from './presence/seats'
import type { Watcher } from './presence/view'

/** Heartbeats after which a wire that takes nothing is given up. */
export const STALLED = 3

/** What a stream needs of its hub. */
export interface StreamHost {
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  readonly node: string
  readonly partitions: number
  readonly heartbeat: number
  /** The least that a client may ask for. */
  readonly quickHeartbeat: number
  readonly life: number
  /** Bytes (characters) that may wait for one stream. */
  readonly outboxBytes: number
  /** What waits for all streams together, and how much of it may. */
  readonly waiting: Waiting
  readonly waitingBytes: number
  readonly pageBytes: number
  feedOf(channel: string): Feed
  /** Calls `flushDirty` at the end of this turn. */
  dirty(stream: StreamConnection): void
  /** Prints a cursor, the same text for the same parts. */
  cursor(parts: readonly string[]): string
  readonly presence: Presence
  /** Whether clients were told that this partition is away. */
  degraded(feed: Feed): boolean
  gone(stream: StreamConnection): void
  /** Tells the app of a fault of ours. */
  report(error: unknown): void
}

export class StreamConnection implements Stream, LaneOwner, LiveSubscriber, Watcher, Sitter {
  readonly polled: boolean
  /** Milliseconds. */
  readonly heartbeat: number
  readonly #host: StreamHost
  readonly #wire: Wire
  readonly #outbox: Outbox
  readonly #lanes = new Map<number, Lane>()
  readonly #live = new Map<string, HeardChannel>()
  /** Watched channels; true: their members have been told. */
  readonly #watched = new Map<string, boolean>()
  /** Watched channels whose changes were dropped: the list has to be told again. */
  readonly #stale = new Set<string>()
  /** Held for as long as this stream lives, by channel and client. */
  readonly #seats = new Map<string, Seat>()
  /** Settles when it is known which of the seats that it came with are missing; null: it came with none. */
  readonly #seated: Promise<void> | null
  readonly #departed: () => void
  readonly #endsAt: number
  #writable = true
  #closed = false
  /** Waits for the flush at the end of this turn. */
  #isDirty = false
  #started = false
  /** The wire is to be told, behind the next flush, that everything was printed. */
  #tellCaughtUp = false
  #lastCursor: string | null = null
  /** Time of the oldest publication of the link that waits to be written, milliseconds since 1970; 0: none waits. */
  #oldest = 0
  #stalled = 0

  constructor(host: StreamHost, request: StreamRequest, wire: Wire) {
    this.#host = host
    this.#wire = wire
    this.#outbox = new Outbox(host.waiting)
    const { identity = null, watch = [], seats = [], seatTtl = null, heartbeat = null } = request
    this.polled = seatTtl !== null
    this.heartbeat = heartbeat !== null && heartbeat < host.heartbeat ? host.quickHeartbeat : host.heartbeat
    this.#departed = identity === null ? () => {} : host.presence.seats.arrived(identity)
    for (const { channel } of watch) this.#watched.set(channel, false)
    const life = Math.round(host.life * (0.8 + 0.4 * Math.random()))
    // A client that renews its stream in time does so before.
    this.#endsAt = host.clock.monotonic() + life + host.heartbeat
    const positions = request.cursor === null ? null : parseCursor(request.cursor, host.partitions)
    for (const subscription of request.subscriptions) {
      if (subscription.rules.delivery === 'live') continue
      const feed = host.feedOf(subscription.channel)
      this.#lane(feed, positions?.get(feed.partition) ?? null).add(subscription)
    }
    const hello: HelloEvent = {
      type: 'hello',
      version: PROTOCOL_VERSION,
      node: host.node,
      heartbeat: this.heartbeat,
      life,
      ...(identity !== null && { identity }),
    }
    for (const event of [hello, ...request.first]) this.#outbox.push(controlItem(event))
    for (const { channel, rules } of request.subscriptions)
      if (rules.delivery === 'live') this.#joinLive(channel, rules)
    for (const lane of this.#lanes.values()) {
      if (host.degraded(lane.feed)) {
        this.#outbox.push(controlItem({ type: 'status', broker: 'degraded' }))
        break
      }
    }
    // The cursor stands behind hello, before any publication: a cut in the first flush loses nothing.
    this.flush()
    for (const seat of seats) this.#seats.set(seatKey(seat), seat)
    this.#seated = seats.length > 0 ? host.presence.attach(this, seats, seatTtl) : null
    for (const { channel, since } of watch) host.presence.watch(channel, since, this)
  }

  /** Begins to read; called in the turn after the constructor, when the transport holds the connection. */
  start(): void {
    // A poll ends with what it finds: it would never tell that a seat is missing.
    if (this.polled && this.#seated !== null) void this.#seated.then(() => this.#begin())
    else this.#begin()
  }

  #begin(): void {
    if (this.#closed) return
    this.#started = true
    for (const lane of this.#lanes.values()) lane.wake()
    // A second frame proves to the client that nobody on the way holds frames back.
    if (this.#outbox.empty) this.#outbox.push(controlItem({ type: 'beat' }))
    this.flush()
    this.caughtUp()
  }

  get clock(): Clock {
    return this.#host.clock
  }

  get pageBytes(): number {
    return this.#host.pageBytes
  }

  get waiting(): number {
    return this.#outbox.bytes
  }

  get congested(): boolean {
    return this.#outbox.bytes > this.#host.outboxBytes || (!this.#writable && this.#crowded)
  }

  get writable(): boolean {
    return this.#writable
  }

  get ended(): boolean {
    return this.#closed
  }

  /** Whether it has channels in this partition. */
  uses(feed: Feed): boolean {
    return this.#lanes.has(feed.partition)
  }

  // ── From the gateway ───────────────────────────────────────────────────────────────────────────────────────────

  subscribe(request: SubscriptionRequest): void {
    if (this.#closed) return
    const { channel, rules } = request
    const feed = this.#host.feedOf(channel)
    if (this.#live.has(channel) || this.#lanes.get(feed.partition)?.has(channel) === true) this.#leave(channel)
    if (rules.delivery === 'live') {
      this.#joinLive(channel, rules)
      return
    }
    const lane = this.#lane(feed, null)
    lane.add(request)
    if (this.#started) lane.wake()
  }

  unsubscribe(channel: string, error?: RealtimeError): void {
    if (this.#closed) return
    this.#leave(channel)
    this.send({ type: 'unsubscribed', channel, ...(error !== undefined && { error: error.toJSON() }) })
  }

  watch({ channel, since }: WatchRequest): void {
    if (this.#closed) return
    this.#watched.set(channel, false)
    this.#host.presence.watch(channel, since, this)
  }

  unwatch(channel: string, error?: RealtimeError): void {
    if (this.#closed) return
    this.#watched.delete(channel)
    this.#stale.delete(channel)
    this.#host.presence.unwatch(channel, this)
    this.send({ type: 'unwatched', channel, ...(error !== undefined && { error: error.toJSON() }) })
  }

  async enter(seat: Seat, state: string): Promise<void> {
    await this.#host.presence.enter(seat, state, this)
    if (this.#closed) {
      // Entered behind the end of its stream: as if that came later.
      this.#host.presence.seats.hold(this, seat, null)
      this.#host.presence.seats.release(this, [seat])
      return
    }
    this.#seats.set(seatKey(seat), seat)
    this.#host.presence.seats.hold(this, seat, null)
  }

  get entered(): Set<string> {
    return new Set([...this.#seats.values()].map(({ channel }) => channel))
  }

  expel(channel: string): void {
    if (this.#closed) return
    for (const [key, seat] of this.#seats) {
      if (seat.channel !== channel) continue
      this.#seats.delete(key)
      // Nobody keeps the seat any more: if this fails it ends with its time.
      this.#host.presence.leave(seat).catch(() => {})
      this.absent(channel)
    }
  }

  send(event: ServerEvent): void {
    if (!this.#closed) this.#control(controlItem(event))
  }

  drained(): void {
    if (this.#closed || this.#writable) return
    this.#writable = true
    this.#stalled = 0
    this.flush()
    for (const channel of [...this.#stale]) {
      this.#stale.delete(channel)
      this.#host.presence.watch(channel, undefined, this)
    }
    this.#wakeLanes()
  }

  end(error: RealtimeError | null): void {
    if (this.#closed) return
    this.flush()
    this.closed()
    this.#wire.close(error)
  }

  closed(): void {
    if (this.#closed) return
    this.#closed = true
    for (const channel of [...this.#live.keys()]) this.#leave(channel)
    for (const lane of this.#lanes.values()) lane.close()
    for (const channel of this.#watched.keys()) this.#host.presence.unwatch(channel, this)
    this.#host.presence.seats.release(this, this.#seats.values())
    this.#outbox.take()
    this.#departed()
    this.#host.gone(this)
  }

  // ── From the lanes and the hub ─────────────────────────────────────────────────────────────────────────────────

  publication(item: OutItem, latest: boolean): void {
    if (this.#oldest === 0) this.#oldest = item.time ?? 0
    this.pagePublication(item, latest)
    if (this.#outbox.bytes <= this.#host.outboxBytes && !this.#crowded) return
    if (this.#writable) this.flush()
    else this.#overflow()
  }

  pagePublication(item: OutItem, latest: boolean): void {
    if (!latest) this.#outbox.push(item)
    else if (this.#outbox.pushLatest(item)) this.#host.counters.dropped.latest++
    this.#dirty()
  }

  gap(channel: string, reason: 'history' | 'epoch' | 'cursor', epoch: Id | undefined, past = false): void {
    const item = gapItem(channel, reason, epoch, past)
    this.#host.counters.gaps[reason]++
    this.#host.log.gap(channel, reason)
    // Read again, a gap shows again; one that stands for a foreign cursor would not.
    this.#outbox.push(reason === 'cursor' ? item : { ...item, kind: 'publication', channel })
    this.#dirty()
  }

  subscribed(
    event: Pick<SubscribedEvent, 'channel' | 'id' | 'epoch'>,
    history: readonly Entry[] | null,
    answer: StateAnswer | null,
  ): void {
    this.#control(subscribedItem(event, history, answer, this.#cursor()))
  }

  stateFailed(channel: string, error: unknown): void {
    this.unsubscribe(channel, toRealtimeError(error))
  }

  live(item: OutItem): void {
    if (this.congested) {
      this.#host.counters.dropped.live++
      return
    }
    this.#outbox.push(item)
    this.#dirty()
  }

  members(channel: string, item: OutItem): void {
    if (this.#closed || this.#stale.has(channel)) return
    // A reader that does not keep up gets the list, once it does.
    if (!this.#writable && this.congested) {
      this.#stale.add(channel)
      return
    }
    this.#outbox.push(item)
    this.#dirty()
  }

  told(channel: string): void {
    if (this.#closed || this.#watched.get(channel) !== false) return
    this.#watched.set(channel, true)
    this.caughtUp()
  }

  absent(channel: string): void {
    this.send({ type: 'absent', channel })
  }

  resumed(from: 'ring' | 'log'): void {
    this.#host.counters.resumes[from]++
  }

  pageDone(): void {
    this.flush()
  }

  caughtUp(): void {
    if (this.#closed || !this.#started) return
    for (const lane of this.#lanes.values()) if (!lane.caughtUp) return
    for (const told of this.#watched.values()) if (!told) return
    this.#tellCaughtUp = true
    this.flush()
  }

  status(broker: 'ok' | 'degraded'): void {
    this.send({ type: 'status', broker })
  }

  /** One heartbeat. */
  beat(): void {
    if (this.#closed) return
    if (this.#host.clock.monotonic() > this.#endsAt) {
      this.end(new RealtimeError('draining', 'This connection reached its planned end.', { retryAfter: 0 }))
      return
    }
    if (!this.#writable) {
      if (++this.#stalled >= STALLED)
        this.end(new RealtimeError('timeout', 'The client took nothing for three heartbeats.'))
      return
    }
    this.#outbox.push(controlItem({ type: 'beat' }))
    this.flush()
  }

  flushDirty(): void {
    this.#isDirty = false
    this.flush()
  }

  /** Everything that waits goes out in one write, and the cursor with it. */
  flush(): void {
    if (this.#closed || !this.#writable) return
    const cursor = this.#cursor()
    const moved = cursor !== null && cursor !== this.#lastCursor
    if (!this.#outbox.empty || (moved && this.#tellCaughtUp)) {
      const items = this.#outbox.take()
      this.#lastCursor = cursor ?? this.#lastCursor
      for (const lane of this.#lanes.values()) lane.flushed()
      try {
        this.#writable = this.#wire.write(items, moved ? cursor : null)
        this.#count(items)
      } catch (error) {
        // What it could not print is lost to it: it comes back and resumes. The others of this turn must not suffer.
        this.failed(error)
      }
    }
    if (this.#tellCaughtUp && !this.#closed) {
      this.#tellCaughtUp = false
      this.#wire.caughtUp?.()
    }
  }

  failed(error: unknown): void {
    if (this.#closed) return
    this.#host.report(error)
    this.closed()
    this.#wire.close(new RealtimeError('internal', 'The stream could not be printed.'))
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  get #crowded(): boolean {
    return this.#host.waiting.bytes > this.#host.waitingBytes
  }

  #count(items: readonly OutItem[]): void {
    const { clock, counters } = this.#host
    counters.wrote(items)
    if (this.#oldest === 0) return
    counters.latency.record(clock.now() - this.#oldest)
    this.#oldest = 0
  }

  #lane(feed: Feed, position: ConstructorParameters<typeof Lane>[2]): Lane {
    let lane = this.#lanes.get(feed.partition)
    if (lane === undefined) {
      lane = new Lane(this, feed, position)
      this.#lanes.set(feed.partition, lane)
    }
    return lane
  }

  #cursor(): string | null {
    let parts: readonly string[] = []
    for (const lane of this.#lanes.values()) {
      const part = lane.cursor()
      if (part !== null) parts = parts.length === 0 ? [part] : [...parts, part]
    }
    // A stream of `live` channels alone has no place in any log, and is complete.
    return parts.length === 0 && this.#lanes.size > 0 ? null : this.#host.cursor(parts)
  }

  #dirty(): void {
    if (this.#isDirty) return
    this.#isDirty = true
    this.#host.dirty(this)
  }

  #control(item: OutItem): void {
    this.#outbox.push(item)
    this.#dirty()
  }

  #joinLive(channel: string, rules: SubscriptionRequest['rules']): void {
    const heard = this.#host.feedOf(channel).hear(channel, rules)
    heard.live.add(this)
    this.#live.set(channel, heard)
    // No promise to keep: it is live on this node at once, broker or not.
    this.#control(subscribedItem({ channel }, null, null, null))
  }

  #leave(channel: string): void {
    const heard = this.#live.get(channel)
    if (heard !== undefined) {
      this.#live.delete(channel)
      heard.live.delete(this)
      this.#host.feedOf(channel).release(heard)
      return
    }
    const { partition } = this.#host.feedOf(channel)
    const lane = this.#lanes.get(partition)
    lane?.remove(channel)
    if (lane?.empty !== true) return
    // Else the cursor would grow by each partition that was ever used.
    lane.close()
    this.#lanes.delete(partition)
  }

  /** A slow reader: it re-enters the log as a whole, all partitions and channels, and nothing that waited is printed. */
  #overflow(): void {
    this.#host.counters.overflows++
    this.#outbox.drop()
    this.#oldest = 0
    // What waited of their changes was dropped with the rest.
    for (const channel of this.#watched.keys()) this.#stale.add(channel)
    for (const lane of this.#lanes.values()) lane.rewind()
    this.#outbox.renew(this.#cursor())
  }

  #wakeLanes(): void {
    if (!this.#writable || !this.#started) return
    for (const lane of this.#lanes.values()) lane.wake()
  }
}

function seatKey({ channel, client }: Seat): string {
  return `${channel} ${client}`
}
