/** One partition as this node hears it: the link's life, its position, and the channels that it carries; owned by the hub. */
import { type Clock, compareIds, type Id, type Position, printPosition, type Timer } from '@rt/protocol'
import type { Broker, Entry, Publication } from '../ports/broker'
import type { ChannelRules } from '../ports/hub'
import { messageItem } from './events'
import type { Lane, Subscription } from './lane'
import type { LiveSubscriber } from './live'
import { Reader } from './reader'
import { Ring, type RingBudget } from './ring'

/** Pause before a subscribe that the broker refused is tried again, in milliseconds. */
const RETRY = 500
/** Channels without subscribers that may linger; beyond it the oldest go at once. */
const LINGERING = 10_000

export interface FeedOptions {
  readonly broker: Broker
  readonly partition: number
  readonly clock: Clock
  readonly budget: RingBudget
  /** Publications kept per channel for resumes. */
  readonly ringSize: number
  /** Milliseconds for which a channel without subscribers stays subscribed. */
  readonly linger: number
  /** The partition became reachable, or is not any more. */
  readonly onStatus: () => void
}

/** A channel that this node hears. */
export interface HeardChannel {
  readonly name: string
  readonly rules: ChannelRules
  readonly subscriptions: Set<Subscription>
  readonly live: Set<LiveSubscriber>
  readonly ring: Ring
  /** The newest subscribe call for it, answered or not; null: none on this link. */
  attempt: Promise<void> | null
  /** The link carries it. */
  confirmed: boolean
  /** How many came. */
  publications: number
  linger: Timer | null
}

export class Feed {
  readonly partition: number
  readonly reader: Reader
  readonly lanes = new Set<Lane>()
  readonly #options: FeedOptions
  readonly #channels = new Map<string, HeardChannel>()
  readonly #lingering = new Set<HeardChannel>()
  up = false
  /** Grows whenever what was heard, confirmed or read so far does not fit together with what comes. */
  generation = 0
  /** The life of the log that the link speaks of; null: not known on this link yet. */
  epoch: Id | null = null
  /** The newest id that came through this link, in the link's order; null: none yet. Reads do not move it. */
  position: Id | null = null
  #place: Position | null = null
  #printed: Position | null = null
  #text = ''

  constructor(options: FeedOptions) {
    this.#options = options
    this.partition = options.partition
    this.reader = new Reader(options.broker, options.partition)
  }

  /** The channel, heard from now on; `release` it when nobody needs it. */
  hear(name: string, rules: ChannelRules): HeardChannel {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      channel = {
        name,
        rules,
        subscriptions: new Set(),
        live: new Set(),
        ring: new Ring(this.#options.budget, this.#options.ringSize),
        attempt: null,
        confirmed: false,
        publications: 0,
        linger: null,
      }
      this.#channels.set(name, channel)
      if (this.up) this.#subscribe([channel])
    }
    if (channel.linger !== null) {
      this.#options.clock.clearTimeout(channel.linger)
      channel.linger = null
      this.#lingering.delete(channel)
    }
    return channel
  }

  /** Nobody may need it any more: it lingers, so that polls do not subscribe and unsubscribe all the time. */
  release(channel: HeardChannel): void {
    if (channel.subscriptions.size > 0 || channel.live.size > 0 || channel.linger !== null) return
    channel.linger = this.#options.clock.setTimeout(() => this.#forget(channel), this.#options.linger)
    this.#lingering.add(channel)
    if (this.#lingering.size > LINGERING) this.#forget(this.#lingering.values().next().value as HeardChannel)
  }

  #forget(channel: HeardChannel): void {
    this.#options.clock.clearTimeout(channel.linger)
    this.#lingering.delete(channel)
    this.#channels.delete(channel.name)
    channel.ring.reset()
    this.#options.broker.unsubscribe(this.partition, [channel.name])
  }

  /** How many channels somebody hears. */
  get used(): number {
    return this.#channels.size - this.#lingering.size
  }

  channels(): Iterable<HeardChannel> {
    return this.#channels.values()
  }

  channel(name: string): HeardChannel | undefined {
    return this.#channels.get(name)
  }

  /** The link's position as one object for all lanes that stand there; null: none yet. */
  get place(): Position | null {
    if (this.position === null || this.epoch === null) return null
    if (this.#place?.id !== this.position || this.#place.epoch !== this.epoch)
      this.#place = { epoch: this.epoch, id: this.position }
    return this.#place
  }

  /** Its part of a cursor. Most lanes stand where the link does, so the last one is kept. */
  print(position: Position): string {
    if (position !== this.#printed) {
      this.#text = printPosition(this.partition, position)
      this.#printed = position
    }
    return this.#text
  }

  /** Resolves when the link carries the channel; rejects when the link was lost before. */
  confirm(channel: HeardChannel): Promise<void> {
    if (channel.attempt === null) {
      if (!this.up) return Promise.reject(new Error('The link is down.'))
      this.#subscribe([channel])
    }
    return channel.attempt as Promise<void>
  }

  /** A publication came through the link. */
  publication(publication: Publication): void {
    if (!this.up) return
    const { id, prev, epoch, body } = publication
    if (this.epoch === null) this.epoch = epoch
    // Another life of the log, or a promise of the broker is broken: start over from the log, where every loss shows.
    if (epoch !== this.epoch || (this.position !== null && compareIds(id, this.position) <= 0)) {
      this.restart()
      return
    }
    const channel = this.#channels.get(publication.channel)
    // Before its confirmation a channel may hear the rest of an earlier subscription, and a hole behind it.
    if (channel === undefined || !channel.confirmed) {
      this.position = id
      return
    }
    const entry: Entry = { id, prev, body }
    if (!channel.ring.push(entry)) {
      this.restart()
      return
    }
    this.position = id
    channel.publications++
    if (channel.subscriptions.size === 0) return
    const item = messageItem(channel.name, entry)
    for (const subscription of channel.subscriptions) subscription.lane.deliver(subscription, id, item)
  }

  /** The link to the partition is there. */
  linkUp(): void {
    if (this.up) return
    this.up = true
    const channels = [...this.#channels.values()]
    if (channels.length > 0) this.#subscribe(channels)
    this.#options.onStatus()
    for (const lane of this.lanes) lane.wake()
  }

  /** The link is gone: everything stands still where the link's order brought it. */
  linkDown(): void {
    if (!this.up) return
    this.up = false
    this.generation++
    for (const lane of this.lanes) lane.interrupt()
    for (const channel of this.#channels.values()) {
      channel.ring.reset()
      channel.attempt = null
      channel.confirmed = false
    }
    this.position = null
    this.epoch = null
    this.#options.onStatus()
  }

  /** What the link said does not fit: the same as a lost link, on a link that is there. */
  restart(): void {
    this.linkDown()
    this.linkUp()
  }

  /** The log's life as a read told it. Returns false when the link speaks of another one. */
  agree(epoch: Id): boolean {
    this.epoch ??= epoch
    if (this.epoch === epoch) return true
    this.restart()
    return false
  }

  close(): void {
    for (const { linger } of this.#channels.values()) if (linger !== null) this.#options.clock.clearTimeout(linger)
    this.#channels.clear()
  }

  #subscribe(channels: readonly HeardChannel[]): void {
    const { broker, clock } = this.#options
    const generation = this.generation
    const attempt = broker.subscribe(
      this.partition,
      channels.map(({ name }) => name),
    )
    for (const channel of channels) channel.attempt = attempt
    attempt.then(
      () => {
        // A confirmation answers the subscribe that it belongs to, on the link where that was sent, and no other.
        for (const channel of channels)
          if (channel.attempt === attempt && generation === this.generation) channel.confirmed = true
      },
      () => {
        for (const channel of channels) if (channel.attempt === attempt) channel.attempt = null
        if (generation !== this.generation) return
        clock.setTimeout(() => {
          if (generation !== this.generation) return
          const missing = channels.filter(
            (channel) => channel.attempt === null && this.#channels.get(channel.name) === channel,
          )
          if (missing.length > 0) this.#subscribe(missing)
          for (const lane of this.lanes) lane.wake()
        }, RETRY)
      },
    )
  }
}
