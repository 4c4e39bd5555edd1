/** Random schedules of everything that can happen to streams, against the real stream core and the real client bookkeeping. */
import { type Delivery, type StreamState, Subscriptions } from '@rt/client/internal'
import { compareIds, type ServerEvent } from '@rt/protocol'
import { type Broker, type ChannelRules, Counters, createHub, type Hub, Log, type Stream } from '@rt/server/internal'
import type { Stored, World } from './world'

/** One move: an operation (by weight) and two numbers that it may use. */
export type Move = readonly [operation: number, a: number, b: number]

export interface Settings {
  readonly clients: number
  /** Channels keep so little that a reader who is away may miss something; with the world's losses off and this off, no gap may be seen. */
  readonly losses: boolean
}

export interface Report {
  readonly published: number
  readonly delivered: number
  readonly gaps: number
}

/** Milliseconds of history of a channel that forgets. */
export const TTL = 10_000

/** `d` is a channel whose newest value matters, `l` is not logged. */
export const CHANNELS = ['a', 'b', 'c', 'd', 'l'] as const
type Channel = (typeof CHANNELS)[number]

function rulesOf(channel: string, losses: boolean): ChannelRules {
  return {
    delivery: channel === 'd' ? 'latest' : channel === 'l' ? 'live' : 'all',
    history: losses ? { size: 4, ttl: TTL } : { size: 10_000, ttl: 1000 * TTL },
  }
}

/** A breach of what is promised. */
export class Breach extends Error {}

type Told =
  | { readonly kind: 'start'; readonly id: string; readonly epoch: string }
  | { readonly kind: 'message'; readonly id: string; readonly messageId: string; readonly history: boolean }
  | { readonly kind: 'gap' }

/** One time that a client wanted one channel. */
interface Session {
  readonly channel: Channel
  readonly told: Told[]
  readonly live: Set<string>
}

class SimStream {
  readonly queue: ServerEvent[] = []
  /** The newest id printed of each partition. */
  readonly printed = new Map<number, string>()
  /** The life of each partition's log that it prints. */
  readonly lives = new Map<number, string>()
  full = false
  dead = false
  server: Stream | null = null
  constructor(
    readonly state: StreamState,
    readonly websocket: boolean,
  ) {}
}

class SimClient {
  readonly subscriptions = new Subscriptions()
  readonly sessions = new Map<Channel, Session>()
  readonly past: Session[] = []
  streams: SimStream[] = []
}

interface Attempt {
  readonly messageId: string
  readonly channel: Channel
  state: 'open' | 'stored' | 'failed' | 'unknown'
  tries: number
  readonly ids: string[]
}

export class Schedule {
  /** What happened, in words; only when asked for. */
  readonly trace: string[] = []
  readonly #tracing: boolean
  readonly #settings: Settings
  readonly #world: World
  readonly #hubs: readonly Hub[]
  readonly #clients: readonly SimClient[]
  readonly #attempts: Attempt[] = []
  #messages = 0
  #gaps = 0
  #delivered = 0

  constructor(world: World, settings: Settings, tracing = false) {
    this.#world = world
    this.#settings = settings
    this.#tracing = tracing
    this.#hubs = world.brokers.map((broker, index) =>
      createHub({
        broker,
        clock: world.clock,
        counters: new Counters(),
        log: new Log(null, world.clock),
        node: `node-${index}`,
        heartbeat: 20_000,
        life: 10 ** 9,
        outboxBytes: 400,
        waitingBytes: 2 ** 28,
        pageBytes: 100,
        ringBytes: 600,
        ringSize: 3,
        linger: 30_000,
        presence: { ttl: 60_000, grace: 10_000 },
        report: (error) => {
          this.#late ??= error instanceof Error ? error : new Breach(String(error))
        },
        defer: (run) => world.defer(run),
      }),
    )
    this.#clients = Array.from({ length: settings.clients }, () => new SimClient())
  }

  async run(moves: readonly Move[]): Promise<Report> {
    const world = this.#world
    for (const [index, client] of this.#clients.entries()) {
      for (const channel of CHANNELS.slice(index)) this.#add(client, channel, 0)
      this.#open(client, index)
    }
    await world.ready()
    for (const [operation, a, b] of moves) {
      await this.#move(operation, a, b)
      await world.turn()
    }
    await this.#rest(() => this.#everythingEstablished())
    const markers = CHANNELS.filter((channel) => channel !== 'l').map((channel) => this.#publish(0, channel) as Attempt)
    await this.#rest(() => {
      for (const marker of markers) if (marker.state === 'unknown' || marker.state === 'failed') this.#send(0, marker)
      return this.#everybodyGot(markers)
    })
    const stored = await world.stored()
    for (const client of this.#clients) {
      for (const session of client.past) this.#check(stored, session, null)
      for (const session of client.sessions.values()) this.#check(stored, session, markers)
    }
    if (this.#late !== null) throw this.#late
    this.#checkPublishes(stored)
    if (!this.#settings.losses && this.#gaps > 0) throw new Breach(`${this.#gaps} gaps though nothing was lost`)
    for (const hub of this.#hubs) hub.close()
    return { published: stored.length, delivered: this.#delivered, gaps: this.#gaps }
  }

  #say(words: () => string): void {
    if (this.#tracing) this.trace.push(words())
  }

  // ── Moves ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #move(operation: number, a: number, b: number): Promise<void> {
    const client = this.#clients[a % this.#clients.length] as SimClient
    const channel = CHANNELS[b % CHANNELS.length] as Channel
    const stream = client.streams[b % Math.max(1, client.streams.length)]
    const table: readonly (readonly [weight: number, run: () => unknown])[] = [
      [12, () => this.#publish(a, channel)],
      [14, () => client.streams[0] !== undefined && this.#consume(client, client.streams[0], 1 + (b % 5))],
      [6, () => this.#open(client, b)],
      [3, () => stream !== undefined && this.#cut(client, stream)],
      [4, () => this.#adopt(client)],
      [4, () => this.#add(client, channel, a % 3)],
      [1, () => this.#remove(client, channel)],
      [2, () => this.#retry(a)],
      ...this.#world.moves(a, b),
    ]
    let rest = operation % table.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, run] of table) {
      rest -= weight
      if (rest >= 0) continue
      this.#say(() => `${String(run).replace(/\s+/g, ' ')} [a=${a} b=${b} ${channel}]`)
      await run()
      return
    }
  }

  #publish(node: number, channel: Channel): Attempt | null {
    if (channel === 'l') {
      this.#hubs[node % this.#hubs.length]?.publishLive('l', `"data":${++this.#messages}`)
      return null
    }
    const attempt: Attempt = { messageId: `m${++this.#messages}`, channel, state: 'open', tries: 0, ids: [] }
    this.#attempts.push(attempt)
    this.#send(node, attempt)
    return attempt
  }

  #send(node: number, attempt: Attempt): void {
    const { channel, messageId } = attempt
    const { history } = rulesOf(channel, this.#settings.losses)
    const broker = this.#world.brokers[node % this.#world.brokers.length]
    attempt.tries++
    attempt.state = 'open'
    broker
      ?.publish({ channel, messageId, body: `"messageId":"${messageId}","data":0`, history, dedupe: 1000 * TTL })
      .then(
        ({ id, duplicate }) => {
          attempt.state = 'stored'
          attempt.ids.push(id)
          this.#world.saw({ channel, messageId, id })
          this.#say(() => `  answered ${messageId} ${id}${duplicate ? ', a duplicate' : ''}`)
        },
        (error: { outcome?: 'failed' | 'unknown' }) => {
          attempt.state = error.outcome ?? 'unknown'
        },
      )
  }

  #retry(a: number): void {
    const open = this.#attempts.filter(({ state }) => state === 'unknown')
    const attempt = open[a % Math.max(1, open.length)]
    if (attempt !== undefined) this.#send(a, attempt)
  }

  #open(client: SimClient, b: number): void {
    if (client.streams.length > 1 || client.sessions.size === 0) return
    const node = b % this.#hubs.length
    const { channels, cursor } = client.subscriptions.request()
    const stream = new SimStream(client.subscriptions.open(), b % 2 === 0)
    client.streams.push(stream)
    this.#say(() => `  ${this.#name(client, stream)} opens on node ${node}: ${JSON.stringify({ channels, cursor })}`)
    const capacity = 4 + (b % 7)
    stream.server = (this.#hubs[node] as Hub).open(
      {
        cursor: cursor ?? null,
        first: [],
        subscriptions: channels.map(({ channel, new: fresh, last }) => ({
          channel,
          rules: rulesOf(channel, this.#settings.losses),
          fresh: fresh === true || cursor === undefined,
          last: last ?? 0,
        })),
      },
      {
        write: (items, position) => {
          if (stream.dead) throw new Breach('a dead wire was written to')
          if (stream.full) throw new Breach('a full wire was written to')
          this.#say(() => `  ${this.#name(client, stream)} <- ${items.map(({ json }) => json).join(' ')} ${position}`)
          for (const { json } of items) {
            const event = JSON.parse(json) as ServerEvent
            this.#inClockOrder(stream, event)
            stream.queue.push(event)
          }
          if (position !== null) stream.queue.push({ type: 'cursor', cursor: position })
          stream.full = stream.queue.length > capacity
          return !stream.full
        },
        close: () => this.#cut(client, stream),
      },
    )
  }

  /** One stream is printed in clock order, over all channels of a partition; only a new life of the log may start anew. */
  #inClockOrder(stream: SimStream, event: ServerEvent): void {
    if (event.type !== 'message' && event.type !== 'gap' && event.type !== 'subscribed') return
    const partition = (this.#world.brokers[0] as Broker).partition(event.channel)
    if (event.type !== 'message') {
      if (event.epoch !== undefined && event.epoch !== stream.lives.get(partition)) {
        stream.lives.set(partition, event.epoch)
        stream.printed.delete(partition)
      }
      return
    }
    const before = stream.printed.get(partition)
    if (before !== undefined && compareIds(event.id, before) <= 0)
      this.#late ??= new Breach(`${event.messageId} was printed after something newer`)
    stream.printed.set(partition, event.id)
  }

  #late: Error | null = null

  #name(client: SimClient, stream: SimStream): string {
    return `client ${this.#clients.indexOf(client)} stream ${stream.state.order}`
  }

  #consume(client: SimClient, stream: SimStream, count: number): void {
    for (let i = 0; i < count; i++) {
      const event = stream.queue.shift()
      if (event === undefined) break
      for (const delivery of client.subscriptions.accept(stream.state, event)) this.#deliver(client, delivery, event)
    }
    if (stream.full && stream.queue.length < 3) {
      stream.full = false
      stream.server?.drained()
    }
  }

  #deliver(client: SimClient, delivery: Delivery, event: ServerEvent): void {
    this.#say(() => `    client ${this.#clients.indexOf(client)} told ${JSON.stringify(delivery)}`)
    const session = client.sessions.get(delivery.channel as Channel)
    if (session === undefined) throw new Breach(`${delivery.kind} for ${delivery.channel}, which is not wanted`)
    switch (delivery.kind) {
      case 'subscribed':
        if (event.type === 'subscribed' && event.id !== undefined)
          session.told.push({ kind: 'start', id: event.id, epoch: event.epoch as string })
        break
      case 'message': {
        this.#delivered++
        const { id, messageId } = delivery.message
        session.told.push({ kind: 'message', id, messageId, history: event.type === 'subscribed' })
        this.#world.saw({ channel: session.channel, messageId, id })
        break
      }
      case 'gap':
        this.#gaps++
        session.told.push({ kind: 'gap' })
        break
      case 'live': {
        const key = `${delivery.message.source} ${delivery.message.seq}`
        if (session.live.has(key)) throw new Breach(`live ${key} was delivered twice`)
        session.live.add(key)
        break
      }
      case 'refused':
        throw new Breach('nothing is refused here')
    }
  }

  #cut(client: SimClient, stream: SimStream): void {
    if (stream.dead) return
    this.#say(() => `  ${this.#name(client, stream)} ends`)
    stream.dead = true
    stream.queue.length = 0
    client.streams = client.streams.filter((other) => other !== stream)
    stream.server?.closed()
    client.subscriptions.closed(
      stream.state,
      client.streams.map(({ state }) => state),
    )
    // The one that was being opened is heard now, if it may be.
    const [next] = client.streams
    if (next !== undefined && !client.subscriptions.covers(next.state)) this.#cut(client, next)
  }

  /** The newest stream takes over when it may: what it said until now is heard from its beginning, and the others no more. */
  #adopt(client: SimClient): void {
    const newest = client.streams.at(-1)
    if (newest === undefined || client.streams.length < 2 || newest.queue.length === 0) return
    if (!client.subscriptions.covers(newest.state)) {
      this.#cut(client, newest)
      return
    }
    for (const stream of client.streams.slice(0, -1)) this.#cut(client, stream)
  }

  #add(client: SimClient, channel: Channel, last: number): void {
    if (client.sessions.has(channel)) return
    client.sessions.set(channel, { channel, told: [], live: new Set() })
    client.subscriptions.add(channel, last)
    const stream = client.streams.at(-1)
    if (stream === undefined) return
    if (!stream.websocket) {
      this.#open(client, last)
      return
    }
    client.subscriptions.join(stream.state, channel)
    stream.server?.subscribe({ channel, rules: rulesOf(channel, this.#settings.losses), fresh: true, last })
  }

  #remove(client: SimClient, channel: Channel): void {
    const session = client.sessions.get(channel)
    if (session === undefined) return
    client.past.push(session)
    client.sessions.delete(channel)
    client.subscriptions.remove(channel)
    for (const stream of client.streams) {
      if (!stream.state.requested.has(channel)) continue
      client.subscriptions.leave(stream.state, channel)
      stream.server?.unsubscribe(channel)
    }
  }

  // ── The end: the network is well, everything must come to rest ─────────────────────────────────────────────────

  async #rest(done: () => boolean): Promise<void> {
    for (let round = 0; this.#world.patient(round); round++) {
      let moved = await this.#world.mend()
      for (const client of this.#clients) {
        const [stream] = client.streams
        if (stream !== undefined) {
          if (stream.queue.length > 0) moved = true
          this.#consume(client, stream, Number.POSITIVE_INFINITY)
        }
        if (!this.#whole(client)) {
          moved = true
          if (client.streams.length > 1) this.#adopt(client)
          else this.#open(client, round)
        }
      }
      if (!moved && done()) return
    }
    this.#say(() =>
      JSON.stringify(
        this.#clients.map((client) => ({
          wants: [...client.sessions.keys()],
          streams: client.streams.map(({ state, queue, full }) => ({
            ...{ order: state.order, hello: state.hello, cursor: state.cursor, missed: state.missed },
            ...{ covered: [...state.covered], requested: [...state.requested], queue: queue.length, full },
          })),
        })),
      ),
    )
    throw new Breach('the schedule does not come to rest')
  }

  /** One stream carries and accounts for all that the client wants. */
  #whole(client: SimClient): boolean {
    if (client.sessions.size === 0) return true
    const [stream] = client.streams
    if (stream === undefined || client.streams.length > 1 || !client.subscriptions.covers(stream.state)) return false
    return [...client.sessions.keys()].every((channel) => stream.state.requested.has(channel))
  }

  #everythingEstablished(): boolean {
    const sessions = this.#clients.flatMap((client) => [...client.sessions.values()])
    return sessions.every(({ channel, told }) => channel === 'l' || told.some(({ kind }) => kind === 'start'))
  }

  #everybodyGot(markers: readonly Attempt[]): boolean {
    return this.#clients.every((client) =>
      markers.every(({ channel, messageId }) => {
        const session = client.sessions.get(channel)
        return (
          session === undefined || session.told.some((told) => told.kind === 'message' && told.messageId === messageId)
        )
      }),
    )
  }

  // ── Checks ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `markers`: the session is still open and must have got the last publications; null: it ended. */
  #check(everything: readonly Stored[], { channel, told }: Session, markers: readonly Attempt[] | null): void {
    if (channel === 'l') return
    const start = told.find((entry) => entry.kind === 'start')
    if (start === undefined) {
      if (markers !== null) throw new Breach(`${channel} was never established`)
      return
    }
    const all = everything
      .map((stored, index) => ({ stored, index }))
      .filter(({ stored }) => stored.channel === channel)
    const got = new Map<string, number>()
    const order: {
      readonly index: number
      readonly gap: boolean
      readonly history: boolean
      readonly messageId: string
    }[] = []
    let gap = false
    for (const entry of told) {
      if (entry.kind === 'gap') gap = true
      if (entry.kind !== 'message') continue
      const place = all.find(({ stored }) => stored.id === entry.id && stored.messageId === entry.messageId)
      if (place === undefined) throw new Breach(`${channel}: ${entry.messageId} was never stored as ${entry.id}`)
      const before = got.get(entry.messageId)
      if (before !== undefined && !this.#world.forgot('expiry', before, place.index))
        throw new Breach(`${channel}: ${entry.messageId} was delivered twice`)
      got.set(entry.messageId, place.index)
      order.push({ index: place.index, gap, history: entry.history, messageId: entry.messageId })
      gap = false
    }
    const missing = (from: number, to: number) =>
      all
        .filter(
          ({ stored, index }) =>
            index > from && index < to && this.#world.isAfter(stored, start) && !got.has(stored.messageId),
        )
        .map(({ stored }) => stored.messageId)
    let reached = -1
    for (const { index, gap: excused, history, messageId } of order) {
      if (index <= reached) throw new Breach(`${channel}: ${messageId} came after something newer`)
      const lost = history || excused || channel === 'd' ? [] : missing(reached, index)
      if (lost.length > 0) throw new Breach(`${channel}: ${lost.join()} skipped before ${messageId} without a gap`)
      reached = index
    }
    if (markers === null) return
    const lost = gap || channel === 'd' ? [] : missing(reached, everything.length)
    if (lost.length > 0) throw new Breach(`${channel}: ${lost.join()} never came, and no gap`)
    const marker = markers.find((attempt) => attempt.channel === channel) as Attempt
    if (!got.has(marker.messageId)) throw new Breach(`${channel}: the last publication on a healthy network never came`)
  }

  #checkPublishes(everything: readonly Stored[]): void {
    const first = new Map<string, number>()
    for (const [index, { messageId }] of everything.entries()) {
      const before = first.get(messageId)
      if (
        before !== undefined &&
        !this.#world.forgot('rollback', before, index) &&
        !this.#world.forgot('expiry', before, index)
      ) {
        throw new Breach(`${messageId} was stored twice`)
      }
      first.set(messageId, index)
    }
    for (const { messageId, state, tries, ids } of this.#attempts) {
      for (const id of ids) {
        if (!everything.some((stored) => stored.messageId === messageId && stored.id === id))
          throw new Breach(`${messageId} was answered with ${id}, which is not its id`)
      }
      if (state === 'failed' && tries === 1 && first.has(messageId))
        throw new Breach(`${messageId} "failed" but is stored`)
    }
  }
}
