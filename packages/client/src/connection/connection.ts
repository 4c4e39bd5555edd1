/** The client's one connection: opens streams, proves them, replaces them without a break, and owns every timer. Driven by the channels; made by createClient. */
import {
  type ByeEvent,
  type ChannelRequest,
  type Command,
  errorFromBody,
  isRealtimeError,
  limits,
  RealtimeError,
  type ResultEvent,
  type ServerEvent,
  type Timer,
} from '@rt/protocol'
import type { Order } from '../channels/outbox'
import { Outbox } from '../channels/outbox'
import { type Delivery, type StreamState, Subscriptions } from '../channels/subscriptions'
import { Ladder } from '../ladder/ladder'
import type { Environment } from '../ports/environment'
import type { Closed, Link, Post, Rung, Transport } from '../ports/transport'
import { backoff, delay } from './backoff'
import { deadlines, doubtfulSilence, helloWithin, renewAfter, silence } from './liveness'
import { type Effect, type State, type Status, statusOf, step, type Trigger } from './states'

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

/** Why a stream was opened: to get connected, for a better rung, because the application asked for this rung, or in place of the present one. */
type Purpose = 'connect' | 'climb' | 'switch' | 'replace'

/** One stream from its opening to its end. */
interface Attempt {
  readonly rung: Rung
  purpose: Purpose
  readonly stream: StreamState
  readonly channels: readonly ChannelRequest[]
  /** The version of the wanted channels that it asks for. */
  version: number
  link: Link
  /** Events that wait until the stream takes over; null: it is the one that the application hears. */
  held: ServerEvent[] | null
  hello: boolean
  /** `hello` and a further sign of life came through. */
  proven: boolean
  provenAt: number
  heardAt: number
  heartbeat: number
  /** When it counts as failed unless something is heard. */
  deadline: number
  renewAt: number
  /** A channel was given up that it asked for: it may not take over. */
  outdated: boolean
  degraded: boolean
  bye: ByeEvent | null
  /** Commands about channels that wait for `hello`. */
  readonly outgoing: Command[]
}

/** One walk down the ladder. */
interface Round {
  left: Rung[]
  retryAfter: number | undefined
}

/** One POST of commands. */
interface Posting {
  readonly abort: AbortController
  deadline: number
}

const NEVER = Number.POSITIVE_INFINITY

export class Connection {
  readonly #options: ConnectionOptions
  readonly #listener: ConnectionListener
  readonly #environment: Environment
  readonly #subscriptions = new Subscriptions()
  readonly #outbox: Outbox
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
  readonly #lasts = new Map<string, number>()
  /** Channels that the server refused for the moment. */
  readonly #again = new Map<string, { at: number; tries: number; gap: boolean }>()

  #token: string | undefined
  /** When the token was last renewed: a new one that is refused so soon is refused for good. */
  #renewedAt = Number.NEGATIVE_INFINITY
  /** Channels that a stream was refused for as a whole with "who are you?", which may mean them or us: a stream without them tells. */
  #suspects: { readonly channels: readonly ChannelRequest[]; readonly error: RealtimeError } | null = null
  #posting: Posting | null = null
  #postFailures = 0

  #timer: Timer | undefined
  #timerAt = NEVER
  #staggerAt = NEVER
  #retryAt = NEVER
  #climbAt = NEVER
  #replaceAt = NEVER
  #postAt = NEVER
  #syncing = false
  #flushing = false

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options
    this.#listener = listener
    this.#environment = options.environment
    const { clock, random } = options.environment
    this.#outbox = new Outbox(clock, options.timeout, random)
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
    if (current?.proven === true) this.#fail(current, 'The application asked for a new link.')
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
      if (current?.proven !== true) return this.#fire('connect')
      if (current.rung === rung) return this.#switched(null)
      this.#endCandidates()
      this.#launch(rung, 'switch')
    })
  }

  subscribe(channel: string, last: number): void {
    this.#lasts.set(channel, last)
    this.#subscriptions.add(channel, last)
    this.#changed()
    this.#fire('connect')
  }

  unsubscribe(channel: string): void {
    this.#lasts.delete(channel)
    this.#again.delete(channel)
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
    if (this.#state === 'closed')
      return Promise.reject(new RealtimeError('closed', 'The client is closed.', { outcome: 'failed' }))
    if (order.type === 'publish' && this.#outbox.isLive(order.channel) && !this.#live) {
      const message = 'There is no link, and live messages are not kept.'
      return Promise.reject(new RealtimeError('timeout', message, { outcome: 'failed' }))
    }
    const answer = this.#outbox.add(order, signal)
    this.#flushSoon()
    this.#fire('connect')
    this.#schedule()
    return answer
  }

  // ── The table ──────────────────────────────────────────────────────────────────────────────────────────────────

  get #live(): boolean {
    return this.#state === 'connected' || this.#state === 'degraded'
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
        this.#flush()
        return
      case 'check':
        this.#check()
        return
      case 'reject':
        this.#outbox.rejectAll(
          'closed',
          this.#state === 'closed' ? 'The client was closed.' : 'The server refused the connection.',
        )
        this.#switched(new RealtimeError('closed', 'The connection ended.'))
        return
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
    this.#identify().then(
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
    const attempt: Attempt = {
      rung,
      purpose,
      stream: this.#subscriptions.open(),
      channels,
      version: this.#version,
      link: { close() {} },
      held: this.#current === null ? null : [],
      hello: false,
      proven: false,
      provenAt: now,
      heardAt: now,
      heartbeat: 0,
      deadline: now + helloWithin(this.#failedRounds),
      renewAt: NEVER,
      outdated: false,
      degraded: false,
      bye: null,
      outgoing: [],
    }
    this.#attempts.add(attempt)
    this.#current ??= attempt
    attempt.link = transport.open(
      { request: () => this.#subscriptions.request(), token: () => this.#token },
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

  /** Makes sure that there is a token when one is needed. Rejects with a RealtimeError. */
  async #identify(): Promise<void> {
    const { token } = this.#options
    if (token === undefined || this.#token !== undefined) return
    try {
      this.#token = typeof token === 'string' ? token : await token()
    } catch (error) {
      if (isRealtimeError(error)) throw error
      throw new RealtimeError('internal', 'token() failed.', { cause: error, hint: 'See `cause`.' })
    }
  }

  /** Whether a new token may help. */
  get #renewable(): boolean {
    return typeof this.#options.token === 'function' && this.#now - this.#renewedAt >= backoff.healthy
  }

  /** Forgets the token so that a new one is fetched; false when that would not help. */
  #renew(): boolean {
    if (!this.#renewable) return false
    this.#renewedAt = this.#now
    this.#token = undefined
    return true
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
        if (blameOf(error, true) === 'token' && this.#renewable) {
          attempt.link.close()
          return this.#closed(attempt, { error, detail: 'A channel was refused.' })
        }
        return this.#accept(attempt, event)
      }
      default:
        this.#accept(attempt, event)
        if (event.type === 'hello') this.#sync()
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
      const again = this.#again.get(channel)
      this.#again.delete(channel)
      if (again?.gap === true) {
        this.#listener.deliver({ kind: 'gap', channel, gap: { type: 'gap', channel, reason: 'history' } })
      }
    }
    if (kind === 'refused') {
      const error = errorFromBody(delivery.event.error ?? {})
      if (error.retryable) {
        const before = this.#again.get(channel)
        const tries = (before?.tries ?? 0) + 1
        const at = this.#now + delay(tries, error.retryAfter, this.#environment.random())
        this.#again.set(channel, { at, tries, gap: lost || before?.gap === true })
        return
      }
      this.#again.delete(channel)
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
      if (!this.#mayTakeOver(attempt)) return this.#relaunch(attempt)
      this.#takeOver(attempt)
      if (this.#current !== attempt) return
    }
    this.#endCandidates()
    const suspects = this.#suspects
    this.#suspects = null
    if (suspects !== null && attempt.rung !== 'websocket') this.#refuseChannels(suspects.channels, suspects.error)
    this.#round = null
    this.#staggerAt = this.#retryAt = this.#replaceAt = NEVER
    this.#failedRounds = this.#replaceFailures = 0
    this.#ladder.proven(attempt.rung, this.#now)
    if (before === attempt || before?.rung !== attempt.rung || this.#climbAt === NEVER) {
      this.#climbAt = this.#now + this.#ladder.nextClimb(attempt.rung)
    }
    if (this.#switching !== null) {
      const there = this.#switching.rung === attempt.rung
      this.#switched(there ? null : new RealtimeError('unsupported', `"${this.#switching.rung}" does not work here.`))
    }
    this.#fire('proven')
    if (attempt.degraded) this.#fire('degraded')
    this.#sync()
  }

  /** Whether nothing that the application hears would be lost: another stream may have established a channel meanwhile. */
  #mayTakeOver(attempt: Attempt): boolean {
    return !attempt.outdated && this.#subscriptions.covers(attempt.stream)
  }

  #takeOver(attempt: Attempt): void {
    const before = this.#current
    this.#current = attempt
    const held = attempt.held ?? []
    attempt.held = null
    for (const event of held) {
      if (this.#current !== attempt) return
      this.#feed(attempt, event)
    }
    if (before !== null && this.#attempts.has(before)) this.#end(before)
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
  #fail(attempt: Attempt, detail: string): void {
    attempt.link.close()
    this.#closed(attempt, { error: null, detail })
  }

  #endCandidates(): void {
    for (const attempt of [...this.#attempts]) if (attempt !== this.#current) this.#end(attempt)
  }

  #drop(): void {
    this.#round = null
    for (const attempt of [...this.#attempts]) this.#end(attempt)
    this.#abortPost()
    this.#staggerAt = this.#retryAt = this.#climbAt = this.#replaceAt = this.#postAt = NEVER
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
      const hopeless = blame === 'token' && !this.#renew() && !this.#suspect(attempt, error)
      if (hopeless || blame === 'client') return this.#refuse(error)
      if (blame === 'channels' && !this.#refuseChannels(attempt.channels, error)) return this.#refuse(error)
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
    if (next === undefined) return this.#fire('lost')
    this.#round.left = this.#ladder.order(this.#now).filter((rung) => rung !== next.rung)
    this.#promote(next)
    this.#fire('orphaned')
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
      round.retryAfter = Math.max(round.retryAfter ?? 0, retryAfter ?? 0)
      if (retryAfter === undefined) round.retryAfter = undefined
    }
    const [next] = this.#attempts
    if (next === undefined) this.#nextRung(round)
    else if (wasCurrent) this.#promote(next)
  }

  #candidateFailed(attempt: Attempt, blame: Blame, retryAfter: number | undefined): void {
    if (blame === 'token') {
      this.#identify().then(
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
        this.#climb()
        break
      case 'switch':
        this.#ladder.failed(attempt.rung)
        this.#switched(new RealtimeError('unsupported', `"${attempt.rung}" does not work here.`))
        if (this.#current !== null) this.#climbAt = this.#now + this.#ladder.nextClimb(this.#current.rung)
        break
      default:
        this.#replaceFailures++
        this.#replaceAt = this.#now + delay(this.#replaceFailures, retryAfter, this.#environment.random())
    }
    this.#sync()
  }

  #refuse(error: RealtimeError): void {
    this.#token = undefined
    this.#renewedAt = Number.NEGATIVE_INFINITY
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
    if (this.#now - current.heardAt > doubtfulSilence(current.heartbeat)) this.#fail(current, 'Silent while away.')
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

  // ── Commands ───────────────────────────────────────────────────────────────────────────────────────────────────

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.#flush()
      this.#schedule()
    })
  }

  #flush(): void {
    const current = this.#current
    if (!this.#live || current === null) return
    const { link } = current
    if (link.send === undefined) return this.#postNext()
    for (let frame = this.#outbox.take(current); frame !== null; frame = this.#outbox.take(current)) link.send(frame)
  }

  #postNext(): void {
    if (this.#posting !== null || (this.#postAt !== NEVER && this.#postAt > this.#now)) return
    const posting: Posting = { abort: new AbortController(), deadline: this.#now + deadlines.post }
    const frame = this.#outbox.take(posting)
    if (frame === null) return
    this.#posting = posting
    this.#postAt = NEVER
    this.#options.post(frame, this.#token, posting.abort.signal).then(
      (results) => {
        if (this.#posting !== posting) return
        this.#postFailures = 0
        for (const event of results) if (event.type === 'result') this.#outbox.settle(event as ResultEvent)
        this.#posted(posting)
      },
      (reason: Closed) => {
        if (this.#posting === posting) this.#postFailed(posting, reason)
      },
    )
  }

  #posted(posting: Posting): void {
    this.#posting = null
    this.#outbox.lost(posting)
    this.#flush()
    this.#schedule()
  }

  #postFailed(posting: Posting, { error, detail }: Closed): void {
    this.#postFailures++
    this.#postAt = this.#now + delay(this.#postFailures, error?.retryAfter, this.#environment.random())
    const blame = blameOf(error, false)
    if (detail.startsWith('413'))
      this.#outbox.refused(posting, new RealtimeError('payload_too_large', detail, { outcome: 'failed' }))
    else if (
      error !== null &&
      blame === 'token' &&
      this.#postFailures === 1 &&
      typeof this.#options.token === 'function'
    ) {
      this.#token = undefined
      this.#postAt = posting.deadline = NEVER
      const again = () => {
        if (this.#posting === posting) this.#posted(posting)
      }
      this.#identify().then(again, again)
      return
    } else if (error !== null && blame !== 'server') this.#outbox.refused(posting, error)
    this.#posted(posting)
  }

  #abortPost(): void {
    const posting = this.#posting
    if (posting === null) return
    this.#posting = null
    posting.abort.abort()
    this.#outbox.lost(posting)
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
    let at = Math.min(
      this.#staggerAt,
      this.#retryAt,
      this.#climbAt,
      this.#replaceAt,
      this.#postAt,
      this.#outbox.nextAt(),
    )
    for (const attempt of this.#attempts) at = Math.min(at, attempt.deadline)
    for (const again of this.#again.values()) at = Math.min(at, again.at)
    if (this.#live) at = Math.min(at, this.#current?.renewAt ?? NEVER)
    return Math.min(at, this.#posting?.deadline ?? NEVER)
  }

  #tick(): void {
    this.#timer = undefined
    this.#timerAt = NEVER
    const now = this.#now
    this.#outbox.expire()
    for (const attempt of [...this.#attempts]) {
      if (attempt.deadline > now || !this.#attempts.has(attempt)) continue
      this.#fail(attempt, attempt.proven ? 'Silent.' : attempt.hello ? 'Nothing after `hello`.' : 'No `hello` in time.')
    }
    if (this.#posting !== null && this.#posting.deadline <= now) {
      const posting = this.#posting
      posting.abort.abort()
      this.#postFailed(posting, { error: null, detail: 'No answer in time.' })
    }
    if (this.#retryAt <= now) this.#fire('due')
    if (this.#staggerAt <= now) {
      this.#staggerAt = NEVER
      if (this.#round !== null && this.#attempts.size === 1 && this.#current?.hello === false)
        this.#nextRung(this.#round)
      this.#staggerAt = NEVER
    }
    for (const [channel, again] of this.#again) {
      if (again.at > now) continue
      again.at = NEVER
      this.#subscriptions.add(channel, again.gap ? 0 : (this.#lasts.get(channel) ?? 0))
      this.#changed()
    }
    if (this.#live) this.#maintain(now)
    if (this.#postAt <= now) this.#postAt = NEVER
    this.#flush()
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

/** Who is to blame when a stream or a request did not work. */
type Blame =
  /** The way there: try another rung. */
  | 'path'
  /** The server, for the moment: come back later. */
  | 'server'
  /** The token: fetch a new one. */
  | 'token'
  /** The channels that were asked for. */
  | 'channels'
  /** We: another try changes nothing. */
  | 'client'

function blameOf(error: RealtimeError | null, hello: boolean): Blame {
  switch (error?.code) {
    case undefined:
    case 'unsupported':
    case 'not_acceptable':
    case 'method_not_allowed':
    case 'unsupported_media_type':
      return 'path'
    case 'unauthenticated':
    case 'token_expired':
      return 'token'
    case 'forbidden':
    case 'unknown_channel':
    case 'too_many_channels':
      return hello ? 'client' : 'channels'
    default:
      return error?.retryable === true ? 'server' : 'client'
  }
}
