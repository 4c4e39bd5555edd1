/** The client's one connection: opens streams, proves them, replaces them without a break, and owns every timer. Driven by the channels; made by createClient. */
import { type ChannelRequest, errorFromBody, limits, RealtimeError, type ServerEvent, type Timer } from '@rt/protocol'
import { type Order, Outbox } from '../channels/outbox'
import { Refusals } from '../channels/refusals'
import { type Delivery, Subscriptions } from '../channels/subscriptions'
import { Ladder } from '../ladder/ladder'
import type { Environment } from '../ports/environment'
import type { Closed, Post, Rung, Transport } from '../ports/transport'
import { type Attempt, createAttempt, type Purpose } from './attempt'
import { backoff, delay } from './backoff'
import { type Blame, blameOf } from './blame'
import { Courier } from './courier'
import { deadlines, doubtfulSilence, helloWithin, renewAfter, silence } from './liveness'
import { type Effect, type State, type Status, statusOf, step, type Trigger } from './states'
import { Token } from './token'

/** Told by the connection; calls into the application. */
export interface ConnectionListener {
  deliver(delivery: Delivery): void
  status(status: Status): void
  transport(rung: Rung | null): void
  error(error: RealtimeError): void
}

export interface ConnectionOptions {
  readonly environment: Environment
  /** Best first. */
  readonly transports: readonly Transport[]
  /** The transport for a stream of no channels on a rung without a link for commands. */
  readonly idle: (rung: Rung) => Transport
  readonly post: Post
  readonly token: string | (() => string | Promise<string>) | undefined
  /** Milliseconds that a command may take. */
  readonly timeout: number
}

/** One walk down the ladder. */
interface Round {
  left: Rung[]
  retryAfter: number | undefined
}

const NEVER = Number.POSITIVE_INFINITY

export class Connection {
  readonly #options: ConnectionOptions
  readonly #listener: ConnectionListener
  readonly #environment: Environment
  readonly #subscriptions = new Subscriptions()
  readonly #outbox: Outbox
  readonly #courier: Courier
  readonly #ladder: Ladder
  readonly #transports: ReadonlyMap<Rung, Transport>
  #state: State = 'idle'
  #told: Status = 'idle'
  #toldRung: Rung | null = null
  #unwatch: (() => void) | null = null

  readonly #attempts = new Set<Attempt>()
  /** The stream that the application hears, proven or not; the others hold their events until they take over. */
  #current: Attempt | null = null
  #round: Round | null = null
  /** Rounds in a row that ended without a stream. */
  #failedRounds = 0
  /** Tries in a row without a healthy link; 0 right after one. */
  #failures = 1
  /** Rungs that the present look upwards has still to try. */
  #climbing: Rung[] = []
  #switching: { readonly rung: Rung; resolve(): void; reject(error: RealtimeError): void } | null = null
  /** Replacements in a row that failed while the present stream went on. */
  #replaceFailures = 0

  /** Counts changes of the wanted channels. */
  #version = 0
  /** How many publications the application asked for first, by wanted channel. */
  readonly #lasts = new Map<string, number>()
  readonly #refusals = new Refusals()

  readonly #token: Token
  /** What the server refused the client with. */
  #failure: RealtimeError | null = null
  /** Channels that a stream was refused for as a whole with "who are you?", which may mean them or us: a stream without them tells. */
  #suspects: { readonly channels: readonly ChannelRequest[]; readonly error: RealtimeError } | null = null

  #timer: Timer | undefined
  #timerAt = NEVER
  #staggerAt = NEVER
  #retryAt = NEVER
  #climbAt = NEVER
  #replaceAt = NEVER
  #syncing = false

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options
    this.#listener = listener
    this.#environment = options.environment
    const { clock, random } = options.environment
    const now = () => clock.monotonic()
    this.#outbox = new Outbox(clock, options.timeout, random)
    this.#token = new Token(options.token, now)
    this.#courier = new Courier({
      outbox: this.#outbox,
      post: options.post,
      token: this.#token,
      now,
      random,
      route: () => (this.#live && this.#current !== null ? { carrier: this.#current, link: this.#current.link } : null),
      changed: () => this.#schedule(),
    })
    this.#transports = new Map(options.transports.map((transport) => [transport.rung, transport]))
    this.#ladder = new Ladder([...this.#transports.keys()], random)
  }

  // ── For the client and its channels ────────────────────────────────────────────────────────────────────────────

  get status(): Status {
    return statusOf[this.#state]
  }

  /** The rung of the proven stream. */
  get rung(): Rung | null {
    return this.#current?.proven === true ? this.#current.rung : null
  }

  connect(): void {
    this.#fire('connect')
  }

  close(): void {
    this.#fire('close')
    this.#unwatch?.()
    this.#unwatch = null
  }

  /** Ends the link as a fault would; everything resumes by itself. */
  reconnect(): void {
    const current = this.#current
    if (current?.proven === true) this.#fail(current)
    else this.#fire('wake')
  }

  /** Moves to this rung without a break and stays there while it works. */
  switchTo(rung: Rung): Promise<void> {
    if (!this.#ladder.has(rung)) {
      return Promise.reject(new RealtimeError('unsupported', `\`transports\` does not list "${rung}".`))
    }
    this.#switched(new RealtimeError('closed', 'Another switch was asked for.'))
    this.#ladder.pin(rung)
    this.#climbAt = NEVER
    return new Promise((resolve, reject) => {
      this.#switching = { rung, resolve, reject }
      const current = this.#current
      if (current?.proven !== true) this.#fire('connect')
      else if (current.rung === rung) this.#switched(null)
      else {
        this.#endCandidates()
        this.#launch(rung, 'switch')
      }
    })
  }

  subscribe(channel: string, last: number): void {
    this.#lasts.set(channel, last)
    this.#subscriptions.add(channel, last)
    this.#changed()
    this.#fire('need')
  }

  unsubscribe(channel: string): void {
    this.#lasts.delete(channel)
    this.#refusals.settle(channel)
    this.#subscriptions.remove(channel)
    for (const attempt of this.#attempts) {
      if (!attempt.stream.requested.has(channel)) continue
      if (attempt !== this.#current) attempt.outdated = true
      else if (attempt.link.send !== undefined) this.#leave(attempt, channel)
    }
    this.#changed()
  }

  /** Sends a command as soon as there is a link, and again until it is answered. */
  execute(order: Order, signal: AbortSignal | undefined): Promise<unknown> {
    const over = this.#over
    if (over !== null) return Promise.reject(over)
    if (order.type === 'publish' && this.#outbox.isLive(order.channel) && !this.#live) {
      const message = 'There is no link, and live messages are not kept.'
      return Promise.reject(new RealtimeError('timeout', message, { outcome: 'failed' }))
    }
    const answer = this.#outbox.add(order, signal)
    this.#courier.flushSoon()
    this.#fire('need')
    this.#schedule()
    return answer
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
          wake: () => this.#fire('wake'),
          suspend: () => this.#fire('suspend'),
        })
        this.#begin()
        return
      case 'drop':
        this.#drop()
        return
      case 'wait':
        this.#retryAt = this.#now + delay(this.#failures, this.#round?.retryAfter, this.#environment.random())
        this.#failures++
        this.#round = null
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
        this.#switched(error)
        return
      }
      default:
        effect satisfies never
    }
  }

  #tell(): void {
    const { rung } = this
    if (rung !== this.#toldRung) {
      this.#toldRung = rung
      this.#listener.transport(rung)
    }
    const { status } = this
    if (status === this.#told) return
    this.#told = status
    this.#listener.status(status)
  }

  // ── Opening ────────────────────────────────────────────────────────────────────────────────────────────────────

  #begin(): void {
    this.#retryAt = NEVER
    const round: Round = { left: [], retryAfter: undefined }
    this.#round = round
    this.#token.fetch().then(
      () => {
        if (this.#round !== round) return
        round.left = this.#ladder.order(this.#now)
        this.#nextRung(round)
        this.#schedule()
      },
      (error: RealtimeError) => {
        if (this.#round !== round) return
        if (!error.retryable) return this.#refuse(error)
        this.#listener.error(error)
        if (this.#round === round) this.#fire('exhausted')
      },
    )
  }

  #nextRung(round: Round): void {
    const rung = round.left.shift()
    this.#staggerAt = NEVER
    if (rung !== undefined) {
      this.#launch(rung, 'connect')
      if (round.left.length > 0) this.#staggerAt = this.#now + deadlines.stagger
    } else if (this.#attempts.size === 0) {
      this.#failedRounds++
      this.#fire('exhausted')
    }
  }

  #launch(rung: Rung, purpose: Purpose): void {
    const { channels } = this.#subscriptions.request()
    const bare = channels.length === 0 || this.#suspects !== null
    const transport =
      bare && rung !== 'websocket' ? this.#options.idle(rung) : (this.#transports.get(rung) as Transport)
    const now = this.#now
    const attempt = createAttempt(
      {
        rung,
        purpose,
        stream: this.#subscriptions.open(),
        channels,
        version: this.#version,
        held: this.#current === null ? null : [],
        deadline: now + helloWithin(this.#failedRounds),
      },
      now,
    )
    this.#attempts.add(attempt)
    this.#current ??= attempt
    attempt.link = transport.open(
      { request: () => this.#subscriptions.request(), token: () => this.#token.value },
      {
        events: (events) => {
          if (this.#attempts.has(attempt)) this.#events(attempt, events)
        },
        alive: (quiet) => {
          if (this.#attempts.has(attempt)) this.#alive(attempt, quiet ?? 0)
        },
        closed: (reason) => {
          if (this.#attempts.has(attempt)) this.#closed(attempt, reason)
        },
      },
    )
    this.#schedule()
  }

  // ── From the links ─────────────────────────────────────────────────────────────────────────────────────────────

  #events(attempt: Attempt, events: readonly ServerEvent[]): void {
    for (const event of events) {
      if (event.type === 'hello' && !attempt.hello) {
        attempt.hello = true
        attempt.heartbeat = event.heartbeat
        attempt.deadline = this.#now + deadlines.second
        if (event.life !== undefined) attempt.renewAt = this.#now + renewAfter(event.life)
      } else if (event.type === 'bye') {
        attempt.bye = event
        // The link may stay open until then; if not, the wait is the same.
        if (event.retryAfter !== undefined) attempt.renewAt = this.#now + event.retryAfter
      }
      if (attempt.held !== null) attempt.held.push(event)
      else if (attempt === this.#current) this.#feed(attempt, event)
    }
    this.#schedule()
  }

  /** Takes in one event of the stream that the application hears. */
  #feed(attempt: Attempt, event: ServerEvent): void {
    switch (event.type) {
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
        if (blameOf(error, true) === 'token' && this.#token.renewable) {
          attempt.link.close()
          this.#closed(attempt, { error })
        } else this.#accept(attempt, event)
        return
      }
      default:
        this.#accept(attempt, event)
        // A WebSocket takes commands from here on.
        if (event.type === 'hello' && attempt.link.send !== undefined) this.#sync()
    }
  }

  #accept(attempt: Attempt, event: ServerEvent): void {
    const lost = event.type === 'unsubscribed' && this.#subscriptions.isEstablished(event.channel)
    for (const delivery of this.#subscriptions.accept(attempt.stream, event)) this.#deliver(delivery, lost)
  }

  #deliver(delivery: Delivery, lost: boolean): void {
    const { channel, kind } = delivery
    if (kind === 'subscribed') {
      if (delivery.id === undefined) this.#outbox.markLive(channel)
      if (this.#refusals.settle(channel)) {
        this.#listener.deliver({ kind: 'gap', channel, gap: { type: 'gap', channel, reason: 'history' } })
      }
    } else if (kind === 'refused') {
      const error = errorFromBody(delivery.event.error ?? {})
      if (error.retryable) {
        this.#refusals.add(channel, error, lost, this.#now, this.#environment.random())
        return
      }
      this.#refusals.settle(channel)
      this.#lasts.delete(channel)
    }
    this.#listener.deliver(delivery)
  }

  #alive(attempt: Attempt, quiet: number): void {
    const now = this.#now
    attempt.heardAt = now + quiet
    if (!attempt.proven && !attempt.hello) return
    attempt.deadline = now + quiet + silence(attempt.heartbeat)
    if (!attempt.proven) this.#prove(attempt)
  }

  /** A stream shows that it works: it takes over, or shows that the one in use does. */
  #prove(attempt: Attempt): void {
    const before = this.#current
    attempt.proven = true
    attempt.provenAt = this.#now
    if (attempt !== before) {
      if (!this.#mayTakeOver(attempt)) {
        this.#relaunch(attempt)
        return
      }
      this.#takeOver(attempt)
      if (this.#current !== attempt) return
    }
    this.#endCandidates()
    const suspects = this.#suspects
    this.#suspects = null
    if (suspects !== null && attempt.rung !== 'websocket') this.#clear(attempt, suspects)
    this.#round = null
    this.#staggerAt = this.#retryAt = this.#replaceAt = NEVER
    this.#failedRounds = this.#replaceFailures = 0
    this.#ladder.proven(attempt.rung, this.#now)
    if (before === attempt || before?.rung !== attempt.rung || this.#climbAt === NEVER) {
      this.#climbAt = this.#now + this.#ladder.nextClimb(attempt.rung)
    }
    this.#fire('proven')
    if (attempt.degraded) this.#fire('degraded')
    if (this.#switching?.rung === attempt.rung) this.#switched(null)
    else if (this.#switching !== null && this.#current === attempt) this.#launch(this.#switching.rung, 'switch')
    // Behind the events of the frame that proved it.
    this.#syncSoon()
  }

  /** Whether nothing that the application hears would be lost: another stream may have established a channel meanwhile. */
  #mayTakeOver(attempt: Attempt): boolean {
    return !attempt.outdated && this.#subscriptions.covers(attempt.stream)
  }

  #takeOver(attempt: Attempt): void {
    const before = this.#current
    this.#current = attempt
    // First, so that whatever the application does in its callbacks meets one stream.
    if (before !== null) this.#end(before)
    const held = attempt.held ?? []
    attempt.held = null
    for (const event of held) {
      if (this.#current !== attempt) return
      this.#feed(attempt, event)
    }
  }

  /** Opens the same once more, from where the application is now. */
  #relaunch(attempt: Attempt): void {
    this.#end(attempt)
    this.#launch(attempt.rung, attempt.purpose)
  }

  // ── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** We end it. */
  #end(attempt: Attempt): void {
    attempt.link.close()
    this.#forget(attempt)
  }

  #forget(attempt: Attempt): void {
    this.#attempts.delete(attempt)
    if (this.#current === attempt) this.#current = null
    this.#subscriptions.closed(attempt.stream, this.#current === null ? [] : [this.#current.stream])
    this.#outbox.lost(attempt)
  }

  /** It did not do what it should. */
  #fail(attempt: Attempt): void {
    attempt.link.close()
    this.#closed(attempt, { error: null })
  }

  #endCandidates(): void {
    for (const attempt of [...this.#attempts]) if (attempt !== this.#current) this.#end(attempt)
  }

  #drop(): void {
    this.#round = null
    for (const attempt of [...this.#attempts]) this.#end(attempt)
    this.#courier.stop()
    this.#staggerAt = this.#retryAt = this.#climbAt = this.#replaceAt = NEVER
    this.#climbing = []
  }

  /** A link is gone, or its server said no. */
  #closed(attempt: Attempt, reason: Closed): void {
    const wasCurrent = this.#current === attempt
    this.#forget(attempt)
    const { bye } = attempt
    const error = bye === null ? reason.error : errorFromBody(bye.error)
    const retryAfter = bye?.retryAfter ?? error?.retryAfter
    if (this.#live && wasCurrent && this.#now - attempt.provenAt >= backoff.healthy) this.#failures = 0
    let blame = blameOf(error, attempt.hello)
    if (bye !== null && bye.retryAfter === undefined && blame === 'server') blame = 'client'

    if (error !== null) {
      const hopeless =
        blame === 'client' ||
        (blame === 'token' && !this.#token.renew() && !this.#suspect(attempt, error)) ||
        (blame === 'channels' && !this.#refuseChannels(attempt.channels, error))
      if (hopeless) {
        this.#refuse(error)
        return
      }
    }
    const atOnce = blame === 'token' || blame === 'channels'
    const wait = atOnce ? 0 : retryAfter
    if (!this.#live) this.#lostInRound(attempt, wasCurrent, blame, wait)
    else if (wasCurrent) this.#lost(wait)
    else this.#candidateFailed(attempt, blame, wait)
    this.#schedule()
  }

  /** The stream that the application heard is gone. */
  #lost(retryAfter: number | undefined): void {
    const [next] = this.#attempts
    this.#round = { left: [], retryAfter }
    this.#climbAt = this.#replaceAt = NEVER
    if (next === undefined) this.#fire('lost')
    else {
      this.#round.left = this.#ladder.order(this.#now).filter((rung) => rung !== next.rung)
      this.#promote(next)
      this.#fire('orphaned')
    }
  }

  /** Lets the application hear a stream that is not proven yet: there is no better one. */
  #promote(attempt: Attempt): void {
    attempt.purpose = 'connect'
    if (this.#mayTakeOver(attempt)) this.#takeOver(attempt)
    else this.#relaunch(attempt)
  }

  #lostInRound(attempt: Attempt, wasCurrent: boolean, blame: Blame, retryAfter: number | undefined): void {
    const round = this.#round
    if (round === null) return
    if (blame === 'path') this.#ladder.failed(attempt.rung)
    else {
      // Our server answered: the path is fine, and the other rungs would hear the same.
      this.#ladder.proven(attempt.rung, this.#now)
      round.left = []
      round.retryAfter = retryAfter
    }
    const [next] = this.#attempts
    if (next === undefined) this.#nextRung(round)
    else if (wasCurrent) this.#promote(next)
  }

  #candidateFailed(attempt: Attempt, blame: Blame, retryAfter: number | undefined): void {
    if (blame === 'token') {
      this.#token.fetch().then(
        () => {
          if (this.#live && this.#attempts.size === 1) this.#launch(attempt.rung, attempt.purpose)
        },
        (error: RealtimeError) => {
          this.#replaceAt = this.#now + delay(++this.#replaceFailures, undefined, this.#environment.random())
          this.#listener.error(error)
        },
      )
      return
    }
    switch (attempt.purpose) {
      case 'climb':
        // The server that refuses one refuses all.
        if (blame !== 'path') this.#climbing = []
        this.#climb()
        break
      case 'switch':
        this.#ladder.failed(attempt.rung)
        this.#switched(new RealtimeError('unsupported', `"${attempt.rung}" does not work here.`))
        if (this.#current !== null) this.#climbAt = this.#now + this.#ladder.nextClimb(this.#current.rung)
        break
      default:
        this.#replaceFailures++
        if (this.#stuck && this.#current !== null) {
          this.#fail(this.#current)
          return
        }
        this.#replaceAt = this.#now + delay(this.#replaceFailures, retryAfter, this.#environment.random())
    }
    this.#sync()
  }

  /** Other channels are wanted and no second stream can be had, as where a browser's six connections are used up: then one after the other. */
  get #stuck(): boolean {
    return (
      this.#replaceFailures > 2 && this.#current?.version !== this.#version && this.#current?.link.send === undefined
    )
  }

  #refuse(error: RealtimeError): void {
    this.#failure = error
    this.#token.forget()
    this.#suspects = null
    this.#fire('refused')
    this.#listener.error(error)
  }

  /** Whether the channels of a first request may be what was refused, and not the client. On WebSocket channels are refused one by one. */
  #suspect({ rung, hello, channels }: Attempt, error: RealtimeError): boolean {
    const possible = this.#suspects === null && !this.#live && rung !== 'websocket' && !hello
    if (!possible || channels.length === 0 || !channels.every((request) => request.new)) return false
    this.#suspects = { channels, error }
    return true
  }

  /** A stream without them was accepted: it was the channels. */
  #clear(attempt: Attempt, { channels, error }: { channels: readonly ChannelRequest[]; error: RealtimeError }): void {
    this.#refuseChannels(channels, error)
    if (this.#subscriptions.channels.size === 0) attempt.version = this.#version
  }

  /** Tells the channels that a stream was refused for; false when it had none. Those that were new to it are to blame, if there are any. */
  #refuseChannels(channels: readonly ChannelRequest[], error: RealtimeError): boolean {
    const fresh = channels.filter((request) => request.new)
    const refused = fresh.length > 0 ? fresh : channels
    for (const { channel } of refused) {
      if (!this.#subscriptions.channels.has(channel)) continue
      this.#subscriptions.remove(channel)
      this.#lasts.delete(channel)
      this.#version++
      const event = { type: 'unsubscribed', channel, error: error.toJSON() } as const
      this.#listener.deliver({ kind: 'refused', channel, event })
    }
    return refused.length > 0
  }

  #switched(error: RealtimeError | null): void {
    const switching = this.#switching
    this.#switching = null
    if (error === null) switching?.resolve()
    else switching?.reject(error)
  }

  // ── Keeping the stream right ───────────────────────────────────────────────────────────────────────────────────

  #changed(): void {
    this.#version++
    this.#syncSoon()
  }

  #syncSoon(): void {
    if (this.#syncing) return
    this.#syncing = true
    // What is subscribed in one go is asked for in one go.
    queueMicrotask(() => {
      this.#syncing = false
      this.#sync()
      this.#schedule()
    })
  }

  /** Brings the channels of the stream in line with what is wanted. */
  #sync(): void {
    const current = this.#current
    if (current === null) return
    const { link, stream } = current
    if (current.proven && stream.missed && this.#attempts.size === 1 && this.#replaceAt === NEVER) {
      this.#launch(current.rung, 'replace')
    }
    if (link.send !== undefined) {
      if (!current.hello) return
      const wanted = this.#subscriptions.channels
      for (const channel of [...stream.requested]) if (!wanted.has(channel)) this.#leave(current, channel)
      for (const channel of wanted) if (!stream.requested.has(channel)) this.#join(current, channel)
      const commands = current.outgoing.splice(0)
      while (commands.length > 0) link.send(JSON.stringify(commands.splice(0, limits.commands)))
    } else if (current.proven && current.version !== this.#version) {
      if (link.refresh !== undefined) {
        current.version = this.#version
        link.refresh()
      } else if (this.#attempts.size === 1 && this.#replaceAt === NEVER) this.#launch(current.rung, 'replace')
    }
  }

  #join(attempt: Attempt, channel: string): void {
    this.#subscriptions.join(attempt.stream, channel)
    const last = this.#subscriptions.request().channels.find((request) => request.channel === channel)?.last
    attempt.outgoing.push({ type: 'subscribe', channel, ...(last !== undefined && { last }) })
  }

  #leave(attempt: Attempt, channel: string): void {
    this.#subscriptions.leave(attempt.stream, channel)
    attempt.outgoing.push({ type: 'unsubscribe', channel })
  }

  #check(): void {
    const current = this.#current
    if (current === null) return
    if (this.#now - current.heardAt > doubtfulSilence(current.heartbeat)) this.#fail(current)
    else if (this.#climbAt !== NEVER) this.#climbAt = this.#now
  }

  /** Begins or goes on with a look upwards. */
  #climb(): void {
    const current = this.#current
    if (current === null) return
    const rung = this.#climbing.shift()
    if (rung === undefined) this.#climbAt = this.#now + this.#ladder.nextClimb(current.rung)
    else {
      this.#ladder.probing(rung, this.#now)
      this.#launch(rung, 'climb')
    }
  }

  // ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  get #now(): number {
    return this.#environment.clock.monotonic()
  }

  /** Sets the one timer for whatever is due first. One that is set for earlier stays: it will look again. */
  #schedule(): void {
    const { clock } = this.#environment
    const at = this.#state === 'closed' ? NEVER : this.#nextAt()
    if (at === NEVER && this.#timer !== undefined) {
      clock.clearTimeout(this.#timer)
      this.#timer = undefined
      this.#timerAt = NEVER
    }
    if (at >= this.#timerAt) return
    clock.clearTimeout(this.#timer)
    this.#timerAt = at
    this.#timer = clock.setTimeout(() => this.#tick(), Math.max(0, at - this.#now))
  }

  #nextAt(): number {
    let at = Math.min(this.#staggerAt, this.#retryAt, this.#climbAt, this.#replaceAt)
    at = Math.min(at, this.#courier.nextAt(), this.#refusals.nextAt())
    for (const attempt of this.#attempts) at = Math.min(at, attempt.deadline)
    return this.#live ? Math.min(at, this.#current?.renewAt ?? NEVER) : at
  }

  #tick(): void {
    this.#timer = undefined
    this.#timerAt = NEVER
    const now = this.#now
    for (const attempt of [...this.#attempts]) {
      if (attempt.deadline > now || !this.#attempts.has(attempt)) continue
      this.#fail(attempt)
    }
    if (this.#retryAt <= now) this.#fire('due')
    if (this.#staggerAt <= now) {
      const alone = this.#round !== null && this.#attempts.size === 1 && this.#current?.hello === false
      if (alone) this.#nextRung(this.#round as Round)
      // Two at a time are enough.
      this.#staggerAt = NEVER
    }
    for (const { channel, gap } of this.#refusals.due(now)) {
      this.#subscriptions.add(channel, gap ? 0 : (this.#lasts.get(channel) ?? 0))
      this.#changed()
    }
    if (this.#live) this.#maintain(now)
    this.#courier.tick()
    this.#schedule()
  }

  /** What is due while connected. A stream that is being opened goes first. */
  #maintain(now: number): void {
    const current = this.#current as Attempt
    const free = this.#attempts.size === 1
    if (this.#replaceAt <= now || current.renewAt <= now) {
      this.#replaceAt = current.renewAt = NEVER
      if (free) this.#launch(current.rung, 'replace')
      else this.#replaceAt = now + deadlines.second
    } else if (this.#climbAt <= now) {
      this.#climbAt = NEVER
      this.#climbing = this.#ladder.above(current.rung, now)
      if (free) this.#climb()
      else this.#climbAt = now + deadlines.second
    }
  }
}
