/** createClient: where the parts are joined. Read it first. */
import type { Declares, RealtimeError, Timer } from '@rt/protocol'
import { randomId } from './channels/random-id'
import { Registry } from './channels/registry'
import { Connection } from './connection/connection'
import { createEnvironment, resolveUrl, sharingTools } from './connection/environment'
import type { Status } from './connection/states'
import { rungsOf } from './ladder/rungs'
import type { Problem } from './ladder/trace'
import type { Explanation } from './ladder/words'
import { Listeners } from './listeners'
import { allTransports, type ClientOptions } from './options'
import type { Environment } from './ports/environment'
import type { Rung, Transport, TransportName } from './ports/transport'
import { createPost, type Endpoint } from './transports/http'
import { idle } from './transports/idle'
import { polling } from './transports/polling'
import { sse } from './transports/sse'
import { websocket } from './transports/websocket'
import type { TypedClient, Undeclared } from './types'

/** What `client.on` announces. */
export interface ClientEvents {
  status: Status
  /** The transport in use; null while there is none. */
  transport: TransportName | null
  /** Why there is no connection; null: there is one again. */
  problem: Problem | null
  /** What concerns the whole connection, and what no listener of a channel took. Without a listener it is written to the console. */
  error: RealtimeError
}

/** What {@link createClient} returns: the one connection of an app to its server, for all channels. */
export interface Client<R extends Declares = Undeclared> extends TypedClient<R> {
  /** `degraded`: connected, but the server does not reach its broker; it resumes by itself. `failed`: refused for good, until `connect()`. */
  readonly status: Status
  /** The transport in use; null while there is none. */
  readonly transport: TransportName | null
  /**
   * Why there is no connection, as far as it is known; null when there is one. `offline`: nothing answers. `blocked`: the server answers, but no
   * transport comes through. `captive-portal`: somebody else answers in its place. `unauthorized`: it does not accept who this is. `server`: it, or a
   * proxy for it, says that it is away or overloaded.
   */
  readonly problem: Problem | null
  /** Returns its own undo. */
  on<E extends keyof ClientEvents>(event: E, callback: (value: ClientEvents[E]) => void): () => void
  /** Connects before anything is subscribed or published, which connects by itself; tries again after `failed`. */
  connect(): void
  /** Drops the link as a fault would. The client comes back and resumes by itself: for tests, demos, and after a change of the network. */
  reconnect(): void
  /**
   * Moves to this transport while the present one goes on, so that nothing is lost or late, and stays there while it works.
   * Rejects with `unsupported` when it is not among `transports` or does not work here; then the present one goes on.
   */
  switchTo(transport: TransportName): Promise<void>
  /**
   * What the client did to get and stay connected, and why, in plain words: the last 200 steps, oldest first.
   *
   * @example
   * for (const { time, text } of await client.explain()) console.log(new Date(time).toISOString(), text)
   */
  explain(): Promise<Explanation[]>
  /** Ends everything for good; commands that wait reject with `closed`. What was entered is left, as far as the link lets it through. */
  close(): void
}

/** Milliseconds that a tab gives another one to offer its connection, before it opens its own. */
const LOOK = 500

/**
 * A client of the endpoint at `url`: absolute, or in browsers relative to the page. It connects when something is first subscribed or published.
 *
 * @example
 * import type { Realtime } from './realtime'
 * const client = createClient<Realtime>('/rt')
 * const off = client.channel('chat:42').subscribe(({ data }) => console.log(data.text), { last: 50 })
 */
export function createClient<R extends Declares = Undeclared>(
  url: string | URL,
  options: ClientOptions = {},
): Client<R> {
  const { transports = allTransports } = options
  if (transports.length === 0) throw new TypeError('transports: at least one is needed.')
  const environment = createEnvironment(options)
  const endpoint: Endpoint = { url: resolveUrl(url), fetch: environment.fetch, headers: options.headers ?? {} }
  const post = createPost(endpoint)
  const listeners = new Listeners<ClientEvents>()
  const unheard = (error: RealtimeError) => {
    if (!listeners.emit('error', error)) console.error(error)
  }

  const client = randomId()
  const tools = options.share === false ? null : sharingTools()
  /** What the tabs that may share have in common; the identity, which only the server knows, stands behind it in the name of their group. */
  const family = `rt1 ${JSON.stringify([endpoint.url, endpoint.headers, transports, options.priority])} `
  /** Without it everything works, in each tab by itself. */
  const share = async () => {
    const { Sharing } = await import('./sharing/sharing')
    const { clock, random } = environment
    if (tools === null) return null
    const sharing = new Sharing({ connection, endpoint, family, clock, random, tab: client, ...tools })
    connection.companion = sharing
    return sharing
  }
  const look = async () => {
    if (tools === null) return
    const sharing = share().catch(() => null)
    const { held = [] } = await tools.locks.query()
    const groups = held.flatMap(({ name = '' }) => (name.startsWith(family) ? name.slice(family.length) : []))
    // Whoever comes first waits for nothing.
    if (groups.length === 0) return
    const { clock } = environment
    let timer: Timer
    const given = new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, LOOK)
    })
    await Promise.race([given, sharing.then((found) => found?.look(groups))])
    clock.clearTimeout(timer)
  }

  const connection = new Connection(
    {
      environment,
      transports: rungsOf(transports).map((rung) => makers[rung](endpoint, environment)),
      ordered: options.transports !== undefined,
      frugal: options.priority === 'low',
      path: `rt:${endpoint.url.origin}${endpoint.url.pathname}`,
      idle: (rung) => idle(rung, post),
      post,
      token: options.token,
      timeout: options.timeout ?? 30_000,
      client,
      look,
    },
    {
      deliver: (delivery) => registry.deliver(delivery),
      presence: (delivery) => registry.deliverPresence(delivery),
      expelled: (channel, error) => registry.expelled(channel, error),
      status: (status) => listeners.emit('status', status),
      transport: (name) => listeners.emit('transport', name),
      problem: (problem) => listeners.emit('problem', problem),
      error: unheard,
    },
  )
  const registry = new Registry({
    subscribe: (channel, last) => connection.subscribe(channel, last),
    unsubscribe: (channel) => connection.unsubscribe(channel),
    watch: (channel) => connection.watch(channel),
    unwatch: (channel) => connection.unwatch(channel),
    enter: (channel, state) => connection.enter(channel, state),
    update: (channel, state) => connection.update(channel, state),
    leave: (channel) => connection.leave(channel),
    execute: (order, signal) => connection.execute(order, signal),
    closed: () => connection.status === 'closed',
    now: () => environment.clock.now(),
    unheard,
  })

  return {
    get status() {
      return connection.status
    },
    get transport() {
      return connection.transport
    },
    get problem() {
      return connection.problem
    },
    // The types are the server's; at run time a channel is a channel.
    channel: (name) => registry.get(name) as never,
    on: (event, callback) => listeners.on(event, callback),
    connect: () => connection.connect(),
    reconnect: () => connection.reconnect(),
    switchTo: (name) => connection.switchTo(name),
    explain: async () => (await import('./ladder/words')).explain(connection.steps),
    close() {
      connection.close()
      registry.close()
    },
  }
}

const makers: { readonly [R in Rung]: (endpoint: Endpoint, environment: Environment) => Transport } = {
  websocket: ({ url }, environment) => websocket(url, environment),
  sse: (endpoint) => sse(endpoint),
  'sse-post': (endpoint) => sse(endpoint, true),
  'long-poll': (endpoint, { clock }) => polling('long-poll', endpoint, clock),
  poll: (endpoint, { clock }) => polling('poll', endpoint, clock),
}
