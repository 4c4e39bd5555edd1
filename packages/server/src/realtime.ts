/** The composition root of the server: joins the app's declarations, the core, a broker and the hosts into one `rt`. Read it first. */
import {
  type ChannelNames,
  type Contract,
  type Declares,
  type HistoryItem,
  type Id,
  limits,
  type PatternOf,
  payloadOf,
  RealtimeError,
  systemClock,
  timeOfId,
} from '@rt/protocol'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { memory } from './backends/memory/broker'
import type { ChannelOptions, ContractFrom } from './channel'
import { createArrivals } from './core/arrivals'
import { createAuthorize } from './core/authorize'
import { createCommands } from './core/commands'
import { compileContract, presenceOf } from './core/contract'
import { Counters } from './core/counters'
import { createGateway, isIdentity } from './core/gateway'
import { createHooks } from './core/hooks'
import { createHub } from './core/hub'
import { Log } from './core/log'
import { type Order, Orders } from './core/orders'
import { readOrigins } from './core/origins'
import { Overload } from './core/overload'
import { createReadPayload } from './core/payload'
import { createPublishing } from './core/publishing'
import { createSequence } from './core/sequence'
import { createStateOf } from './core/state'
import { Tickets } from './core/tickets'
import { type Duration, milliseconds } from './duration'
import { createFetchHandler, createHealthFetch, type FetchHandler } from './hosts/fetch'
import { watchLoad } from './hosts/load'
import {
  type AttachOptions,
  attach,
  createHealthHandler,
  createNodeHandler,
  type NodeHandler,
  type NodeServer,
} from './hosts/node'
import { createInspector, type Inspector, type InspectorControl, type InspectorOptions } from './inspector/inspector'
import { type RealtimeOptions, readSettings } from './options'
import type { Identity } from './ports/connection'
import type { Health, HealthReason } from './ports/health'
import type { Metrics } from './ports/metrics'

/** One publication of a channel's history. */
export interface StoredMessage<Data = unknown> {
  /** Its place in the channel's order. */
  readonly id: Id
  /** Milliseconds since 1970 by the broker's clock. */
  readonly time: number
  readonly messageId: string
  /** Identity id of the publisher; null when the server published. */
  readonly from: string | null
  readonly data: Data
}

/** How the server publishes. */
export interface ServerPublishOptions {
  /** 1 to 64 letters, digits, `_` or `-`. The same one again within `dedupe` is stored once. Default: a random one. */
  readonly messageId?: string
  /** Identity id to publish in the name of. Default: none, the server itself. */
  readonly from?: string
}

type For<C extends Contract, Name extends string> = C[PatternOf<C, Name>]

/** The names of channels with a log. */
type LoggedNames<C extends Contract> = ChannelNames<{
  readonly [P in keyof C as C[P]['live'] extends true ? never : P]: C[P]
}>

/** The names of channels whose patterns declare a `state`. */
type StatefulNames<C extends Contract> = ChannelNames<{
  readonly [P in keyof C as [C[P]['state']] extends [never] ? never : P]: C[P]
}>

/** The names of channels whose patterns declare `presence`. */
type PresentNames<C extends Contract> = ChannelNames<{
  readonly [P in keyof C as [C[P]['presence']] extends [never] ? never : P]: C[P]
}>

/** Presence as the app's server asks for it. All reject with `broker_unavailable`; the first two also with `unknown_channel` and `unsupported`. */
export interface ServerPresence<C extends Contract = Contract> {
  /**
   * Everybody who is present in a channel, each once with what was said last. `known: false`: the broker was away, and who is gone can't be told yet.
   *
   * @example
   * const { members } = await rt.presence.list('chat:42') // [{ id: '7', state: { name: 'Ann' } }]
   */
  list<Name extends PresentNames<C>>(
    channel: Name,
  ): Promise<{
    readonly members: readonly { readonly id: string; readonly state: For<C, Name>['presence'] }[]
    readonly known: boolean
  }>
  /** How many members a channel has. */
  count<Name extends PresentNames<C>>(channel: Name): Promise<number>
  /** Which of these identities had a connection to any node within the last 60 s (`presence.ttl`), in their order. */
  online(ids: readonly string[]): Promise<boolean[]>
  /**
   * A page of the identities that are online and whose id fits the glob (`*` any text, `?` one character; `user:*:online`, the form of the plain
   * keys, is understood as well). In no order, and one may come twice. Go on with `cursor` until it is null. `limit`: about so many, default 100, at most 1000.
   */
  match(
    glob: string,
    options?: { readonly cursor?: string | null; readonly limit?: number },
  ): Promise<{ readonly ids: readonly string[]; readonly cursor: string | null }>
}

/** How this node does, for a person and for a balancer. */
export interface HealthCheck {
  /** How it does now. */
  (): Health
  /**
   * Answers with it as `(req, res)` for node:http, Express, Fastify: 200 when the node is ready, else 503. Under a path that ends with `/live` 200
   * whenever the process answers.
   *
   * @example
   * app.get('/health/:what', rt.health.handler) // /health/ready for the balancer, /health/live for who restarts processes
   */
  readonly handler: NodeHandler
  /** The same as a web-standard function, for Next.js, Hono, Bun, Deno. */
  readonly fetch: FetchHandler
}

/** A running node: what createRealtime returns. `typeof rt` is all that a client needs to know of it, as a type. */
export interface Realtime<C extends Contract = Contract, I extends Identity = Identity> extends Declares<C> {
  /**
   * Publishes as the app itself: the channel's `publish` rule is not asked, its schema is. Resolves when it is stored; on `live` channels (`id:
   * null`) when it is sent. Publications to one channel are stored in the order of the calls.
   * Rejects with `unknown_channel`, `invalid_message`, `payload_too_large`, `broker_unavailable`, `timeout`; `error.outcome` says whether it may
   * have been stored all the same, and the same `messageId` makes it safe to try again.
   *
   * @example
   * await rt.publish('user:7:notifications', { title: 'Hi' }) // { id: '1732450000000-1048576', duplicate: false }
   */
  publish<Name extends ChannelNames<C>>(
    channel: Name,
    data: For<C, Name>['input'],
    options?: ServerPublishOptions,
  ): Promise<{ readonly id: For<C, Name>['live'] extends true ? null : Id; readonly duplicate: boolean }>

  /** The newest `last` (1 to 1000) publications of a channel, oldest first. Rejects with `unknown_channel`, `unsupported` (`live`), `broker_unavailable`. */
  history<Name extends LoggedNames<C>>(
    channel: Name,
    options: { readonly last: number },
  ): Promise<StoredMessage<For<C, Name>['output']>[]>

  /**
   * What the channel's `state` computes for this identity, now: for a page that is rendered on the server. The client that takes over gets a later
   * one with its subscription, so nothing falls between the two. Permission is the caller's matter. Rejects with `unknown_channel`, `unsupported`.
   */
  state<Name extends StatefulNames<C>>(
    channel: Name,
    options?: { readonly identity?: Identity | null },
  ): Promise<For<C, Name>['state']>

  /**
   * Whether new clients should come here, and why not: while it drains, while the broker is away for more than 5 s, and while its link to the broker is
   * deaf.
   *
   * @example
   * rt.health() // { live: true, ready: false, reasons: ['draining'] }
   */
  readonly health: HealthCheck

  /**
   * What this node has done since its start, and what it holds now. `@rt/server/prometheus` and `@rt/server/opentelemetry` take it from here.
   *
   * @example
   * rt.metrics().connections.websocket // 1204
   */
  metrics(): Metrics

  /** Who is where, on all nodes. */
  readonly presence: ServerPresence<C>

  /**
   * Serves `path` of a node:http(s) server, all transports, and leaves its other routes and upgrades alone. It comes before the app: with
   * `http: false` it takes WebSocket alone, and a route with `handler` or `fetch` the rest. Returns its own undo.
   *
   * @example
   * const server = createServer(app)
   * rt.attach(server)
   * server.listen(3000)
   */
  attach(server: NodeServer, options?: AttachOptions): () => void

  /**
   * SSE, polling and commands as `(req, res)` for node:http, Express, Fastify. WebSocket needs {@link attach} beside it.
   *
   * @example
   * app.all('/rt', rt.handler)
   * rt.attach(app.listen(3000), { http: false })
   */
  readonly handler: NodeHandler

  /** SSE, polling and commands as a web-standard function, for Hono, Bun, Deno. Never rejects. */
  readonly fetch: FetchHandler

  /**
   * SSE, polling and commands as route handlers of the Next.js App Router.
   *
   * @example
   * export const { GET, POST, OPTIONS } = rt.handlers
   */
  readonly handlers: { readonly GET: FetchHandler; readonly POST: FetchHandler; readonly OPTIONS: FetchHandler }

  /**
   * A page that shows what the nodes do: connections, channels, rates, members, the tail of a channel, and a box to publish. Off unless mounted, and for nobody but
   * whom `allow` lets in. It shows each node of the same broker on which this was called.
   *
   * @example
   * const inspector = rt.inspector({ allow: ({ identity }) => identity?.role === 'admin' })
   * app.all('/inspect', inspector.handler)
   */
  inspector(options?: InspectorOptions<I>): Inspector

  /**
   * Takes from an identity what it was let in with: its connections end within a second on every node, with `unauthenticated`, and polls and
   * commands with a token that was issued before are refused for a day (tell `issuedAt` in `authenticate`; without it that is asked again and has to
   * know). Clients fetch a new token and go on if they get one. A function is asked for the id of everybody who is online. Resolves when the
   * order is stored, so that nodes which are cut off from the broker obey as soon as they are back. Rejects with `broker_unavailable` or `timeout`;
   * this node obeys all the same.
   *
   * @example
   * await sessions.delete(userId)
   * await rt.revoke(userId)
   * await rt.revoke((id) => id.startsWith('acme:'))
   */
  revoke(who: string | ((id: string) => boolean)): Promise<void>

  /**
   * A text that stands for this identity once, within 30 s, on any node: `?ticket=…` in the URL of a bare `EventSource` or `WebSocket`, which can send no header. The
   * identity comes back as its JSON. `origin`: only pages of this one may use it. A stream that is opened anew needs a new one. Rejects with a TypeError for an identity or
   * origin that is none, and as {@link publish}.
   *
   * @example
   * app.post('/ticket', async (req, res) => res.json(await rt.ticket(await session(req), { origin: 'https://app.example.com' })))
   */
  ticket(identity: I, options?: { readonly origin?: string }): Promise<string>

  /**
   * Asks the `subscribe` rule of a channel again for everybody who hears it or watches its members, on every node, within a second: whom it refuses now hears nothing
   * more of it, is not present there any more, and is told `unsubscribed`. (Publishing, history and each new stream are asked every time anyway.) Rejects with `unknown_channel`, and as {@link revoke}.
   *
   * @example
   * await removeMember(room, userId)
   * await rt.recheck(`chat:${room}`)
   */
  recheck<Name extends ChannelNames<C>>(channel: Name): Promise<void>

  /**
   * Takes no new streams and commands, ends the open ones (clients go to another node), closes the broker. With `drain` the clients are sent away
   * one after the other, evenly over that time; each is served until it is connected elsewhere, so that none is ever without a stream. Stop
   * listening first, so that they reach another node. Idempotent: the first call counts. HTTP servers stay the app's own.
   *
   * @example
   * process.once('SIGTERM', async () => {
   *   server.close()
   *   await rt.close({ drain: '10s' })
   *   process.exit()
   * })
   */
  close(options?: CloseOptions): Promise<void>
}

/** How a node ends. */
export interface CloseOptions {
  /**
   * How long clients may take to go elsewhere, up to 1 h; less than what the platform waits before it kills the process. What is still there then is
   * ended within about a second. Default: none, all at once. It ends earlier when nobody is left.
   */
  readonly drain?: Duration
}

/** Identities that one order may name. */
const ORDERED = 500

function chunks(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / ORDERED) }, (_, i) => ids.slice(i * ORDERED, (i + 1) * ORDERED))
}

/** Milliseconds for which a channel stays subscribed after its last subscriber went: most come back at once. */
const LINGER = 30_000
/** Publications that one channel's ring may hold. */
const RING_SIZE = 1000
/** Longest drain in milliseconds. */
const LONGEST_DRAIN = 3_600_000
/** Milliseconds for which the broker may be away before balancers are told: a failover takes some seconds, and the other nodes see the same. */
const AWAY = 5_000
/** Bytes that one page of a log may have before its stream is flushed. */
const PAGE_BYTES = 256 * 1024

/**
 * Declares the channels of an app and starts a node. Throws a TypeError that names the option which is not possible.
 *
 * @example
 * export const rt = createRealtime({
 *   authenticate: (request) => session(request), // { id, … } or null
 *   channels: {
 *     'chat:{room}': {
 *       message: z.object({ text: z.string().min(1).max(2000) }),
 *       subscribe: ({ identity, params }) => isMember(identity, params.room),
 *       publish: ({ identity, params }) => isMember(identity, params.room),
 *     },
 *     news: { message: z.object({ title: z.string() }), subscribe: 'public' },
 *   },
 * })
 * export type Realtime = typeof rt // for createClient<Realtime>()
 */
export function createRealtime<
  const S extends Record<string, StandardSchemaV1>,
  D,
  W,
  Q,
  T,
  I extends Identity = never,
>(options: RealtimeOptions<I, S, D, W, Q, T>): Realtime<ContractFrom<S, D, W, Q, T>, I>
export function createRealtime(
  options: Omit<
    RealtimeOptions<Identity, Record<string, StandardSchemaV1>, unknown, unknown, unknown, unknown>,
    'channels'
  > & {
    readonly channels: Readonly<Record<string, ChannelOptions>>
  },
): unknown {
  const { authenticate = () => null, onError: report = (error) => console.error(error), clock = systemClock } = options
  const { broker = memory({ clock }) } = options
  const {
    outboxBytes,
    waitingBytes,
    ringBytes,
    dedupe,
    life,
    presence,
    overload: tooMuch,
    ...settings
  } = readSettings(options)
  const contract = compileContract(options.channels)
  const allowsOrigin = readOrigins(options.origins)
  const counters = new Counters()
  const log = new Log(options.log ?? null, clock)

  const node = crypto.randomUUID()
  const hub = createHub({
    broker,
    clock,
    counters,
    log,
    node,
    heartbeat: settings.heartbeat,
    life,
    outboxBytes,
    waitingBytes,
    ringBytes,
    ringSize: RING_SIZE,
    pageBytes: PAGE_BYTES,
    linger: LINGER,
    presence,
    report,
    // Behind the reads of this turn, so that what they bring is flushed in one write.
    defer: (run) => void (typeof setImmediate === 'function' ? setImmediate(run) : setTimeout(run, 0)),
  })
  const authorize = createAuthorize(report)
  const readPayload = createReadPayload(report)
  const stateOf = createStateOf(report)
  const publishing = createPublishing({ contract, authorize, broker, hub, dedupe, readPayload, counters })
  const runCommand = createCommands({
    contract,
    authorize,
    publishing,
    hub,
    readPayload,
    stateOf,
    counters,
    log,
    report,
  })
  const orders = new Orders({ hub, broker, clock, heard: obey, report })
  const tickets = new Tickets(broker, clock)
  const overload = tooMuch === null ? null : new Overload(tooMuch)
  const arrivals = createArrivals({
    perAddress: settings.limits.perAddress,
    connections: tooMuch?.connections ?? null,
    overload,
    clock,
  })
  let unwatch: (() => void) | null = null
  const watch = (): void => {
    // A clock of a test has no load.
    if (overload !== null && clock === systemClock && !closed) unwatch ??= watchLoad((load) => overload.measured(load))
  }
  const gateway = createGateway({
    ...settings,
    tickets: {
      take(request) {
        orders.listen()
        return tickets.take(request)
      },
    },
    authenticate(request) {
      // From the first client on; a process that only publishes has nothing to obey.
      orders.listen()
      watch()
      return authenticate(request)
    },
    arrivals,
    allowsOrigin,
    contract,
    authorize,
    runCommand,
    stateOf,
    hub,
    clock,
    counters,
    hooks: createHooks(options, report),
    log,
    report,
  })

  const fetch = createFetchHandler(gateway, clock)
  const sequence = createSequence()
  const inspectors = new Set<InspectorControl>()

  function health(): Health {
    const reasons: HealthReason[] = []
    if (gateway.draining) reasons.push('draining')
    if (broker.metrics?.().state === 'deaf') reasons.push('broker_deaf')
    else if (hub.away > AWAY) reasons.push('broker_away')
    return { live: true, ready: reasons.length === 0, reasons }
  }

  let closing: Promise<void> | null = null
  let closed = false
  const demandOpen = (): void => {
    if (closed) throw new RealtimeError('closed', 'rt.close() was called.', { outcome: 'failed' })
  }

  const realtime: Realtime = {
    async publish(channel, data, { messageId, from } = {}) {
      demandOpen()
      const sent = await sequence(channel, async () => {
        const store = await publishing.prepare({ channel, data, messageId, publisher: { server: true, from } })
        return { stored: store() }
      })
      return sent.stored as ReturnType<Realtime['publish']>
    },

    async history(name, { last }) {
      demandOpen()
      const channel = contract.resolve(name)
      if (channel.rules.delivery === 'live')
        throw new RealtimeError('unsupported', `${channel.pattern} keeps no history.`)
      if (!Number.isInteger(last) || last < 1 || last > limits.history) {
        throw new RealtimeError('invalid_request', `\`last\` must be a whole number from 1 to ${limits.history}.`)
      }
      return (await hub.history(name, channel.rules, last)).map((json) => {
        const { id, messageId, from = null, ...payload } = JSON.parse(json) as HistoryItem
        return { id, time: timeOfId(id), messageId, from, data: payloadOf(payload) as never }
      })
    },

    async state(name, { identity = null } = {}) {
      demandOpen()
      const channel = contract.resolve(name)
      const compute = stateOf(channel, identity)
      if (compute === null) throw new RealtimeError('unsupported', `${channel.pattern} declares no state.`)
      return JSON.parse(await compute()) as never
    },

    presence: {
      async list(name) {
        demandOpen()
        presenceOf(contract.resolve(name))
        return hub.presence.members(name) as never
      },
      async count(name) {
        demandOpen()
        presenceOf(contract.resolve(name))
        return hub.presence.count(name)
      },
      async online(ids) {
        demandOpen()
        return hub.presence.online(ids)
      },
      async match(glob, { cursor = null, limit = 100 } = {}) {
        demandOpen()
        if (!Number.isInteger(limit) || limit < 1 || limit > 1000)
          throw new RealtimeError('invalid_request', '`limit` must be a whole number from 1 to 1000.')
        return hub.presence.match(/^user:(.*):online$/su.exec(glob)?.[1] ?? glob, cursor, limit)
      },
    },

    async revoke(who) {
      demandOpen()
      const ids = typeof who === 'string' ? [who] : (await everybody()).filter((id) => who(id) === true)
      await tell(...chunks(ids).map((some): Order => ({ type: 'revoke', ids: some })))
    },

    async ticket(identity, { origin } = {}) {
      demandOpen()
      if (!isIdentity(identity)) throw new TypeError('ticket takes an identity: { id, expiresAt?, issuedAt? }.')
      if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).origin !== origin))
        throw new TypeError('origin must be scheme, host and port, such as "https://app.example.com".')
      return tickets.make(identity, origin ?? null)
    },

    async recheck(channel) {
      demandOpen()
      contract.resolve(channel)
      await tell({ type: 'recheck', channel })
    },

    health: Object.assign(health, { handler: createHealthHandler(health), fetch: createHealthFetch(health) }),
    metrics() {
      return counters.snapshot({
        ready: health().ready,
        subscriptions: gateway.subscriptions(),
        channels: hub.channels,
        broker: broker.metrics?.() ?? null,
      })
    },

    inspector(inspectorOptions = {}) {
      demandOpen()
      const { control, ...inspector } = createInspector(inspectorOptions, {
        ...settings,
        arrivals,
        app: gateway,
        contract,
        publishing,
        readPayload,
        hub,
        node,
        clock,
        counters,
        report,
      })
      inspectors.add(control)
      return inspector
    },

    attach: (server, attachOptions) => attach(server, gateway, attachOptions, clock),
    handler: createNodeHandler(gateway, clock),
    fetch,
    handlers: { GET: fetch, POST: fetch, OPTIONS: fetch },

    async close({ drain = 0 } = {}) {
      const ms = milliseconds('drain', drain, 0, LONGEST_DRAIN)
      closing ??= end(ms)
      return closing
    },
  }
  return realtime

  function obey(order: Order, given: number, past: boolean): void {
    if (order.type === 'revoke')
      for (const id of order.ids) for (const each of [gateway, ...inspectors]) each.revoke(id, given, past)
    // One that was given before this node listened may still concern whoever was let in before it did.
    else gateway.recheck(order.channel)
  }

  /** Gives orders to all nodes. Where the broker is away this one obeys all the same. */
  async function tell(...given: Order[]): Promise<void> {
    const outcomes = await Promise.allSettled(given.map((order) => orders.give(order)))
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed === undefined) return
    for (const order of given) obey(order, clock.now(), false)
    throw failed.reason
  }

  /** Who is online anywhere, and who is connected here. */
  async function everybody(): Promise<string[]> {
    const ids = gateway.identities()
    let cursor: string | null = null
    do {
      const page: { ids: string[]; cursor: string | null } = await hub.presence.match('*', cursor, 1000)
      for (const id of page.ids) ids.add(id)
      cursor = page.cursor
    } while (cursor !== null)
    return [...ids]
  }

  async function end(drain: number): Promise<void> {
    for (const each of [gateway, ...inspectors]) each.drain()
    // Until it is over the app may publish: what its other requests have begun is not cut off.
    if (drain > 0) await hub.drain(drain)
    closed = true
    unwatch?.()
    orders.close()
    for (const inspector of inspectors) inspector.close()
    const left = Object.values(counters.connections).reduce((sum, count) => sum + count, 0)
    hub.close()
    await broker.close()
    log.closed(left)
  }
}
