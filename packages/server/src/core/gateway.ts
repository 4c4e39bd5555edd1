/** The core's door for transports: who is there, what may they have, and from then on their commands; made by createRealtime. */
import {
  type ChannelRequest,
  type Clock,
  decodeCommands,
  type ErrorCode,
  type ExpiresEvent,
  isRealtimeError,
  limits,
  type Member,
  RealtimeError,
  type ResultEvent,
  type ServerEvent,
  type Timer,
  toRealtimeError,
  type WatchRequest,
} from '@rt/protocol'
import type { Connection, Identity, OpenRequest, TransportName, Wire } from '../ports/connection'
import type { Arrivals, Gateway } from '../ports/gateway'
import type { Hub, StreamRequest, SubscriptionRequest } from '../ports/hub'
import type { Refused } from '../ports/metrics'
import type { Seat } from '../ports/presence'
import type { Authorize } from './authorize'
import { type Caller, type RunCommand, refusal, tooMuch } from './commands'
import { type Contract, presenceOf } from './contract'
import type { Counters } from './counters'
import type { Hooks } from './hooks'
import type { Log } from './log'
import type { AllowsOrigin } from './origins'
import { Pace } from './pace'
import { Revocations } from './revocations'
import { createSequence } from './sequence'
import type { StateOf } from './state'
import type { Tickets } from './tickets'

export interface GatewayOptions
  extends Pick<Gateway, 'heartbeat' | 'pollHold' | 'pollFloor' | 'path' | 'trustedProxies'> {
  readonly authenticate: (request: Request) => Identity | null | Promise<Identity | null>
  /** What stands for an identity in a URL; absent: nothing does. */
  readonly tickets?: Pick<Tickets, 'take'>
  readonly allowsOrigin: AllowsOrigin
  readonly contract: Contract
  readonly authorize: Authorize
  readonly runCommand: RunCommand
  readonly stateOf: StateOf
  readonly hub: Pick<Hub, 'open' | 'presence'>
  readonly clock: Clock
  readonly counters: Counters
  readonly arrivals: Arrivals
  readonly hooks: Hooks
  readonly log: Log
  /** See `limits` in options.ts. */
  readonly limits: { readonly commands: number; readonly connections: number }
  /** Told what the app's functions throw. */
  readonly report: (error: unknown) => void
}

/** Characters of commands that one connection may have unanswered: twice what an honest client's outbox holds. */
export const PENDING = 2 * 2 ** 20

/** Characters of history in the answer to one POST, from which the rest is refused. */
export const ANSWERED = 4 * 2 ** 20

/** Seconds whose commands may come at once: a client that comes back sends what waited. */
export const BURST = 10

/** Milliseconds that a command may wait for its turn; longer, and it is refused. */
export const PATIENCE = 5000

/** Milliseconds after which to try once more when there are too many connections. */
const CROWDED = 10_000

/** How many intervals of a poll a seat lives: one may be lost, and the next be late. */
const SEAT_INTERVALS = 2.5

/** Longest identity id. */
export const ID_LENGTH = 255

/** Milliseconds for which a connection outlives its identity, a heartbeat at most: the client's new token may be late. */
const GRACE = 25_000

/** Longest time that a platform's timer takes. */
const LONGEST_TIMER = 2 ** 31 - 1

/** What the composition root does with the door beside opening it for transports. */
export interface GatewayControl {
  /** Nothing new is begun from now on. */
  drain(): void
  /** Channels of all open connections together. */
  subscriptions(): number
  /** The ids of those who are connected here, each once. */
  identities(): Set<string>
  /** Every open connection, as it is now. */
  connections(): Iterable<ConnectionInfo>
  /**
   * Ends the connections of this identity, and refuses it where it was issued before. `given`: milliseconds since 1970. `past`: before this node
   * heard of it, so that who asked the app since then stays.
   */
  revoke(id: string, given: number, past: boolean): void
  /** Asks the channel's rule again for everybody who hears it here. */
  recheck(channel: string): void
}

/** What can be told of an open connection. */
export interface ConnectionInfo {
  readonly id: string
  readonly transport: TransportName
  /** Identity id; null: nobody in particular. */
  readonly identity: string | null
  /** Milliseconds since 1970. */
  readonly since: number
  /** Number of its channels. */
  readonly channels: number
  /** Bytes that wait for it. */
  readonly waiting: number
}

/** One open connection. */
interface Admitted extends Caller {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly since: number
  identity: Identity | null
  readonly transport: TransportName
  readonly stream: NonNullable<Caller['stream']>
  stopExpiry: () => void
}

/** A connection for the transport, and the same one for the gateway. */
interface Begun {
  readonly connection: Connection
  readonly caller: Admitted
}

export function createGateway(options: GatewayOptions): Gateway & GatewayControl {
  const { contract, authorize, runCommand, stateOf, hub, clock, counters, arrivals, hooks, log, report } = options
  const admitted = new Set<Admitted>()
  /** For each connection that is being opened: the channels that were to be rechecked meanwhile. */
  const opening = new Set<Set<string>>()
  const revocations = new Revocations()
  const pace = new Pace({ perSecond: options.limits.commands, burst: BURST * options.limits.commands, clock })
  /** Open connections of each identity. */
  const connections = new Map<string, number>()
  /** When the app was asked for each; where it hands out one object several times, the last time. */
  const asked = new WeakMap<Identity, number>()
  let draining = false

  async function authenticate(request: Request): Promise<Identity | null> {
    let since = clock.now()
    let identity: Identity | null
    try {
      const taken = (await options.tickets?.take(request)) ?? null
      if (taken !== null) since = taken.made
      identity = taken === null ? ((await options.authenticate(request)) ?? null) : taken.identity
      if (identity !== null && !isIdentity(identity)) {
        throw new TypeError(
          `authenticate must return null or { id, expiresAt?, issuedAt? } with an id of 1 to ${ID_LENGTH} characters.`,
        )
      }
    } catch (error) {
      const known = toRealtimeError(error)
      if (known !== error) report(error)
      throw known
    }
    if (identity !== null) asked.set(identity, since)
    demandFresh(identity)
    return identity
  }

  function demandFresh(identity: Identity | null): void {
    if (identity === null) return
    if (identity.expiresAt !== undefined && identity.expiresAt <= clock.now()) throw expired()
    if (revocations.covers(identity, asked.get(identity) ?? clock.now())) throw revoked()
  }

  /** See {@link Caller.pace}. `demandWanted` throws when the command is not to be done any more. */
  function paced(name: string, demandWanted: () => void): Promise<void> | null {
    const wait = pace.take(name, PATIENCE)
    if (wait === 0) return null
    if (wait > PATIENCE) {
      const most = `One identity may send ${options.limits.commands} commands a second.`
      return Promise.reject(limited(most, wait))
    }
    return new Promise<void>((resolve) => clock.setTimeout(resolve, wait)).then(demandWanted)
  }

  function demandRoom(identity: Identity | null): void {
    if (identity === null || (connections.get(identity.id) ?? 0) < options.limits.connections) return
    throw limited(`One identity may have ${options.limits.connections} connections.`, CROWDED)
  }

  async function open(request: OpenRequest, wire: Wire): Promise<Connection> {
    demandOpen()
    const rechecked = new Set<string>()
    opening.add(rechecked)
    try {
      const { connection, caller } = await begin(request, wire)
      for (const name of rechecked) recheckFor(caller, name)
      return connection
    } finally {
      opening.delete(rechecked)
    }
  }

  async function begin(request: OpenRequest, wire: Wire): Promise<Begun> {
    const requests = new Map(request.channels.map((channel) => [channel.channel, channel]))
    if (requests.size > limits.channels)
      throw new RealtimeError('too_many_channels', `More than ${limits.channels} channels.`)
    const watches = new Map((request.watch ?? []).map((watch) => [watch.channel, watch]))
    if (watches.size > limits.channels)
      throw new RealtimeError('too_many_channels', `More than ${limits.channels} channels.`)
    const [asked, watched, entered] = await Promise.all([
      Promise.all([...requests.values()].map((channel) => ask(channel, request))),
      Promise.all([...watches.values()].map((watch) => look(watch, request.identity))),
      Promise.all([...new Set(request.entered)].map((name) => look({ channel: name }, request.identity))),
    ])
    // Rules take their time: meanwhile the node may have begun to close, and the identity have expired.
    demandOpen()
    demandFresh(request.identity)
    demandRoom(request.identity)

    const subscriptions: SubscriptionRequest[] = []
    const refused: { channel: string; error: RealtimeError }[] = []
    for (const answer of asked) 'error' in answer ? refused.push(answer) : subscriptions.push(answer)
    const watch: WatchRequest[] = []
    const unseen: { channel: string; error: RealtimeError }[] = []
    for (const answer of watched) 'error' in answer ? unseen.push(answer) : watch.push(answer)
    const seats: Seat[] = []
    const absent: ServerEvent[] = []
    for (const answer of entered) {
      const { channel } = answer
      const { identity, client } = request
      const seat = identity === null || client == null ? null : { channel, member: identity.id, client }
      if (seat !== null && !('error' in answer)) seats.push(seat)
      else absent.push({ type: 'absent', channel })
      // Where it may not hear any more it is not present either; if this fails, the seat ends with its time.
      if (seat !== null && 'error' in answer && !answer.error.retryable) hub.presence.leave(seat).catch(() => {})
    }
    const [first] = [...refused, ...unseen]
    if (first !== undefined && subscriptions.length + watch.length === 0 && request.transport !== 'websocket')
      throw first.error

    for (const { channel, error } of [...refused, ...unseen]) refuse('channel', error, channel, request.identity)
    const events: ServerEvent[] = [
      ...(request.identity?.expiresAt === undefined ? [] : [expiresOf(request.identity)]),
      ...refused.map(({ channel, error }) => ({ type: 'unsubscribed', channel, error: error.toJSON() }) as const),
      ...unseen.map(({ channel, error }) => ({ type: 'unwatched', channel, error: error.toJSON() }) as const),
      ...absent,
    ]
    const { pollHold, pollFloor } = options
    const interval = { websocket: null, sse: null, 'long-poll': pollHold, poll: pollFloor }[request.transport]
    const { heartbeat = null } = request
    const seatTtl = interval === null ? null : SEAT_INTERVALS * Math.max(interval, heartbeat ?? 0)
    const identity = request.identity?.id ?? null
    return connect(
      { subscriptions, cursor: request.cursor, watch, seats, identity, seatTtl, heartbeat, first: events },
      wire,
      request,
    )
  }

  async function look(
    watch: WatchRequest,
    identity: Identity | null,
  ): Promise<WatchRequest | { channel: string; error: RealtimeError }> {
    try {
      const channel = contract.resolve(watch.channel)
      presenceOf(channel)
      await authorize(channel, 'subscribe', identity)
      return watch
    } catch (error) {
      return { channel: watch.channel, error: toRealtimeError(error) }
    }
  }

  async function ask(
    { channel: name, new: fresh, last = 0 }: ChannelRequest,
    { identity, cursor }: OpenRequest,
  ): Promise<SubscriptionRequest | { channel: string; error: RealtimeError }> {
    try {
      const channel = contract.resolve(name)
      await authorize(channel, 'subscribe', identity)
      return {
        channel: name,
        rules: channel.rules,
        fresh: fresh === true || cursor === null,
        last,
        state: stateOf(channel, identity),
      }
    } catch (error) {
      return { channel: name, error: toRealtimeError(error) }
    }
  }

  function connect(
    request: StreamRequest,
    wire: Wire,
    { identity, transport, authenticate: again }: OpenRequest,
  ): Begun {
    const id = crypto.randomUUID()
    const name = paceOf(identity, `c ${id}`)
    let open = true
    /** Undoes what was noted of it. */
    let forget = (_reason: ErrorCode) => {}
    const stream = hub.open(request, {
      write: (items, cursor) => wire.write(items, cursor),
      caughtUp: () => wire.caughtUp?.(),
      close(error) {
        over(error?.code ?? 'closed')
        wire.close(error)
      },
    })
    const caller: Admitted = {
      id,
      since: clock.now(),
      transport,
      identity,
      sequence: createSequence(),
      answers: { inLine: createSequence(), full: () => !open || stream.congested, add: () => {} },
      pace: () =>
        paced(name, () => {
          if (!open) throw limited('The connection ended before its turn came.', 0)
        }),
      stream: {
        handle: stream,
        channels: new Set(request.subscriptions.map(({ channel }) => channel)),
        watched: new Set(request.watch?.map(({ channel }) => channel)),
        authenticate: (token) => renew(caller, token, again),
        begun: (channel) => hooks.subscribed({ id, transport, identity: caller.identity, channel }),
      },
      stopExpiry: () => {},
    }
    // A wire may break at the first word.
    if (open) {
      forget = admit(caller)
      for (const { channel, fresh } of request.subscriptions) if (fresh) caller.stream.begun(channel)
    }
    let pending = 0

    /** Whoever ended it, nothing is done for it any more: its identity may have expired. */
    function over(reason: ErrorCode): void {
      open = false
      forget(reason)
    }

    async function receive(text: string): Promise<void> {
      const flood = pending + text.length > PENDING
      pending += text.length
      try {
        await Promise.all(
          decodeCommands(text).map(async (decoded) => {
            const event = flood && 'command' in decoded ? flooded(decoded.command, identity) : await answer(decoded)
            if (event !== null) stream.send(event)
          }),
        )
      } catch (error) {
        stream.send(refused(null, error, identity))
      }
      pending -= text.length
    }

    function answer(decoded: ReturnType<typeof decodeCommands>[number]): Promise<ServerEvent | null> | ServerEvent {
      return 'error' in decoded ? refused(decoded.ref, decoded.error, identity) : runCommand(decoded.command, caller)
    }

    const connection: Connection = {
      id,
      drained: () => stream.drained(),
      receive(text) {
        if (open) void receive(text)
      },
      closed() {
        over('closed')
        stream.closed()
      },
    }
    return { connection, caller }
  }

  /** Notes a connection, and ends it when its identity expires. Returns its undo, which is told why it ended. */
  function admit(caller: Admitted): (reason: ErrorCode) => void {
    const { id, transport, identity } = caller
    const began = clock.monotonic()
    become(caller, identity)
    admitted.add(caller)
    counters.open(transport)
    hooks.connected({ id, transport, identity })
    log.connected(caller)
    if (identity !== null) connections.set(identity.id, (connections.get(identity.id) ?? 0) + 1)
    return (reason) => {
      caller.stopExpiry()
      if (!admitted.delete(caller)) return
      counters.end(transport, reason)
      const duration = clock.monotonic() - began
      hooks.disconnected({ id, transport, identity: caller.identity, reason, duration })
      log.disconnected(caller, reason, duration)
      if (identity === null) return
      const left = (connections.get(identity.id) ?? 1) - 1
      if (left === 0) connections.delete(identity.id)
      else connections.set(identity.id, left)
    }
  }

  /** The connection speaks for this identity from here on, until some time after that expires. */
  function become(caller: Admitted, identity: Identity | null): void {
    caller.identity = identity
    caller.stopExpiry()
    caller.stopExpiry = whenExpired(identity, () => caller.stream.handle.end(expired()))
  }

  /** Calls `end` when the identity's time is over, and the grace; returns the way to stop waiting. */
  function whenExpired(identity: Identity | null, end: () => void): () => void {
    if (identity?.expiresAt === undefined) return () => {}
    const at = identity.expiresAt + Math.min(GRACE, options.heartbeat)
    let timer: Timer = arm()
    function arm(): Timer {
      return clock.setTimeout(
        () => {
          if (clock.now() < at) timer = arm()
          else end()
        },
        Math.min(Math.max(at - clock.now(), 0), LONGEST_TIMER),
      )
    }
    return () => clock.clearTimeout(timer)
  }

  /** Puts what a new token says in the place of the identity: that of the same one, whom every rule is asked about again. Ends the connection where it is not taken. */
  function renew(caller: Admitted, token: string, again: OpenRequest['authenticate']): Promise<void> {
    const { sequence, stream } = caller
    // No channel has such a name.
    return sequence(' token', async () => {
      if (again === undefined)
        throw new RealtimeError('unsupported', 'What this stream was opened with does not expire.')
      let identity: Identity | null
      try {
        identity = await again(token)
      } catch (thrown) {
        const error = toRealtimeError(thrown)
        // It was not the token: another try may come in time.
        if (error.retryable && error.code !== 'token_expired') throw error
        return stream.handle.end(error)
      }
      if (!admitted.has(caller)) return
      if (identity === null || identity.id !== caller.identity?.id) return stream.handle.end(somebodyElse())
      become(caller, identity)
      stream.handle.send(expiresOf(identity))
      for (const name of new Set([...stream.channels, ...stream.watched, ...stream.handle.entered]))
        recheckFor(caller, name)
    })
  }

  function expiresOf({ expiresAt }: Identity): ExpiresEvent {
    return { type: 'expires', ...(expiresAt !== undefined && { after: Math.max(0, expiresAt - clock.now()) }) }
  }

  async function execute(text: string, identity: Identity | null, address: string | null): Promise<ResultEvent[]> {
    demandOpen()
    // A command without a `ref` has no place in the answer, so the frame is turned away before any of it is done.
    const commands = decodeCommands(text).map((decoded) => {
      if ('error' in decoded) {
        if (decoded.ref === null) throw decoded.error
        return { ref: decoded.ref, error: decoded.error }
      }
      const { command } = decoded
      if ('ref' in command) return command
      throw new RealtimeError(
        'invalid_request',
        `\`${command.type}\` is for WebSocket; elsewhere the stream is opened anew with other channels.`,
      )
    })
    let size = 0
    const answers: Caller['answers'] = {
      inLine: createSequence(),
      full: () => size > ANSWERED,
      add: (characters) => {
        size += characters
      },
    }
    // Requests of nobody in particular have at most an address in common by which to count them.
    const name = identity === null && address === null ? null : paceOf(identity, `a ${address}`)
    const caller: Caller = {
      identity,
      sequence: createSequence(),
      answers,
      pace: () => (name === null ? null : paced(name, () => demandFresh(identity))),
      stream: null,
    }
    const events = commands.map((command) =>
      'error' in command ? refused(command.ref, command.error, identity) : runCommand(command, caller),
    )
    return (await Promise.all(events)).filter((event) => event?.type === 'result')
  }

  async function members(name: string, identity: Identity | null): Promise<{ members: Member[]; known: boolean }> {
    demandOpen()
    const channel = contract.resolve(name)
    presenceOf(channel)
    await authorize(channel, 'subscribe', identity)
    return hub.presence.members(name)
  }

  function subscriptions(): number {
    let sum = 0
    for (const { stream } of admitted) sum += stream.channels.size
    return sum
  }

  function* connectionInfos(): Iterable<ConnectionInfo> {
    for (const { id, transport, identity, since, stream } of admitted) {
      const { handle, channels } = stream
      yield { id, transport, identity: identity?.id ?? null, since, channels: channels.size, waiting: handle.waiting }
    }
  }

  function identities(): Set<string> {
    return new Set([...admitted].flatMap(({ identity }) => identity?.id ?? []))
  }

  function revoke(id: string, given: number, past: boolean): void {
    revocations.add(id, given, past ? given : clock.now())
    for (const { identity, stream } of [...admitted]) {
      if (identity?.id === id && revocations.covers(identity, asked.get(identity) ?? 0)) stream.handle.end(revoked())
    }
  }

  function recheck(name: string): void {
    for (const rechecked of opening) rechecked.add(name)
    for (const caller of admitted) recheckFor(caller, name)
  }

  /** Asks the channel's rule again for a connection that hears it, watches its members, or keeps somebody present in it. */
  function recheckFor(caller: Admitted, name: string): void {
    const { handle, channels, watched } = caller.stream
    // Behind the commands for the channel that are under way.
    const check = (place: string, concerned: () => boolean, takeOff: (error: RealtimeError) => void) =>
      caller.sequence(place, async () => {
        if (!concerned()) return
        try {
          await authorize(contract.resolve(name), 'subscribe', caller.identity)
        } catch (error) {
          const refused = toRealtimeError(error)
          refuse('channel', refused, name, caller.identity)
          takeOff(refused)
        }
      })
    void check(
      name,
      () => channels.has(name),
      (error) => {
        channels.delete(name)
        handle.unsubscribe(name, error)
      },
    )
    void check(
      `presence ${name}`,
      () => watched.has(name) || handle.entered.has(name),
      (error) => {
        if (watched.delete(name)) handle.unwatch(name, error)
        // The rule that failed says nothing against who is there.
        if (!error.retryable) handle.expel(name)
      },
    )
  }

  function refuse(
    what: Refused,
    { code }: RealtimeError,
    channel: string | undefined,
    identity: Identity | null,
  ): void {
    counters.refuse(what, code)
    log.refused(what, code, channel, identity?.id)
  }

  /** The answer to a command that could not be begun. */
  function refused(ref: number | null, thrown: unknown, identity: Identity | null): ServerEvent {
    const error = toRealtimeError(thrown)
    refuse('command', error, undefined, identity)
    return refusal(ref, error)
  }

  function flooded(command: { readonly type: string; readonly ref?: number }, identity: Identity | null): ServerEvent {
    return refused(command.ref ?? null, tooMuch('Too many commands wait for an answer.'), identity)
  }

  function demandOpen(): void {
    if (draining) throw new RealtimeError('draining', 'This node is closing.', { retryAfter: 0, outcome: 'failed' })
  }

  return {
    authenticate,
    open: (request, wire) =>
      open(request, wire).catch((error: unknown) => {
        if (!isRealtimeError(error)) report(error)
        throw error
      }),
    execute,
    members,
    knock: arrivals.knock,
    arrive: arrivals.arrive,
    admit: arrivals.admit,
    allowsOrigin: options.allowsOrigin,
    refused: (error) => refuse('request', error, undefined, null),
    bytes: counters.bytes,
    get draining() {
      return draining
    },
    heartbeat: options.heartbeat,
    pollHold: options.pollHold,
    pollFloor: options.pollFloor,
    frames: BURST * options.limits.commands,
    trustedProxies: options.trustedProxies,
    path: options.path,
    drain() {
      if (draining) return
      draining = true
      log.draining(admitted.size)
    },
    subscriptions,
    identities,
    connections: connectionInfos,
    revoke,
    recheck,
  }
}

/** The name under which commands are counted. */
function paceOf(identity: Identity | null, nobody: string): string {
  return identity === null ? nobody : `i ${identity.id}`
}

export function isIdentity(value: unknown): value is Identity {
  if (typeof value !== 'object' || value === null || !('id' in value) || typeof value.id !== 'string') return false
  if (value.id === '' || value.id.length > ID_LENGTH || /\p{Surrogate}/u.test(value.id)) return false
  const { expiresAt, issuedAt } = value as { readonly expiresAt?: unknown; readonly issuedAt?: unknown }
  return [expiresAt, issuedAt].every((time) => time === undefined || (typeof time === 'number' && !Number.isNaN(time)))
}

function limited(message: string, retryAfter: number): RealtimeError {
  return new RealtimeError('rate_limited', message, { retryAfter, outcome: 'failed' })
}

function somebodyElse(): RealtimeError {
  return new RealtimeError('unauthenticated', 'The new token is not of the identity that this stream was opened for.', {
    hint: 'Open another stream with it.',
  })
}

function expired(): RealtimeError {
  return new RealtimeError('token_expired', 'The identity of this connection has expired.')
}

function revoked(): RealtimeError {
  return new RealtimeError('unauthenticated', 'What this connection was let in with was revoked.', {
    hint: 'Log in again.',
  })
}
