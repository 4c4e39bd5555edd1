/** Random schedules of everything that can happen to streams, against the real stream core and the real client bookkeeping on a simulated store. */
import { type Delivery, type StreamState, Subscriptions } from '@rt/client/testing'
import { compareIds, type ServerEvent } from '@rt/protocol'
import {
  type ChannelRules,
  createHub,
  FakeClock,
  type Hub,
  type SimulatedNode,
  SimulatedStore,
  type Stored,
  type Stream,
} from '@rt/server/testing'

/** One move: an operation (by weight) and two numbers that it may use. */
export type Move = readonly [operation: number, a: number, b: number]

export interface Settings {
  readonly partitions: number
  readonly nodes: number
  readonly clients: number
  /** Faults that lose data: rollbacks, trims beyond small histories, expiry. Without them no gap may be seen. */
  readonly losses: boolean
}

export interface Report {
  readonly published: number
  readonly delivered: number
  readonly gaps: number
}

const TTL = 10_000
const ROOMY = 10_000

/** `d` is the channel of a slow reader's newest value, `l` is not logged. Odd letters live in the second partition when there is one. */
const CHANNELS = ['a', 'b', 'c', 'd', 'l'] as const
type Channel = (typeof CHANNELS)[number]

function rulesOf(channel: string, losses: boolean): ChannelRules {
  return {
    delivery: channel === 'd' ? 'latest' : channel === 'l' ? 'live' : 'all',
    history: { size: losses ? 4 : ROOMY, ttl: losses ? TTL : 1000 * TTL },
  }
}

/** A breach of what is promised; the schedule's moves are in the message of fast-check. */
export class Breach extends Error {}

type Told =
  | { readonly kind: 'start'; readonly id: string; readonly epoch: string }
  | { readonly kind: 'message'; readonly id: string; readonly messageId: string; readonly old: boolean }
  | { readonly kind: 'gap' }

/** One time that a client wanted one channel. */
interface Session {
  readonly channel: Channel
  readonly told: Told[]
  ended: boolean
  readonly seen: Set<string>
}

class SimStream {
  readonly queue: ServerEvent[] = []
  full = false
  dead = false
  server: Stream | null = null
  constructor(
    readonly state: StreamState,
    readonly websocket: boolean,
    readonly node: number,
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
}

export class Schedule {
  readonly #settings: Settings
  readonly #storeClock = new FakeClock()
  readonly #hubClock = new FakeClock()
  readonly #store: SimulatedStore
  readonly #nodes: SimulatedNode[] = []
  readonly #hubs: Hub[] = []
  readonly #deferred: (() => void)[] = []
  readonly #clients: SimClient[] = []
  readonly #stored: Stored[] = []
  readonly #attempts: Attempt[] = []
  /** Number of stored publications at each moment that lost data or remembered ids. */
  readonly #forgets: number[] = []
  #messages = 0
  #gaps = 0
  #delivered = 0

  /** What happened, in words; only when asked for. */
  readonly trace: string[] = []
  readonly #tracing: boolean

  constructor(settings: Settings, tracing = false) {
    this.#settings = settings
    this.#tracing = tracing
    this.#store = new SimulatedStore({
      partitions: settings.partitions,
      clock: this.#storeClock,
      page: 2,
      partition: (channel) =>
        settings.partitions === 1 ? 0 : CHANNELS.indexOf(channel as Channel) % settings.partitions,
    })
    this.#store.onStored = (stored) => {
      this.#stored.push(stored)
      this.#say(() => `  stored ${stored.channel} ${stored.messageId} ${stored.id} in ${stored.epoch}`)
    }
    for (let i = 0; i < settings.nodes; i++) {
      const node = this.#store.node()
      this.#nodes.push(node)
      this.#hubs.push(
        createHub({
          broker: node,
          clock: this.#hubClock,
          node: `node-${i}`,
          heartbeat: 20_000,
          life: 10 ** 9,
          outboxBytes: 400,
          pageBytes: 100,
          ringBytes: 600,
          ringSize: 3,
          linger: 30_000,
          defer: (run) => this.#deferred.push(run),
        }),
      )
    }
    for (let i = 0; i < settings.clients; i++) this.#clients.push(new SimClient())
  }

  async run(moves: readonly Move[]): Promise<Report> {
    for (const [index, client] of this.#clients.entries()) {
      for (const channel of CHANNELS.slice(index)) this.#add(client, channel, 0)
      this.#open(client, index)
    }
    for (const [operation, a, b] of moves) {
      this.#move(operation, a, b)
      await turn()
    }
    await this.#settle()
    await this.#markers()
    for (const client of this.#clients) {
      for (const session of client.past) this.#check(session, false)
      for (const session of client.sessions.values()) this.#check(session, true)
    }
    this.#checkPublishes()
    if (this.#late !== null) throw this.#late
    if (!this.#settings.losses && this.#gaps > 0) throw new Breach(`${this.#gaps} gaps though nothing was lost`)
    for (const hub of this.#hubs) hub.close()
    return { published: this.#stored.length, delivered: this.#delivered, gaps: this.#gaps }
  }

  #say(words: () => string): void {
    if (this.#tracing) this.trace.push(words())
  }

  // ── Moves ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #move(operation: number, a: number, b: number): void {
    const node = this.#nodes[a % this.#nodes.length] as SimulatedNode
    const client = this.#clients[a % this.#clients.length] as SimClient
    const channel = CHANNELS[b % CHANNELS.length] as Channel
    const stream = client.streams[b % Math.max(1, client.streams.length)]
    const times = (way: 'request' | 'arrival' | 'call' | 'answer') => {
      for (let i = 0; i <= b % 3; i++) node.step(way)
    }
    const table: readonly (readonly [weight: number, run: () => void])[] = [
      [12, () => this.#publish(a, channel)],
      [14, () => times('arrival')],
      [8, () => times('request')],
      [10, () => times('call')],
      [10, () => times('answer')],
      [10, () => this.#tick()],
      [14, () => stream !== undefined && this.#consume(client, stream, 1 + (b % 5))],
      [6, () => this.#open(client, b)],
      [3, () => stream !== undefined && this.#cut(client, stream)],
      [4, () => this.#adopt(client)],
      [4, () => this.#add(client, channel, a % 3)],
      [1, () => this.#remove(client, channel)],
      [2, () => node.loseSubscriber()],
      [1, () => node.loseCommands()],
      [5, () => node.connect()],
      [2, () => this.#retry(a)],
      [2, () => this.#storeClock.advance(b % 3)],
      [1, () => this.#storeClock.step(-(b % 5000))],
      [1, () => this.#hubClock.advance(1000 * (b % 40))],
      ...(this.#settings.losses
        ? ([
            [2, () => this.#store.save()],
            [1, () => this.#restart(false)],
            [2, () => this.#restart(true)],
            [1, () => this.#expire(TTL + 1)],
            [1, () => this.#expire(TTL + 25 * 3_600_000 + 1)],
          ] as const)
        : []),
    ]
    let rest = operation % table.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, run] of table) {
      rest -= weight
      if (rest >= 0) continue
      this.#say(
        () =>
          `${String(run)
            .replace(/^\(\) => /, '')
            .replace(/\s+/g, ' ')} [a=${a} b=${b} ${channel}]`,
      )
      return void run()
    }
  }

  #publish(node: number, channel: Channel): void {
    if (channel === 'l') {
      this.#hubs[node % this.#hubs.length]?.publishLive('l', `"data":${++this.#messages}`)
      return
    }
    const attempt: Attempt = { messageId: `m${++this.#messages}`, channel, state: 'open', tries: 0 }
    this.#attempts.push(attempt)
    this.#send(node, attempt)
  }

  #send(node: number, attempt: Attempt): void {
    const { channel, messageId } = attempt
    attempt.tries++
    const { history } = rulesOf(channel, this.#settings.losses)
    const broker = this.#nodes[node % this.#nodes.length] as SimulatedNode
    broker
      .publish({ channel, messageId, body: `"messageId":"${messageId}","data":0`, history, dedupe: 1000 * TTL })
      .then(
        ({ id }) => {
          attempt.state = 'stored'
          if (!this.#stored.some((stored) => stored.messageId === messageId && stored.id === id))
            this.#breach(`${messageId} was answered with ${id}, which is not its id`)
        },
        (error: { outcome?: 'failed' | 'unknown' }) => {
          attempt.state = error.outcome ?? 'unknown'
          if (
            attempt.state === 'failed' &&
            attempt.tries === 1 &&
            this.#stored.some((stored) => stored.messageId === messageId)
          )
            this.#breach(`${messageId} "failed" but is stored`)
        },
      )
  }

  #retry(a: number): void {
    const open = this.#attempts.filter(({ state }) => state === 'unknown')
    const attempt = open[a % Math.max(1, open.length)]
    if (attempt === undefined) return
    attempt.state = 'open'
    this.#send(a, attempt)
  }

  #tick(): void {
    for (const run of this.#deferred.splice(0)) run()
  }

  #open(client: SimClient, b: number): void {
    if (client.streams.length > 1 || client.sessions.size === 0) return
    const node = b % this.#hubs.length
    const { channels, cursor } = client.subscriptions.request()
    const stream = new SimStream(client.subscriptions.open(), b % 2 === 0, node)
    client.streams.push(stream)
    this.#say(
      () =>
        `  client ${this.#clients.indexOf(client)} opens stream ${stream.state.order} on node ${node}: ${JSON.stringify({ channels, cursor })}`,
    )
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
          for (const { json } of items) stream.queue.push(JSON.parse(json) as ServerEvent)
          this.#say(
            () =>
              `  client ${this.#clients.indexOf(client)} stream ${stream.state.order} <- ${items.map(({ json }) => json).join(' ')} ${position}`,
          )
          if (position !== null) stream.queue.push({ type: 'cursor', cursor: position })
          stream.full = stream.queue.length > capacity
          return !stream.full
        },
        close: () => this.#cut(client, stream),
      },
    )
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
        if (session.seen.has(messageId)) throw new Breach(`${delivery.channel}: ${messageId} was delivered twice`)
        session.seen.add(messageId)
        session.told.push({ kind: 'message', id, messageId, old: event.type === 'subscribed' })
        break
      }
      case 'gap':
        this.#gaps++
        session.told.push({ kind: 'gap' })
        break
      case 'live': {
        const key = `${delivery.message.source} ${delivery.message.seq}`
        if (session.seen.has(key)) throw new Breach(`live ${key} was delivered twice`)
        session.seen.add(key)
        break
      }
      case 'refused':
        throw new Breach('nothing is refused here')
    }
  }

  #cut(client: SimClient, stream: SimStream): void {
    if (stream.dead) return
    stream.dead = true
    this.#say(() => `  client ${this.#clients.indexOf(client)} stream ${stream.state.order} ends`)
    stream.queue.length = 0
    client.streams = client.streams.filter((other) => other !== stream)
    stream.server?.closed()
    client.subscriptions.closed(
      stream.state,
      client.streams.map(({ state }) => state),
    )
  }

  /** The newest stream takes over when it may. */
  #adopt(client: SimClient): void {
    const newest = client.streams.at(-1)
    if (newest === undefined || client.streams.length < 2 || !newest.state.hello) return
    if (!client.subscriptions.covers(newest.state)) {
      this.#cut(client, newest)
      return
    }
    for (const stream of client.streams.slice(0, -1)) this.#cut(client, stream)
  }

  #add(client: SimClient, channel: Channel, last: number): void {
    if (client.sessions.has(channel)) return
    client.sessions.set(channel, { channel, told: [], ended: false, seen: new Set() })
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
    session.ended = true
    client.past.push(session)
    client.sessions.delete(channel)
    client.subscriptions.remove(channel)
    for (const stream of client.streams) {
      if (!stream.state.requested.has(channel)) continue
      client.subscriptions.leave(stream.state, channel)
      stream.server?.unsubscribe(channel)
    }
  }

  #restart(rollback: boolean): void {
    if (rollback) this.#forgets.push(this.#stored.length)
    this.#store.restart(rollback)
  }

  #expire(ms: number): void {
    this.#forgets.push(this.#stored.length)
    this.#storeClock.advance(ms)
  }

  // ── The end: the network is well, everything must come to rest ─────────────────────────────────────────────────

  async #settle(): Promise<void> {
    let quiet = 0
    for (let round = 0; round < 400; round++) {
      let moved = this.#deferred.length > 0
      this.#tick()
      for (const node of this.#nodes) {
        if (!node.up) node.connect()
        for (const way of ['request', 'call', 'answer', 'arrival'] as const) while (node.step(way)) moved = true
      }
      for (const client of this.#clients) {
        for (const stream of [...client.streams]) {
          if (stream.queue.length > 0) moved = true
          this.#consume(client, stream, Number.POSITIVE_INFINITY)
        }
        if (client.streams.length > 1) this.#adopt(client)
        const stream = client.streams.at(-1)
        if (stream === undefined) {
          if (client.sessions.size > 0) {
            this.#open(client, round)
            moved = true
          }
        } else if (
          [...client.sessions.keys()].some((channel) => !stream.state.requested.has(channel)) ||
          !client.subscriptions.covers(stream.state)
        ) {
          if (client.streams.length === 1) this.#open(client, round)
          moved = true
        }
      }
      await turn()
      if (moved) quiet = 0
      // Pauses before retries may still run: only several quiet seconds are rest.
      else if (++quiet > 4) return
      else this.#hubClock.advance(700)
    }
    this.#say(() =>
      JSON.stringify(
        this.#clients.map((client) => ({
          wants: [...client.sessions.keys()],
          streams: client.streams.map(({ state, queue, full }) => ({
            order: state.order,
            hello: state.hello,
            cursor: state.cursor,
            covered: [...state.covered],
            requested: [...state.requested],
            queue: queue.length,
            full,
          })),
        })),
      ),
    )
    throw new Breach('the schedule does not come to rest')
  }

  async #markers(): Promise<void> {
    this.#attempts.length = 0
    for (const channel of CHANNELS) if (channel !== 'l') this.#publish(0, channel)
    await this.#settle()
    if (this.#attempts.some(({ state }) => state !== 'stored'))
      throw new Breach('a publish on a healthy network was not stored')
  }

  #breach(message: string): void {
    this.#late ??= new Breach(message)
  }

  #late: Breach | null = null

  // ── Checks ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #check(session: Session, open: boolean): void {
    const { channel, told } = session
    if (channel === 'l') return
    const all = this.#stored
      .map((stored, index) => ({ ...stored, index }))
      .filter((stored) => stored.channel === channel)
    const start = told.find((entry) => entry.kind === 'start')
    if (start === undefined) {
      if (open) throw new Breach(`${channel} was never established`)
      return
    }
    const { epochs } = this.#store
    const concerns = (stored: Stored) =>
      stored.epoch === start.epoch
        ? compareIds(stored.id, start.id) > 0
        : epochs.indexOf(stored.epoch) > epochs.indexOf(start.epoch)
    const delivered = new Set(told.flatMap((entry) => (entry.kind === 'message' ? [entry.messageId] : [])))
    const missing = (from: number, to: number) =>
      all.filter(
        (stored) => stored.index > from && stored.index < to && concerns(stored) && !delivered.has(stored.messageId),
      )
    let reached = -1
    let gap = false
    for (const entry of told) {
      if (entry.kind === 'gap') gap = true
      if (entry.kind !== 'message') continue
      const stored = all.find(({ id, messageId }) => id === entry.id && messageId === entry.messageId)
      if (stored === undefined) throw new Breach(`${channel}: ${entry.messageId} was never stored as ${entry.id}`)
      if (stored.index <= reached) throw new Breach(`${channel}: ${entry.messageId} came after something newer`)
      if (!entry.old && !gap && channel !== 'd') {
        const lost = missing(reached, stored.index)
        if (lost.length > 0)
          throw new Breach(
            `${channel}: ${lost.map(({ messageId }) => messageId).join()} skipped before ${entry.messageId} without a gap`,
          )
      }
      if (!entry.old) gap = false
      reached = stored.index
    }
    if (!open) return
    const lost =
      channel === 'd'
        ? all.slice(-1).filter(({ messageId }) => !delivered.has(messageId))
        : gap
          ? []
          : missing(reached, this.#stored.length)
    if (lost.length > 0)
      throw new Breach(`${channel}: ${lost.map(({ messageId }) => messageId).join()} never came, and no gap`)
    if (!delivered.has((all.at(-1) as Stored).messageId))
      throw new Breach(`${channel}: the last publication on a healthy network never came`)
  }

  #checkPublishes(): void {
    const first = new Map<string, number>()
    for (const [index, { messageId }] of this.#stored.entries()) {
      const before = first.get(messageId)
      if (before !== undefined && !this.#forgets.some((at) => at > before && at <= index))
        throw new Breach(`${messageId} was stored twice`)
      first.set(messageId, index)
    }
  }
}

/** Lets every promise that can run, run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
