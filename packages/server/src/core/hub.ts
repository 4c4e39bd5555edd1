/** A node's stream core: who hears which channel, one flush per turn for all who got something, the heartbeats; made by createRealtime. */
import { type Clock, printCursor, RealtimeError, type Timer, times } from '@rt/protocol'
import { type Broker, lifeOfLast } from '../ports/broker'
import type { OutItem, Wire } from '../ports/connection'
import type { ChannelInfo, ChannelRules, Hub, Stream, StreamRequest } from '../ports/hub'
import type { Counters } from './counters'
import { Drain } from './drain'
import { historyJson, liveItem } from './events'
import { Feed } from './feed'
import { newest } from './history'
import type { Log } from './log'
import { Presence } from './presence/presence'
import type { RingBudget } from './ring'
import { StreamConnection, type StreamHost } from './stream'
import { Wheel } from './wheel'

export interface HubOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  /** Random name of this node. */
  readonly node: string
  /** Milliseconds. */
  readonly heartbeat: number
  /** Milliseconds after which a connection is renewed, ±20 %. */
  readonly life: number
  /** Bytes that may wait for one connection. */
  readonly outboxBytes: number
  /** Bytes that may wait for all connections together. */
  readonly waitingBytes: number
  /** Bytes that one page of a catch-up may hold. */
  readonly pageBytes: number
  /** Bytes that all rings may hold together. */
  readonly ringBytes: number
  /** Publications that a channel's ring may hold. */
  readonly ringSize: number
  /** Milliseconds for which a channel without subscribers stays subscribed. */
  readonly linger: number
  /** Milliseconds; see `presence` in options.ts. */
  readonly presence: { readonly ttl: number; readonly grace: number }
  /** Runs something at the end of this turn of the event loop. */
  readonly defer: (run: () => void) => void
  /** Told of faults that end a stream. */
  readonly report: (error: unknown) => void
}

/** How long a partition may be away before clients are told, in milliseconds. */
const PATIENCE = 1000

/** Rules of `live` channels of rt's own; nothing of them is kept. */
const LIVE: ChannelRules = { delivery: 'live', history: { size: 1, ttl: 1000 } }

export function createHub(options: HubOptions): Hub {
  return new NodeHub(options)
}

class NodeHub implements Hub, StreamHost {
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  readonly node: string
  readonly partitions: number
  readonly heartbeat: number
  readonly quickHeartbeat: number
  readonly life: number
  readonly outboxBytes: number
  readonly waitingBytes: number
  readonly waiting = { bytes: 0 }
  readonly pageBytes: number
  readonly presence: Presence
  readonly #options: HubOptions
  readonly #feeds: readonly Feed[]
  readonly #wheel: Wheel
  /** For clients that a slow beat is not enough for. */
  readonly #quickWheel: Wheel
  /** With the way to take each off its wheel. */
  readonly #streams = new Map<StreamConnection, () => void>()
  #dirty: StreamConnection[] = []
  readonly #degraded = new Set<Feed>()
  readonly #patience = new Map<Feed, Timer>()
  /** Partitions that are not heard, and since when on the monotonic clock. */
  readonly #awaySince = new Map<Feed, number>()
  #cursorParts: readonly string[] = []
  #cursorText = printCursor(1, [])
  #sequence = 0
  #drain: Drain | null = null
  #closed = false

  constructor(options: HubOptions) {
    const { broker, clock, node, heartbeat, life, outboxBytes, waitingBytes, pageBytes, ringBytes, ringSize, linger } =
      options
    this.#options = options
    this.clock = clock
    this.counters = options.counters
    this.log = options.log
    this.node = node
    this.partitions = broker.partitions
    this.heartbeat = heartbeat
    this.quickHeartbeat = Math.min(heartbeat, times.quickHeartbeat)
    this.#wheel = new Wheel(clock, heartbeat)
    this.#quickWheel = new Wheel(clock, this.quickHeartbeat)
    this.life = life
    this.outboxBytes = outboxBytes
    this.waitingBytes = waitingBytes
    this.pageBytes = pageBytes
    const budget: RingBudget = { used: 0, limit: ringBytes, rings: new Set() }
    this.#feeds = Array.from({ length: broker.partitions }, (_, partition) => {
      const feed: Feed = new Feed({
        broker,
        partition,
        clock,
        budget,
        ringSize,
        linger,
        onStatus: () => this.#status(feed),
      })
      this.#awaySince.set(feed, Number.NEGATIVE_INFINITY)
      return feed
    })
    this.presence = new Presence({ broker, clock, node, linger, ...options.presence })
    broker.start({
      publication: (publication) => this.#feeds[publication.partition]?.publication(publication),
      live: (channel, body) => this.#deliverLive(channel, body),
      presence: (notice) => this.presence.notice(notice),
      up: (partition) => {
        this.#feeds[partition]?.linkUp()
        this.presence.linkUp(partition)
      },
      down: (partition) => {
        this.#feeds[partition]?.linkDown()
        this.presence.linkDown(partition)
      },
    })
  }

  // ── For the gateway ────────────────────────────────────────────────────────────────────────────────────────────

  open(request: StreamRequest, wire: Wire): Stream {
    if (this.#closed) throw new RealtimeError('draining', 'This node is closing.', { retryAfter: 0 })
    const stream = new StreamConnection(this, request, wire)
    const wheel = stream.heartbeat < this.heartbeat ? this.#quickWheel : this.#wheel
    this.#streams.set(stream, wheel.add(stream))
    this.#options.defer(() => stream.start())
    return stream
  }

  publishLive(channel: string, members: string): void {
    const body = `"source":"${this.node}","seq":${++this.#sequence},${members}`
    this.#deliverLive(channel, body)
    this.#options.broker.publishLive(channel, body)
  }

  async history(channel: string, rules: ChannelRules, last: number): Promise<string[]> {
    const life = lifeOfLast(rules.history)
    const read = await this.feedOf(channel).reader.read([{ channel, life, position: null, last }])
    return newest(read.tail(channel).entries, last, rules.history, this.clock.now()).map(historyJson)
  }

  get channels(): number {
    return this.#feeds.reduce((sum, feed) => sum + feed.used, 0)
  }

  get away(): number {
    if (this.#awaySince.size === 0) return 0
    return this.clock.monotonic() - Math.min(...this.#awaySince.values())
  }

  *heard(): Iterable<ChannelInfo> {
    for (const feed of this.#feeds) {
      for (const { name, rules, subscriptions, live, publications } of feed.channels()) {
        const subscribers = subscriptions.size + live.size
        if (subscribers > 0) yield { name, delivery: rules.delivery, subscribers, publications }
      }
    }
  }

  listen(channel: string, run: (json: string) => void): () => void {
    const feed = this.feedOf(channel)
    const heard = feed.hear(channel, LIVE)
    const subscriber = { live: ({ json }: OutItem) => run(json) }
    heard.live.add(subscriber)
    return () => {
      heard.live.delete(subscriber)
      feed.release(heard)
    }
  }

  drain(ms: number): Promise<void> {
    this.#drain ??= new Drain({ streams: this.#streams.keys(), ms, clock: this.clock })
    return this.#drain.done
  }

  close(): void {
    this.#closed = true
    this.#wheel.close()
    this.#quickWheel.close()
    for (const timer of this.#patience.values()) this.clock.clearTimeout(timer)
    for (const stream of [...this.#streams.keys()])
      stream.end(new RealtimeError('draining', 'This node is closing.', { retryAfter: 0 }))
    for (const feed of this.#feeds) feed.close()
    this.presence.close()
  }

  // ── For streams ────────────────────────────────────────────────────────────────────────────────────────────────

  feedOf(channel: string): Feed {
    return this.#feeds[this.#options.broker.partition(channel)] as Feed
  }

  dirty(stream: StreamConnection): void {
    if (this.#dirty.push(stream) > 1) return
    this.#options.defer(() => {
      const dirty = this.#dirty
      this.#dirty = []
      for (const each of dirty) each.flushDirty()
    })
  }

  cursor(parts: readonly string[]): string {
    if (!isSame(parts, this.#cursorParts)) {
      this.#cursorParts = parts
      this.#cursorText = printCursor(this.partitions, parts)
    }
    return this.#cursorText
  }

  degraded(feed: Feed): boolean {
    return this.#degraded.has(feed)
  }

  gone(stream: StreamConnection): void {
    this.#streams.get(stream)?.()
    this.#streams.delete(stream)
    this.#drain?.gone(stream)
  }

  report(error: unknown): void {
    this.#options.report(error)
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #deliverLive(channel: string, body: string): void {
    const heard = this.feedOf(channel).channel(channel)
    if (heard === undefined || heard.live.size === 0) return
    heard.publications++
    const item = liveItem(channel, body)
    for (const subscriber of heard.live) subscriber.live(item)
  }

  /** Tells clients about a partition that is away for longer than a blink, and when it is back. */
  #status(feed: Feed): void {
    if (feed.up) this.#awaySince.delete(feed)
    else this.#awaySince.set(feed, this.clock.monotonic())
    const waiting = this.#patience.get(feed)
    if (feed.up) {
      if (waiting !== undefined) this.clock.clearTimeout(waiting)
      this.#patience.delete(feed)
      if (this.#degraded.delete(feed)) {
        if (this.#degraded.size === 0) this.log.back()
        this.#tell(feed, 'ok')
      }
    } else if (waiting === undefined && !this.#degraded.has(feed)) {
      this.#patience.set(
        feed,
        this.clock.setTimeout(() => {
          this.#patience.delete(feed)
          if (this.#degraded.size === 0) this.log.away()
          this.#degraded.add(feed)
          this.#tell(feed, 'degraded')
        }, PATIENCE),
      )
    }
  }

  #tell(feed: Feed, status: 'ok' | 'degraded'): void {
    for (const stream of this.#streams.keys()) if (stream.uses(feed)) stream.status(status)
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((part, i) => part === b[i])
}
