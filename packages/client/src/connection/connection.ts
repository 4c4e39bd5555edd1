/**
 * The client's one connection: joins the table of states with the streams that it opens, replaces and loses, and says to whom each event goes.
 * Driven by the channels; made by createClient.
 */
import { errorFromBody, type Json, type MembersEvent, RealtimeError, type ServerEvent } from '@rt/protocol'
import { asksForNothing } from '../asks-for-nothing'
import { type Carrier, type Order, Outbox } from '../channels/outbox'
import { type ChannelPlace, type Delivery, Subscriptions } from '../channels/subscriptions'
import { type PresenceDelivery, Watches } from '../channels/watches'
import { Ladder } from '../ladder/ladder'
import { nameOf } from '../ladder/rungs'
import { type Problem, type TimedStep, Trace } from '../ladder/trace'
import type { Companion } from '../ports/companion'
import type { Environment, Trust } from '../ports/environment'
import type { Closed, Post, Relay, ResumeRequest, Rung, Transport, TransportName } from '../ports/transport'
import { Alarm, NEVER } from './alarm'
import type { Attempt } from './attempt'
import { backoff } from './backoff'
import { blameOf } from './blame'
import { type Claim, Claims } from './claims'
import { Courier } from './courier'
import { Diagnosis } from './diagnosis'
import { doubtfulSilence } from './liveness'
import { Memberships } from './memberships'
import { Renewal } from './renewal'
import { Rounds } from './rounds'
import { Sleep } from './sleep'
import { type Effect, type State, type Status, statusOf, step, type Trigger } from './states'
import { type End, Streams } from './streams'
import { Successor } from './successor'
import { Suspects } from './suspects'
import { Token } from './token'
import { Wanted } from './wanted'
import { Watching } from './watching'

/** Told by the connection; calls into the application. */
export interface ConnectionListener {
  deliver(delivery: Delivery): void
  /** About the members of a channel. */
  presence(delivery: PresenceDelivery): void
  /** The server does not let the client be present in the channel any more. */
  expelled(channel: string, error: RealtimeError): void
  status(status: Status): void
  transport(name: TransportName | null): void
  problem(problem: Problem | null): void
  error(error: RealtimeError): void
}

export interface ConnectionOptions {
  readonly environment: Environment
  readonly transports: readonly Transport[]
  /** The order of the transports is the application's, best first. */
  readonly ordered: boolean
  /** Nobody is in a hurry. */
  readonly frugal: boolean
  /** Under which name to keep what was seen of the way to the server. */
  readonly path: string
  /** The transport for a stream that asks for nothing, on a rung without a link for commands. */
  readonly idle: (rung: Rung) => Transport
  readonly post: Post
  readonly token: string | (() => string | Promise<string>) | undefined
  /** Milliseconds that a command may take. */
  readonly timeout: number
  /** The random name of this client. */
  readonly client: string
  /** Looks for another tab to ride on, before this one opens its first stream. When it rejects this one goes by itself. */
  readonly look?: () => Promise<void>
}

/** Where a stream is that others may go on with. */
export interface Standing {
  readonly rung: Rung
  readonly heartbeat: number
  readonly degraded: boolean
  readonly places: readonly ChannelPlace[]
  readonly members: readonly MembersEvent[]
}

export class Connection {
  /** Who shares this connection among the tabs of a browser. */
  companion: Companion | null = null
  readonly #environment: Environment
  readonly #listener: ConnectionListener
  readonly #subscriptions = new Subscriptions()
  readonly #watches = new Watches()
  readonly #client: string
  readonly #post: Post
  readonly #outbox: Outbox
  readonly #token: Token
  readonly #trace: Trace
  readonly #ladder: Ladder
  readonly #diagnosis: Diagnosis
  readonly #sleep: Sleep
  readonly #streams: Streams
  readonly #rounds: Rounds
  readonly #successor: Successor
  readonly #renewal: Renewal
  readonly #wanted: Wanted
  readonly #watching: Watching
  readonly #memberships: Memberships
  readonly #claims = new Claims()
  readonly #suspects = new Suspects()
  readonly #courier: Courier
  readonly #alarm: Alarm
  #state: State = 'idle'
  #told: Status = 'idle'
  #toldTransport: TransportName | null = null
  /** Links in a row on which frames came together that were sent apart. */
  #bunched = 0
  /** How far the link is trusted at the check that is being made. */
  #trust: Trust = 'look'
  #identity: string | null | undefined
  /** Nobody sees this tab. */
  #hidden = false
  /** What the server refused the client with. */
  #failure: RealtimeError | null = null
  #unwatch: (() => void) | null = null

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    const { environment, transports, ordered, frugal, path, idle, post, timeout, client, look } = options
    let looked: Promise<void> | undefined
    const { clock, memory } = environment
    const now = () => clock.monotonic()
    const random = () => environment.random()
    const changed = () => this.#schedule()
    const subscriptions = this.#subscriptions
    const outbox = new Outbox(clock, timeout, random)
    const token = new Token(options.token, now)
    const trace = new Trace(() => clock.now())
    const ladder = new Ladder({
      rungs: transports.map(({ rung }) => rung),
      ordered,
      crowded: environment.isPage,
      frugal: frugal || environment.savesData,
      now,
      wall: () => clock.now(),
      random,
      memory: { read: () => memory.read(path), write: (text) => memory.write(path, text) },
      trace,
    })
    const streams = new Streams(
      {
        subscriptions,
        outbox,
        request: () => this.#request(),
        transports,
        idle,
        token: () => token.value,
        pause: () => ladder.pollPause,
        trace,
        now,
        opening: () => ({
          version: this.#wanted.version,
          bare: this.#suspects.any,
          within: this.#rounds.helloWithin,
        }),
      },
      {
        heard: (attempt, event) => this.#heard(attempt, event),
        proven: (attempt) => this.#proven(attempt),
        ended: (attempt, reason, wasCurrent, end) => this.#ended(attempt, reason, wasCurrent, end),
        spaced: (attempt, together) => this.#spaced(attempt, together),
        changed,
      },
    )
    const parts = { subscriptions, streams, outbox, token, ladder, trace, now, random, changed }
    this.#client = client
    this.#post = post
    this.#environment = environment
    this.#listener = listener
    this.#outbox = outbox
    this.#token = token
    this.#trace = trace
    this.#ladder = ladder
    this.#sleep = new Sleep(clock)
    this.#diagnosis = new Diagnosis({
      post,
      token: () => token.value,
      trace,
      changed: (problem) => {
        // What failed meanwhile was not the rungs' fault.
        if (problem !== null && problem !== 'blocked') ladder.pardon()
        listener.problem(problem)
      },
    })
    this.#streams = streams
    this.#rounds = new Rounds({
      ...parts,
      away: () => this.#diagnosis.problem !== null && this.#diagnosis.problem !== 'blocked',
      ready: async () => {
        // Where a page may not ask for locks (an origin of its own, as in a sandbox) it connects by itself.
        looked ??= look?.().catch(() => {})
        await looked
      },
      exhausted: (known) => {
        if (known) this.#diagnosis.tell('server')
        // Another tab finds out.
        else if (streams.relay === null) this.#diagnosis.ask()
        this.#fire('exhausted')
      },
      withoutToken: (error) => (error.retryable ? listener.error(error) : this.#refuse(error)),
    })
    this.#successor = new Successor({
      ...parts,
      live: () => this.#live,
      version: () => this.#wanted.version,
      connect: () => this.#fire('connect'),
      free: () => this.#wanted.sync(),
      error: (error) => listener.error(error),
    })
    this.#renewal = new Renewal({ ...parts, error: (error) => listener.error(error) })
    this.#wanted = new Wanted({
      ...parts,
      replace: () => this.#successor.replace(),
      command: (attempt) => {
        this.#watching.command(attempt)
        this.#memberships.command(attempt)
      },
      asked: (attempt) => this.#memberships.asked(attempt),
      deliver: (delivery) => this.#deliver(delivery),
    })
    const want = () => this.#wanted.changed()
    this.#watching = new Watching({
      ...parts,
      watches: this.#watches,
      want,
      tell: (delivery) => this.#deliverPresence(delivery),
    })
    this.#memberships = new Memberships({
      ...parts,
      client,
      want,
      execute: (order, sent) => this.execute(order, undefined, sent),
      over: () => this.#over !== null,
      lost: (channel, error) => this.#expelled(channel, error),
    })
    this.#courier = new Courier({
      ...parts,
      post,
      route: () =>
        this.#live && streams.current !== null ? { carrier: streams.current, link: streams.current.link } : null,
    })
    this.#alarm = new Alarm(clock, () => this.#tick())
  }

  // ── For the client and its channels ────────────────────────────────────────────────────────────────────────────

  get status(): Status {
    return statusOf[this.#state]
  }

  /** The transport of the proven stream. */
  get transport(): TransportName | null {
    const { current } = this.#streams
    return current?.proven === true ? nameOf(current.link.rung ?? current.rung) : null
  }

  /** Whether there is a stream, and no better rung is looked for; asked by the tests of a page's life. */
  get contented(): boolean {
    const { current } = this.#streams
    return current?.proven === true && this.#ladder.content(current.rung)
  }

  /** Why there is no connection; null: there is one, or it is not known yet. */
  get problem(): Problem | null {
    return this.#diagnosis.problem
  }

  /** What was done to get and stay connected. */
  get steps(): readonly TimedStep[] {
    return this.#trace.steps
  }

  connect(): void {
    this.#fire('connect')
  }

  close(): void {
    this.#sayGoodbye()
    this.#fire('close')
    this.#unwatch?.()
    this.#unwatch = null
  }

  /** Ends the link as a fault would; everything resumes by itself. */
  reconnect(): void {
    const { current } = this.#streams
    if (current?.proven === true) this.#streams.fail(current)
    else this.#wake('look')
  }

  /** Moves to this rung without a break and stays there while it works. */
  switchTo(rung: Rung): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(this.#over)
    this.companion?.separate()
    return this.#successor.switchTo(rung)
  }

  subscribe(channel: string, last: number): void {
    // For other tabs it is established already: here it begins anew, with its history and its state.
    if (this.#claims.claim('channel', channel)) this.#wanted.remove(channel)
    this.#wanted.add(channel, last)
    this.#fire('need')
  }

  unsubscribe(channel: string): void {
    if (this.#claims.drop('channel', channel)) this.#wanted.remove(channel)
  }

  watch(channel: string): void {
    if (this.#claims.claim('members', channel)) this.#watching.remove(channel)
    this.#watching.add(channel)
    this.#fire('need')
  }

  unwatch(channel: string): void {
    if (this.#claims.drop('members', channel)) this.#watching.remove(channel)
  }

  /** Makes this client present, or changes what it says. */
  async enter(channel: string, state: Json): Promise<void> {
    this.#claims.claim('presence', channel)
    try {
      await this.#memberships.enter(channel, state)
    } catch (error) {
      if (!this.#memberships.has(channel)) this.#claims.drop('presence', channel)
      throw error
    }
  }

  /** As {@link enter} where this client has entered. */
  async update(channel: string, state: Json): Promise<void> {
    if (this.#claims.owns('presence', channel)) return this.#memberships.enter(channel, state)
    const message = `This client has not entered "${channel}".`
    throw new RealtimeError('invalid_request', message, { hint: 'Call presence.enter() first.', outcome: 'failed' })
  }

  async leave(channel: string): Promise<void> {
    if (this.#claims.drop('presence', channel)) await this.#memberships.leave(channel)
  }

  /** Sends a command as soon as there is a link, and again until it is answered. `sent` is told each time by what it goes. */
  execute(order: Order, signal: AbortSignal | undefined, sent?: (carrier: Carrier) => void): Promise<Json> {
    const over = this.#over
    if (over !== null) return Promise.reject(over)
    if (order.type === 'publish' && this.#outbox.isLive(order.channel) && !this.#live) {
      const message = 'There is no link, and live messages are not kept.'
      return Promise.reject(new RealtimeError('timeout', message, { outcome: 'failed' }))
    }
    if (order.type === 'publish' || order.type === 'enter') {
      this.#ladder.command(order.type === 'publish' && this.#outbox.isLive(order.channel))
      this.#suit()
    }
    const answer = this.#outbox.add(order, signal, sent)
    this.#courier.flushSoon()
    this.#fire('need')
    this.#schedule()
    return answer
  }

  // ── For the companion, which shares it with other tabs ─────────────────────────────────────────────────────────

  /** Whom the server takes this client for, as its own streams were told; null: nobody in particular. Undefined: nothing told it. */
  get identity(): string | null | undefined {
    return this.#identity
  }

  /** There is nothing to share, and nothing to hold for others: the client is closed, refused, or in the back/forward cache. */
  get away(): boolean {
    return this.#state === 'closed' || this.#state === 'failed' || this.#state === 'suspended'
  }

  /** The proven stream of this tab's own, as a name for it; null: there is none. */
  get stream(): object | null {
    const { current } = this.#streams
    return this.#live && current?.relayed === false ? current : null
  }

  /** The application hears a stream by another tab, or one is being opened. */
  get relayed(): boolean {
    return [...this.#streams.all].some((attempt) => attempt.relayed)
  }

  /** Where the application is in a channel. */
  place(channel: string): ChannelPlace | null {
    return this.#subscriptions.place(channel)
  }

  /** Where this tab's own stream is; null while it does not bring all of this. */
  standing(channels: readonly string[], watched: readonly string[]): Standing | null {
    const { current } = this.#streams
    if (current === null || this.stream === null) return null
    const places = channels.flatMap((channel) => this.#subscriptions.placeOn(current.stream, channel) ?? [])
    const members = watched.flatMap((channel) => this.#watches.listOn(current.watch, channel) ?? [])
    if (places.length < channels.length || members.length < watched.length) return null
    return { rung: current.rung, heartbeat: current.heartbeat, degraded: current.degraded, places, members }
  }

  /** What this client says where it has entered. */
  get entered(): readonly (readonly [channel: string, state: Json])[] {
    return this.#memberships.states
  }

  /** Wants something for another tab, until {@link giveBack}; to be present needs {@link enterFor} beside. Returns whether nobody wanted it before. */
  lend(claim: Claim, channel: string): boolean {
    const first = this.#claims.lend(claim, channel)
    this.#seen(this.#hidden)
    if (first && claim === 'channel') this.#wanted.add(channel, 0)
    if (first && claim === 'members') this.#watching.add(channel)
    this.#fire('need')
    return first
  }

  async giveBack(claim: Claim, channel: string): Promise<void> {
    const last = this.#claims.giveBack(claim, channel)
    this.#seen(this.#hidden)
    if (!last) return
    if (claim === 'channel') this.#wanted.remove(channel)
    else if (claim === 'members') this.#watching.remove(channel)
    else await this.#memberships.leave(channel)
  }

  /** Enters, or changes what is said, for another tab. */
  enterFor(channel: string, state: Json): Promise<void> {
    return this.#memberships.enter(channel, state)
  }

  /** Opens streams over this relay from here on, or, with null, over its own transports again, and moves to it without a break. */
  ride(relay: Relay | null): void {
    const streams = this.#streams
    const { current } = streams
    if (this.#live && current !== null) {
      streams.relay = relay
      streams.endOthers()
      if (relay !== null || current.relayed) streams.launch(current.rung, 'replace')
      return
    }
    // They went to a tab that is not asked any more.
    for (const attempt of [...streams.all]) if (attempt.relayed) streams.fail(attempt)
    streams.relay = relay
    this.#fire('due')
  }

  /** What a stream that is opened now asks for. */
  #request(): ResumeRequest {
    const watch = this.#watches.request()
    const { entered } = this.#memberships
    const heartbeat = this.#ladder.pollPause || this.#ladder.heartbeat
    return {
      ...this.#subscriptions.request(),
      ...(watch.length > 0 && { watch }),
      ...(entered.length > 0 && { client: this.#client, entered }),
      ...(heartbeat !== undefined && { heartbeat }),
    }
  }

  /** Best effort: where it does not come through, presence ends with its time. */
  #sayGoodbye(): void {
    const farewell = this.#memberships.farewell((channel) => this.#claims.lends('presence', channel))
    const { current } = this.#streams
    if (farewell === null || current === null || !this.#live) return
    if (current.link.send !== undefined) current.link.send(farewell)
    else this.#post(farewell, this.#token.value, new AbortController().signal).catch(() => {})
  }

  // ── The table ──────────────────────────────────────────────────────────────────────────────────────────────────

  get #live(): boolean {
    return this.#state === 'connected' || this.#state === 'degraded'
  }

  /** Why no command is taken; null: they are. */
  get #over(): RealtimeError | null {
    if (this.#state === 'closed') return new RealtimeError('closed', 'The client is closed.', { outcome: 'failed' })
    if (this.#state !== 'failed' || this.#failure === null) return null
    const { code, message, hint } = this.#failure
    return new RealtimeError(code, message, { hint, outcome: 'failed', cause: this.#failure })
  }

  #fire(trigger: Trigger): void {
    const done = step(this.#state, trigger)
    if (done === null) return
    this.#state = done.next
    for (const effect of done.effects) this.#carryOut(effect)
    this.#tell()
    this.#schedule()
  }

  #carryOut(effect: Effect): void {
    switch (effect) {
      case 'open':
        this.#unwatch ??= this.#environment.watch({
          wake: (trust) => this.#wake(trust),
          hidden: (hidden) => this.#seen(hidden),
          suspend: () => this.#fire('suspend'),
        })
        this.#rounds.begin()
        return
      case 'drop':
        this.#rounds.stop()
        this.#successor.stop()
        this.#streams.endAll()
        this.#courier.stop()
        return
      case 'wait':
        this.#rounds.wait()
        return
      case 'flush':
        this.#courier.flush()
        return
      case 'check':
        this.#check()
        return
      case 'reject': {
        const error = this.#over ?? new RealtimeError('closed', 'The connection ended.')
        this.#outbox.rejectAll(error)
        this.#successor.endSwitch(error)
        return
      }
      default:
        effect satisfies never
    }
  }

  #wake(trust: Trust): void {
    if (step(this.#state, 'wake') === null) return
    this.#trace.add({ step: 'woke', trust })
    this.#trust = trust
    this.#fire('wake')
  }

  #seen(hidden: boolean): void {
    this.#hidden = hidden
    // What others ride on is not this tab's alone.
    if (hidden && !this.#claims.busy) this.#ladder.hide()
    else this.#ladder.shown()
    this.#suit()
    this.#schedule()
  }

  #suit(): void {
    if (this.#ladder.needChanged()) this.#successor.suit()
  }

  #check(): void {
    const { current } = this.#streams
    if (current === null) return
    if (this.#trust === 'none' || this.#now - current.heardAt > doubtfulSilence(current.heartbeat)) {
      this.#streams.fail(current)
      // Now, and not after a pause: it is this client alone that comes back.
      this.#fire('wake')
      return
    }
    if (this.#trust === 'doubt') {
      if (current.link.refresh === undefined) this.#successor.replace()
      else current.link.refresh()
    }
    this.#successor.hurry()
  }

  #tell(): void {
    const { transport, status } = this
    if (transport !== this.#toldTransport) {
      this.#toldTransport = transport
      this.#listener.transport(transport)
    }
    // Without a stream nobody tells who comes and goes.
    if (!this.#live) this.#watching.lost()
    if (status !== this.#told) {
      this.#told = status
      this.#listener.status(status)
    }
    this.companion?.changed()
  }

  // ── From the streams ───────────────────────────────────────────────────────────────────────────────────────────

  #heard(attempt: Attempt, event: ServerEvent): void {
    this.#take(attempt, event)
    if (attempt === this.#streams.current && !attempt.relayed) this.companion?.heard(event)
  }

  #take(attempt: Attempt, event: ServerEvent): void {
    switch (event.type) {
      case 'hello':
        if (!attempt.relayed && !attempt.idle) this.#identity = event.identity ?? null
        this.#wanted.accept(attempt, event)
        // A WebSocket takes commands from here on.
        if (attempt.link.inPlace) this.#wanted.sync()
        return
      case 'expires':
        if (!attempt.relayed) this.#renewal.expires(event.after)
        return
      case 'result':
        this.#outbox.settle(event)
        return
      case 'error':
        this.#listener.error(errorFromBody(event.error))
        return
      case 'status':
        attempt.degraded = event.broker === 'degraded'
        if (attempt.proven) this.#fire(attempt.degraded ? 'degraded' : 'restored')
        return
      case 'unsubscribed': {
        // The token may have expired without the server saying so: with a new one nothing needs to be given up.
        const error = event.error === undefined ? null : errorFromBody(event.error)
        if (blameOf(error, true) === 'token' && this.#token.renewable(attempt.token)) this.#streams.fail(attempt, error)
        else this.#wanted.accept(attempt, event)
        return
      }
      case 'members':
      case 'presence':
        this.#watching.accept(attempt, event)
        return
      case 'unwatched': {
        const error = event.error === undefined ? null : errorFromBody(event.error)
        if (blameOf(error, true) === 'token' && this.#token.renewable(attempt.token)) this.#streams.fail(attempt, error)
        else this.#watching.accept(attempt, event)
        return
      }
      case 'absent':
        this.#memberships.absent(attempt, event.channel)
        return
      default:
        this.#wanted.accept(attempt, event)
        if (event.type === 'cursor') this.#watching.accept(attempt, event)
    }
  }

  // What only other tabs wanted is not told here.

  #deliver(delivery: Delivery): void {
    const own = this.#claims.owns('channel', delivery.channel)
    if (delivery.kind === 'refused') this.#claims.drop('channel', delivery.channel)
    if (own) this.#listener.deliver(delivery)
  }

  #deliverPresence(delivery: PresenceDelivery): void {
    const own = this.#claims.owns('members', delivery.channel)
    if (delivery.kind === 'unwatched') this.#claims.drop('members', delivery.channel)
    if (own) this.#listener.presence(delivery)
  }

  #expelled(channel: string, error: RealtimeError): void {
    const own = this.#claims.owns('presence', channel)
    this.#claims.drop('presence', channel)
    if (own) this.#listener.expelled(channel, error)
    this.companion?.expelled(channel)
  }

  /** A stream shows that it works: it takes over, or shows that the one in use does. */
  #proven(attempt: Attempt): void {
    const streams = this.#streams
    const before = streams.current
    // One that suits better may go on to show that it works as well.
    const above = this.#ladder.above(attempt.rung)
    const mayGoOn = (other: Attempt) => !attempt.relayed && other.purpose === 'connect' && above.includes(other.rung)
    if (attempt !== before && !streams.takeOver(attempt, mayGoOn)) return
    for (const other of [...streams.all]) {
      if (other === attempt) continue
      if (mayGoOn(other)) other.purpose = 'climb'
      else streams.end(other)
    }
    const suspicion = this.#suspects.take()
    // A stream without them was accepted: it was the channels.
    if (suspicion !== null && attempt.rung !== 'websocket') {
      this.#blame(suspicion, suspicion.error)
      if (asksForNothing(this.#request())) attempt.version = this.#wanted.version
      // What the application was told may have made it end the stream.
      if (streams.current !== attempt) return
    }
    if (attempt.relayed) this.#trace.add({ step: 'relay', how: 'given' })
    else {
      this.#trace.add({ step: 'proven', rung: attempt.rung, ms: Math.round(this.#now - attempt.openedAt) })
      this.#ladder.proven(attempt.rung)
      attempt.renewAt = Math.min(attempt.renewAt, attempt.openedAt + this.#ladder.usableLife(attempt.rung))
    }
    this.#diagnosis.tell(null)
    this.#rounds.proven()
    this.#successor.proven(attempt, before)
    this.#fire('proven')
    if (attempt.degraded) this.#fire('degraded')
    this.#successor.continueSwitch(attempt)
    // The tab that leads was found while this one opened a stream by itself.
    if (this.#streams.relay !== null && !attempt.relayed) this.#successor.replace()
    // Behind the events of the frame that proved it.
    this.#wanted.syncSoon()
  }

  /** Two frames that were sent apart came together: this page was busy just then, or something on the way holds back. A second link tells. */
  #spaced(attempt: Attempt, together: boolean): void {
    this.#bunched = together ? this.#bunched + 1 : 0
    if (this.#bunched === 1 && attempt === this.#streams.current) this.#successor.replace()
    if (this.#bunched < 2) return
    this.#bunched = 0
    this.#ladder.held(attempt.rung)
    this.#streams.fail(attempt, null, 'held')
  }

  /** A link is gone, or its server said no. */
  #ended(attempt: Attempt, reason: Closed, wasCurrent: boolean, end: End): void {
    const { bye, rung } = attempt
    const error = bye === null ? reason.error : errorFromBody(bye.error)
    const said = error?.code ?? (reason.status === undefined ? undefined : `HTTP ${reason.status}`)
    if (attempt.relayed) this.#trace.add({ step: 'relay', how: 'ended' })
    else if (end !== 'dropped') this.#trace.add({ step: 'failed', rung, how: end, ...(said !== undefined && { said }) })
    // A poll knows by itself how long it may be held.
    const printed = !attempt.relayed && rung !== 'long-poll' && rung !== 'poll'
    if (end === 'dead' && printed && rung !== 'websocket') this.#ladder.silenced(rung)
    if (end === 'ended' && error === null && attempt.proven && printed) {
      const { openedAt, heardAt, heartbeat } = attempt
      this.#ladder.cut(rung, this.#now - openedAt, this.#now - heardAt, heartbeat)
    }
    if (this.#live && wasCurrent && this.#now - attempt.provenAt >= backoff.healthy) this.#rounds.healthy()
    // It was good until now.
    if (attempt.proven && error?.code === 'token_expired') this.#token.accepted(attempt.token)
    // A poll is asked for anew each time, and refused as a whole where nothing is left of it.
    const asked = attempt.hello && reason.status !== undefined ? this.#asked() : attempt
    let blame = blameOf(error, attempt.hello && asked === attempt)
    if (bye !== null && bye.retryAfter === undefined && blame === 'server') blame = 'client'

    if (error !== null) {
      const hopeless =
        blame === 'client' ||
        (blame === 'token' &&
          !this.#token.renew(attempt.token) &&
          (this.#live || !this.#suspects.suspect(attempt, error))) ||
        (blame === 'channels' && !this.#blame(asked, error))
      if (hopeless) {
        this.#refuse(error)
        return
      }
    }
    const atOnce = blame === 'token' || blame === 'channels'
    const retryAfter = atOnce ? 0 : (bye?.retryAfter ?? error?.retryAfter)
    // What a WebSocket was answered nobody is told.
    const answered = rung === 'websocket' || end !== 'ended' || reason.status !== undefined || attempt.hello
    if (!this.#live) this.#rounds.failed(attempt, wasCurrent, blame, retryAfter, !answered)
    else if (wasCurrent) this.#lost(retryAfter)
    // To another tab, which is not asked any more.
    else if (attempt.relayed && this.#streams.relay === null && this.stream !== null) this.#wanted.sync()
    else this.#successor.failed(attempt, blame, retryAfter)
    this.#schedule()
  }

  /** What the next poll would ask for. */
  #asked(): Pick<Attempt, 'channels' | 'watched'> {
    const { channels, watch = [] } = this.#request()
    return { channels, watched: watch }
  }

  /** Tells the channels that a stream was refused for; false when it had none. */
  #blame({ channels, watched }: Pick<Attempt, 'channels' | 'watched'>, error: RealtimeError): boolean {
    const fresh = {
      channels: channels.filter((request) => request.new),
      watched: watched.filter(({ since }) => !since),
    }
    // Those that were new to it are to blame, if there are any.
    const blamed = fresh.channels.length + fresh.watched.length > 0 ? fresh : { channels, watched }
    this.#wanted.refuse(blamed.channels, error)
    this.#watching.refuse(blamed.watched, error)
    return blamed.channels.length + blamed.watched.length > 0
  }

  /** The stream that the application heard is gone. */
  #lost(retryAfter: number | undefined): void {
    const next = this.#streams.first
    this.#successor.stop()
    this.#rounds.lost(retryAfter, next)
    this.#fire(next === undefined ? 'lost' : 'orphaned')
  }

  /** The server does not want this client. */
  #refuse(error: RealtimeError): void {
    this.#failure = error
    // Else it is no matter of the way there: `error` says what it is.
    this.#diagnosis.tell(blameOf(error, false) === 'token' ? 'unauthorized' : null)
    this.#token.forget()
    this.#suspects.take()
    this.#fire('refused')
    this.#listener.error(error)
  }

  // ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  get #now(): number {
    return this.#environment.clock.monotonic()
  }

  #schedule(): void {
    const parts = [
      this.#streams,
      this.#ladder,
      this.#rounds,
      this.#successor,
      this.#renewal,
      this.#wanted,
      this.#watching,
      this.#memberships,
      this.#courier,
    ]
    this.#alarm.set(this.#state === 'closed' ? NEVER : Math.min(...parts.map((part) => part.nextAt())))
  }

  #tick(): void {
    if (this.#sleep.over()) this.#wake('none')
    this.#suit()
    this.#streams.tick()
    if (this.#rounds.tick()) this.#fire('due')
    this.#wanted.tick()
    this.#watching.tick()
    this.#memberships.tick()
    if (this.#live) this.#successor.tick(this.#streams.current as Attempt)
    this.#renewal.tick()
    this.#courier.tick()
    this.#schedule()
  }
}
