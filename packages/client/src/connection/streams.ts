/** The streams that are open: the one that the application hears, and those that may take its place. Opens, proves and ends them; owned by the connection. */
import type { RealtimeError, ServerEvent } from '@rt/protocol'
import { asksForNothing } from '../asks-for-nothing'
import type { Outbox } from '../channels/outbox'
import type { Subscriptions } from '../channels/subscriptions'
import type { Trace } from '../ladder/trace'
import type { Closed, Relay, ResumeRequest, Rung, Transport } from '../ports/transport'
import { NEVER } from './alarm'
import { type Attempt, createAttempt, type Purpose } from './attempt'
import { deadlines, renewAfter, silence } from './liveness'

/** What holds for every stream that is opened right now. */
export interface Opening {
  /** The version of what is wanted. */
  readonly version: number
  /** Without channels, to see whether the client itself is let in. */
  readonly bare: boolean
  /** Milliseconds until `hello`. */
  readonly within: number
}

/**
 * How a stream ended. `ended`: the other side or the network did it. `silent`: no `hello` in time. `held`: `hello`, and no second sign of life. `dead`: it
 * worked, and was silent for too long. `dropped`: we gave it up.
 */
export type End = 'ended' | 'silent' | 'held' | 'dead' | 'dropped'

/** Told by the streams; implemented by the connection. */
export interface StreamsListener {
  /** An event of the stream that the application hears. */
  heard(attempt: Attempt, event: ServerEvent): void
  /** `hello` and a further sign of life came through it. */
  proven(attempt: Attempt): void
  /** It ended, or did not do what it should. It is forgotten already. */
  ended(attempt: Attempt, reason: Closed, wasCurrent: boolean, end: End): void
  /** Two frames that were sent apart came; `together`: at once. */
  spaced(attempt: Attempt, together: boolean): void
  /** Deadlines changed. */
  changed(): void
}

export interface StreamsOptions {
  readonly subscriptions: Subscriptions
  readonly outbox: Outbox
  /** Best first. */
  readonly transports: readonly Transport[]
  /** What a stream that is opened now is to ask for. */
  readonly request: () => ResumeRequest
  /** The transport for a stream that asks for nothing, on a rung without a link for commands. */
  readonly idle: (rung: Rung) => Transport
  readonly token: () => string | undefined
  /** Milliseconds between two polls at least. */
  readonly pause: () => number
  readonly trace: Trace
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly opening: () => Opening
}

export class Streams {
  readonly #options: StreamsOptions
  readonly #listener: StreamsListener
  readonly #transports: ReadonlyMap<Rung, Transport>
  readonly #open = new Set<Attempt>()
  #current: Attempt | null = null
  /** Another tab's connection, which streams are opened over in place of this one's own. */
  relay: Relay | null = null

  constructor(options: StreamsOptions, listener: StreamsListener) {
    this.#options = options
    this.#listener = listener
    this.#transports = new Map(options.transports.map((transport) => [transport.rung, transport]))
  }

  /** The stream that the application hears, proven or not; the others hold their events until they take over. */
  get current(): Attempt | null {
    return this.#current
  }

  /** In the order in which they were opened. */
  get all(): ReadonlySet<Attempt> {
    return this.#open
  }

  /** The first that was opened. */
  get first(): Attempt | undefined {
    const [first] = this.#open
    return first
  }

  /** `again`: in place of one that would have lost something by taking over. */
  launch(rung: Rung, purpose: Purpose, again = false): void {
    const { subscriptions, request, idle, token, pause, trace, now, opening } = this.#options
    const asked = request()
    const { version, bare, within } = opening()
    const relay = bare ? null : this.relay
    trace.add(relay === null ? { step: 'try', rung, why: purpose } : { step: 'relay', how: 'asked' })
    const quiet = relay === null && (bare || asksForNothing(asked)) && rung !== 'websocket'
    const transport = relay ?? (quiet ? idle(rung) : (this.#transports.get(rung) as Transport))
    const held = this.#current === null ? null : []
    const stream = subscriptions.open()
    const facts = {
      rung,
      purpose,
      relayed: relay !== null,
      idle: quiet,
      again,
      stream,
      token: token(),
      version,
      held,
      deadline: now() + within,
    }
    const attempt = createAttempt(facts, asked, now())
    this.#open.add(attempt)
    this.#current ??= attempt
    attempt.link = transport.open(
      { request, token, pause },
      {
        events: (events) => {
          if (this.#open.has(attempt)) this.#events(attempt, events)
        },
        alive: (quiet) => {
          if (this.#open.has(attempt)) this.#alive(attempt, quiet ?? 0)
        },
        closed: (reason) => {
          if (this.#open.has(attempt)) this.#ended(attempt, reason, 'ended')
        },
      },
    )
    this.#listener.changed()
  }

  /**
   * Lets the application hear this stream, or, where it would lose something by that, opens it once more. Returns whether it is heard now. The one that was
   * heard ends, unless nothing came through it yet and it `mayGoOn` beside the other.
   */
  takeOver(attempt: Attempt, mayGoOn: (before: Attempt) => boolean = () => false): boolean {
    // Another stream may have established a channel meanwhile.
    if (attempt.outdated || !this.#options.subscriptions.covers(attempt.stream)) {
      // A server that leaves out what it was asked for is not to be asked in a circle.
      if (attempt.again && !attempt.outdated) this.fail(attempt)
      else {
        this.end(attempt)
        this.launch(attempt.rung, attempt.purpose, true)
      }
      return false
    }
    const before = this.#current
    this.#current = attempt
    // First, so that whatever the application does in its callbacks meets one stream.
    if (before !== null && !before.hello && mayGoOn(before)) before.held = []
    else if (before !== null) this.end(before)
    const held = attempt.held ?? []
    attempt.held = null
    for (const event of held) {
      if (this.#current !== attempt) return false
      this.#listener.heard(attempt, event)
    }
    return this.#current === attempt
  }

  /** Lets the application hear a stream that is not proven yet: there is no better one. */
  promote(attempt: Attempt): void {
    attempt.purpose = 'connect'
    this.takeOver(attempt)
  }

  /** We end it. */
  end(attempt: Attempt): void {
    attempt.link.close()
    this.#forget(attempt)
  }

  endOthers(): void {
    for (const attempt of [...this.#open]) if (attempt !== this.#current) this.end(attempt)
  }

  endAll(): void {
    for (const attempt of [...this.#open]) this.end(attempt)
  }

  /** Ends it as a fault would. */
  fail(attempt: Attempt, error: RealtimeError | null = null, end: End = 'dropped'): void {
    attempt.link.close()
    this.#ended(attempt, { error }, end)
  }

  /** When to call {@link tick}. */
  nextAt(): number {
    let at = NEVER
    for (const { deadline } of this.#open) at = Math.min(at, deadline)
    return at
  }

  /** Gives up what was silent for too long. */
  tick(): void {
    const now = this.#options.now()
    for (const attempt of [...this.#open]) {
      if (attempt.deadline > now || !this.#open.has(attempt)) continue
      this.fail(attempt, null, attempt.proven ? 'dead' : attempt.hello ? 'held' : 'silent')
    }
  }

  #events(attempt: Attempt, events: readonly ServerEvent[]): void {
    const now = this.#options.now()
    for (const event of events) {
      if (event.type === 'hello' && !attempt.hello) {
        attempt.hello = true
        attempt.helloAt = now
        attempt.heartbeat = event.heartbeat
        attempt.deadline = now + deadlines.second
        if (event.life !== undefined) attempt.renewAt = now + renewAfter(event.life)
      } else if (event.type === 'bye') {
        attempt.bye = event
        // The link may stay open until then; if not, the wait is the same.
        if (event.retryAfter !== undefined) attempt.renewAt = now + event.retryAfter
      }
      if (event.type === 'beat' && event.after !== undefined && !attempt.relayed && !attempt.spaced) {
        attempt.spaced = true
        this.#listener.spaced(attempt, now - attempt.helloAt < event.after / 2)
        if (!this.#open.has(attempt)) return
      }
      if (attempt.held !== null) attempt.held.push(event)
      else if (attempt === this.#current) this.#listener.heard(attempt, event)
    }
    this.#listener.changed()
  }

  #alive(attempt: Attempt, quiet: number): void {
    const now = this.#options.now()
    attempt.heardAt = now + quiet
    if (!attempt.proven && !attempt.hello) return
    attempt.deadline = now + quiet + silence(attempt.heartbeat)
    if (attempt.proven) return
    attempt.proven = true
    attempt.provenAt = now
    this.#listener.proven(attempt)
  }

  #ended(attempt: Attempt, reason: Closed, end: End): void {
    const wasCurrent = this.#current === attempt
    this.#forget(attempt)
    this.#listener.ended(attempt, reason, wasCurrent, end)
  }

  #forget(attempt: Attempt): void {
    this.#open.delete(attempt)
    if (this.#current === attempt) this.#current = null
    const { subscriptions, outbox } = this.#options
    subscriptions.closed(attempt.stream, this.#current === null ? [] : [this.#current.stream])
    outbox.lost(attempt)
  }
}
