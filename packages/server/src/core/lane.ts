/** One stream's way through one partition: it reads the log until it has caught up with the link, then follows the link; owned by the stream. */
import { type Clock, compareIds, type Id, laterId, type Position, type SubscribedEvent } from '@rt/protocol'
import { type Entry, lifeOfLast } from '../ports/broker'
import type { OutItem } from '../ports/connection'
import type { SubscriptionRequest } from '../ports/hub'
import { messageItem, type StateAnswer } from './events'
import type { Feed, HeardChannel } from './feed'
import { newest } from './history'
import { type PageItem, planPage } from './page'
import type { SharedRead, Want } from './reader'

/** Pause after a read that the broker refused, in milliseconds. */
const RETRY = 250

/** What a lane needs of its stream. */
export interface LaneOwner {
  readonly clock: Clock
  /** Characters of bodies in one page. */
  readonly pageBytes: number
  /** False while the wire is full: pages wait then. `wake` is called when it is writable again. */
  readonly writable: boolean
  readonly ended: boolean
  /** Prints a publication that the link brought; the outbox may overflow by it and `rewind` this lane. `latest`: only the newest of its channel matters. */
  publication(item: OutItem, latest: boolean): void
  /** Prints a publication of a page, which is bounded by itself. */
  pagePublication(item: OutItem, latest: boolean): void
  gap(channel: string, reason: 'history' | 'epoch' | 'cursor', epoch: Id | undefined, past?: boolean): void
  subscribed(
    event: Pick<SubscribedEvent, 'channel' | 'id' | 'epoch'>,
    history: readonly Entry[] | null,
    answer: StateAnswer | null,
  ): void
  /** The channel's `state` could not be computed: it can't be subscribed now. */
  stateFailed(channel: string, error: unknown): void
  /** The lane has caught up with the link: from the rings alone, or with what it read from the log. */
  resumed(from: 'ring' | 'log'): void
  /** Flushes what was printed: the next page comes only while the wire is writable. */
  pageDone(): void
  /** The lane reached the present and has nothing left to do. */
  caughtUp(): void
  /** Something is wrong in here: the stream must end, for it can't go on rightly. */
  failed(error: unknown): void
}

/** One channel of one stream. */
export interface Subscription {
  readonly lane: Lane
  readonly channel: HeardChannel
  /** Starts at the head; false: should continue from the cursor. */
  readonly fresh: boolean
  readonly last: number
  readonly latest: boolean
  /** Computes what the channel sends first; null: nothing. */
  readonly state: (() => Promise<string>) | null
  /** It has a place, and its state is being computed; null: not. */
  computing: Computing | null
  /** Not established yet: it has no place in the stream. */
  joining: boolean
  /** Where it joined: nothing up to here concerns this stream; null: it came with the cursor. */
  start: Position | null
  /** What the link still brings up to here was printed already; null: the link has passed it. */
  floor: Id | null
}

/** Positioned first, computed after: what lies behind `at` follows the state. */
interface Computing {
  /** The link's, when the place was found: what came through another one may have holes. */
  readonly generation: number
  readonly epoch: Id
  readonly at: Id
  /** What the log held up to there. */
  readonly entries: readonly Entry[]
  /** JSON text; null: not there yet. */
  state: string | null
}

export class Lane {
  readonly feed: Feed
  readonly #owner: LaneOwner
  readonly #subscriptions = new Map<string, Subscription>()
  #joining = 0
  /** While reading: everything up to here is printed for each established channel. While live: where it went live; the link's position counts if later. */
  #position: Position | null
  #printed: Position | null
  #live = false
  #running = false
  /** The log was read on the present way. */
  #paged = false
  /** Grows when the way through the log starts over; what was read before is void then. */
  #turn = 0
  /** Until where gaps were printed on the present way, so that the next page does not say it again; the epoch is the log's at that time. */
  #gaps = new Map<string, Position>()

  constructor(owner: LaneOwner, feed: Feed, position: Position | null) {
    this.#owner = owner
    this.feed = feed
    this.#position = position
    this.#printed = position
    feed.lanes.add(this)
  }

  get caughtUp(): boolean {
    return this.#joining === 0 && (this.#live || this.#subscriptions.size === 0)
  }

  /** The lane's part of the cursor, counting all that was printed so far; null: it has no place yet. */
  cursor(): string | null {
    const position = this.#present()
    return position === null ? null : this.feed.print(position)
  }

  #present(): Position | null {
    const position = this.#position
    const { place } = this.feed
    if (!this.#live || position === null || place === null || place === position) return position
    if (compareIds(place.id, position.id) > 0)
      this.#position = place.epoch === position.epoch ? place : { epoch: position.epoch, id: place.id }
    return this.#position
  }

  add({ channel, rules, fresh, last, state = null }: SubscriptionRequest): void {
    const heard = this.feed.hear(channel, rules)
    // A channel that should continue needs a place to continue from; without one it joins, with a gap.
    const joining = fresh || this.#position === null
    const subscription: Subscription = {
      lane: this,
      channel: heard,
      fresh,
      last,
      latest: rules.delivery === 'latest',
      // Whoever continues from a cursor has it, or is told a gap and asks anew.
      state: fresh ? state : null,
      computing: null,
      joining,
      start: null,
      floor: null,
    }
    if (joining) this.#joining++
    this.#subscriptions.set(channel, subscription)
    heard.subscriptions.add(subscription)
  }

  remove(channel: string): boolean {
    const subscription = this.#subscriptions.get(channel)
    if (subscription === undefined) return false
    if (subscription.joining) this.#joining--
    this.#subscriptions.delete(channel)
    subscription.channel.subscriptions.delete(subscription)
    this.feed.release(subscription.channel)
    return true
  }

  get empty(): boolean {
    return this.#subscriptions.size === 0
  }

  has(channel: string): boolean {
    return this.#subscriptions.has(channel)
  }

  /** A publication from the link. Called for each delivery: keep it short. */
  deliver(subscription: Subscription, id: Id, item: OutItem): void {
    if (!this.#live || subscription.joining) return
    if (subscription.floor !== null) {
      if (compareIds(id, subscription.floor) <= 0) return
      subscription.floor = null
    }
    this.#owner.publication(item, subscription.latest)
  }

  /** Everything up to the cursor went out to the wire. */
  flushed(): void {
    this.#printed = this.#present()
  }

  /** The link is gone: go back to reading, from where the link's order brought this lane. */
  interrupt(): void {
    this.#position = this.#present()
    this.#live = false
    this.#turn++
  }

  /** What was waiting to be printed was dropped, gaps too: read it again from what went out. */
  rewind(): void {
    this.#position = this.#printed
    this.#live = false
    this.#paged = false
    this.#turn++
    this.#gaps.clear()
  }

  close(): void {
    for (const channel of [...this.#subscriptions.keys()]) this.remove(channel)
    this.feed.lanes.delete(this)
    this.#turn++
  }

  /** Goes on with whatever is to be done: catching up, channels that join. */
  wake(): void {
    if (!this.#running) this.#run().catch((error: unknown) => this.#owner.failed(error))
  }

  async #run(): Promise<void> {
    this.#running = true
    const owner = this.#owner
    while (!owner.ended && owner.writable && this.feed.up && !this.caughtUp) {
      const generation = this.feed.generation
      const turn = this.#turn
      const isVoid = () => generation !== this.feed.generation || turn !== this.#turn || owner.ended
      if (this.#takeStates() || this.#fromRing()) continue
      const joining = [...this.#subscriptions.values()].filter(
        (subscription) => subscription.joining && subscription.computing === null,
      )
      const reading = this.#live
        ? []
        : [...this.#subscriptions.values()].filter((subscription) => !subscription.joining)
      // Only states are waited for; the last of them wakes the lane.
      if (joining.length === 0 && reading.length === 0) break
      let read: SharedRead
      try {
        // The link must carry a channel before its log is read: what comes between is in the ring then.
        for (const { channel } of [...joining, ...reading]) if (!channel.confirmed) await this.feed.confirm(channel)
        if (isVoid()) continue
        read = await this.feed.reader.read([
          ...joining.map(
            ({ channel, last }): Want => ({
              channel: channel.name,
              life: lifeOfLast(channel.rules.history),
              position: null,
              last,
            }),
          ),
          ...reading.map(
            ({ channel }): Want => ({
              channel: channel.name,
              life: lifeOfLast(channel.rules.history),
              position: this.#position,
              last: 0,
            }),
          ),
        ])
      } catch {
        // The broker could not answer.
        if (!isVoid()) await new Promise<void>((resolve) => owner.clock.setTimeout(resolve, RETRY))
        continue
      }
      // A read that spans a link loss says nothing about the link that is there now.
      if (isVoid() || !this.feed.agree(read.lineage.epoch)) continue
      const held = reading.filter((subscription) => this.#holds(subscription))
      if (!this.#live && held.length > 0) this.#page(held, read)
      for (const subscription of joining) if (this.#holds(subscription)) this.#join(subscription, read)
      owner.pageDone()
    }
    // In the turn in which the loop ended: whoever wakes the lane next must find it asleep.
    this.#running = false
    if (this.caughtUp && !owner.ended) owner.caughtUp()
  }

  #holds(subscription: Subscription): boolean {
    return this.#subscriptions.get(subscription.channel.name) === subscription
  }

  /** Goes on without the broker where the rings reach; false: the log must be read. */
  #fromRing(): boolean {
    const { feed } = this
    if (feed.epoch === null) return false
    if (!this.#live) {
      if (this.#subscriptions.size > this.#joining) {
        // A position beyond the link's may come from a faster node, or be forged: the log knows.
        if (
          this.#position?.epoch !== feed.epoch ||
          feed.position === null ||
          compareIds(this.#position.id, feed.position) > 0
        )
          return false
        return this.#goLive()
      }
    }
    let moved = false
    for (const subscription of this.#subscriptions.values()) {
      const { ring } = subscription.channel
      if (
        !subscription.joining ||
        subscription.computing !== null ||
        !subscription.fresh ||
        ring.newest === null ||
        ring.length < subscription.last
      )
        continue
      moved = true
      const entries = ring.tail(subscription.last)
      if (subscription.state !== null) this.#compute(subscription, feed.epoch, ring.newest, entries)
      else this.#establish(subscription, feed.epoch, this.#startAt(feed.epoch, ring.newest), entries, null)
    }
    if (moved) this.#owner.pageDone()
    return moved
  }

  /** Prints one page of the log and goes live if it was the last. */
  #page(reading: readonly Subscription[], read: SharedRead): void {
    const position = this.#position as Position
    const channels = reading.map(({ channel: { name }, start }) => {
      const gap = this.#gaps.get(name)
      return { channel: name, start, told: gap?.epoch === read.lineage.epoch ? gap.id : null }
    })
    this.#paged = true
    const page = planPage(position, channels, read, this.#owner.pageBytes)
    for (const item of page.items) this.#print(item, read.lineage.epoch)
    this.#position = page.position
    if (!page.complete) return
    for (const { channel } of reading) {
      const { entries, last } = read.after(channel.name, position.id)
      const newer = entries.filter((entry) => compareIds(entry.id, position.id) > 0)
      const whole = page.position.epoch === position.epoch && compareIds(newer[0]?.prev ?? last, position.id) <= 0
      if (whole) channel.ring.seed(position.id, newer, read.head)
      else channel.ring.seed(read.head, [], read.head)
    }
    this.#goLive()
  }

  #print(item: PageItem, epoch: Id): void {
    if (item.kind === 'entry') {
      const subscription = this.#subscriptions.get(item.channel) as Subscription
      this.#owner.pagePublication(messageItem(item.channel, item.entry), subscription.latest)
    } else {
      if (item.until !== undefined) this.#gaps.set(item.channel, { epoch, id: item.until })
      this.#owner.gap(item.channel, item.reason, item.epoch, item.past)
    }
  }

  /** Prints what the rings hold beyond the position and follows the link from there; false: some ring does not reach. All in one turn. */
  #goLive(): boolean {
    const established = [...this.#subscriptions.values()].filter((subscription) => !subscription.joining)
    const position = this.#position as Position
    const from = ({ start }: Subscription) =>
      start?.epoch === position.epoch ? laterId(position.id, start.id) : position.id
    if (!established.every((subscription) => subscription.channel.ring.covers(from(subscription)))) return false
    const late = established.flatMap((subscription) =>
      subscription.channel.ring.after(from(subscription)).map((entry) => ({ subscription, entry })),
    )
    // A read brought a ring further than the link is: printed now, it would stand before what the link still holds for other channels.
    const reached = this.feed.position
    if (late.some(({ entry }) => reached === null || compareIds(entry.id, reached) > 0)) return false
    late.sort((a, b) => compareIds(a.entry.id, b.entry.id))
    for (const { subscription, entry } of late)
      this.#owner.pagePublication(messageItem(subscription.channel.name, entry), subscription.latest)
    for (const subscription of established) subscription.floor = from(subscription)
    this.#live = true
    this.#gaps.clear()
    this.#owner.resumed(this.#paged ? 'log' : 'ring')
    this.#paged = false
    return true
  }

  /** A new channel starts at its own head or at the stream's position, whichever is later: the cursor already speaks for all up to there. */
  #startAt(epoch: Id, head: Id): Id {
    const present = this.#present()
    const start = this.feed.position === null ? head : laterId(head, this.feed.position)
    return present?.epoch === epoch ? laterId(start, present.id) : start
  }

  #join(subscription: Subscription, read: SharedRead): void {
    const { ring, name } = subscription.channel
    const { entries } = read.tail(name)
    ring.seed(read.head, [], read.head)
    const start = this.#startAt(read.lineage.epoch, read.head)
    // Between the read and the stream's position the ring must know everything, for the history and for the chain; else once more.
    if (!ring.covers(read.head)) return
    if (subscription.state !== null) {
      this.#compute(subscription, read.lineage.epoch, read.head, entries)
      return
    }
    if (!subscription.fresh) {
      // It should have continued from a cursor that is none of ours, or has no place in this partition.
      this.#owner.gap(name, 'cursor', start)
      this.#settle(subscription, read.lineage.epoch, start)
      return
    }
    const between = ring.after(read.head).filter((entry) => compareIds(entry.id, start) <= 0)
    this.#establish(subscription, read.lineage.epoch, start, [...entries, ...between], null)
  }

  /** The place is found: now, and not before, the state may be computed. */
  #compute(subscription: Subscription, epoch: Id, at: Id, entries: readonly Entry[]): void {
    const computing: Computing = { generation: this.feed.generation, epoch, at, entries, state: null }
    subscription.computing = computing
    const wanted = () => subscription.computing === computing && this.#holds(subscription) && !this.#owner.ended
    subscription.state?.().then(
      (state) => {
        computing.state = state
        if (wanted()) this.wake()
      },
      (error: unknown) => {
        if (wanted()) this.#owner.stateFailed(subscription.channel.name, error)
      },
    )
  }

  /** Establishes the channels whose states are there; false: there are none. */
  #takeStates(): boolean {
    let moved = false
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.computing !== null) moved = this.#computed(subscription, subscription.computing) || moved
    }
    if (moved) this.#owner.pageDone()
    return moved
  }

  /** Establishes a channel whose state is there, with what came since its place; returns whether anything was done. */
  #computed(subscription: Subscription, computing: Computing): boolean {
    const { generation, epoch, at, entries, state } = computing
    const { ring } = subscription.channel
    if (generation !== this.feed.generation || epoch !== this.feed.epoch || !ring.covers(at)) {
      // What came meanwhile is not known any more: from the start.
      subscription.computing = null
      return true
    }
    if (state === null) return false
    const start = this.#startAt(epoch, at)
    const updates = ring.after(at).filter((entry) => compareIds(entry.id, start) <= 0)
    this.#establish(subscription, epoch, start, entries, { state, updates })
    return true
  }

  #establish(
    subscription: Subscription,
    epoch: Id,
    start: Id,
    entries: readonly Entry[],
    answer: StateAnswer | null,
  ): void {
    this.#settle(subscription, epoch, start)
    const { channel, last } = subscription
    const history = last > 0 ? newest(entries, last, channel.rules.history, this.#owner.clock.now()) : null
    this.#owner.subscribed({ channel: channel.name, id: start, epoch }, history, answer)
  }

  #settle(subscription: Subscription, epoch: Id, start: Id): void {
    subscription.joining = false
    subscription.computing = null
    this.#joining--
    subscription.start = { epoch, id: start }
    subscription.floor = start
    if (this.#position === null) {
      this.#position = { epoch, id: start }
      this.#printed = this.#position
      this.#live = true
    }
  }
}
