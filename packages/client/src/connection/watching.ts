/** The channels whose members the application watches: keeps the current stream in line with them, asks again for those refused for the moment. Owned by the connection. */
import { type ErrorBody, errorFromBody, type RealtimeError, type ServerEvent, type WatchRequest } from '@rt/protocol'
import { Refusals } from '../channels/refusals'
import type { PresenceDelivery, Watches } from '../channels/watches'
import type { Attempt } from './attempt'
import type { Streams } from './streams'

export interface WatchingOptions {
  readonly watches: Watches
  readonly streams: Streams
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  /** Something else is wanted: the stream is to be brought in line. */
  readonly want: () => void
  /** Calls into the application. */
  readonly tell: (delivery: PresenceDelivery) => void
}

export class Watching {
  readonly #options: WatchingOptions
  readonly #refusals = new Refusals()

  constructor(options: WatchingOptions) {
    this.#options = options
  }

  add(channel: string): void {
    this.#options.watches.add(channel)
    this.#options.want()
  }

  remove(channel: string): void {
    const { watches, streams, want } = this.#options
    this.#refusals.settle(channel)
    watches.remove(channel)
    for (const attempt of streams.all) {
      if (!attempt.watch.requested.has(channel)) continue
      // It asks for what lies behind a list that is forgotten now.
      if (attempt !== streams.current) attempt.outdated = true
      else if (attempt.link.inPlace) this.#leave(attempt, channel)
    }
    want()
  }

  /** Takes in an event of the current stream. */
  accept(attempt: Attempt, event: ServerEvent): void {
    const { watches, tell } = this.#options
    if (event.type === 'members' || event.type === 'presence') {
      this.#refusals.settle(event.channel)
      const delivery = watches.members(attempt.watch, event)
      if (delivery !== null) tell(delivery)
    } else if (event.type === 'unwatched') {
      const error = watches.unwatched(attempt.watch, event)
      if (error !== null) this.#refused(event.channel, error)
    } else if (event.type === 'cursor' && attempt.link.refresh !== undefined) {
      // The end of an answer to a poll, which says only what is new. Streams begin with every channel that they watch.
      this.#tellAll(watches.relink())
    }
  }

  /** Tells the channels that a stream was refused for. */
  refuse(watched: readonly WatchRequest[], error: RealtimeError): void {
    for (const { channel } of watched)
      if (this.#options.watches.has(channel)) this.#refusedForGood(channel, error.toJSON())
  }

  /** There is no stream. */
  lost(): void {
    this.#tellAll(this.#options.watches.unlink())
  }

  /** On a link that takes commands: what it is to be told. */
  command(attempt: Attempt): void {
    const { watches } = this.#options
    const wanted = new Map(watches.request().map((request) => [request.channel, request]))
    for (const channel of [...attempt.watch.requested]) if (!wanted.has(channel)) this.#leave(attempt, channel)
    for (const [channel, request] of wanted) {
      if (attempt.watch.requested.has(channel)) continue
      watches.join(attempt.watch, channel)
      attempt.outgoing.push({ type: 'watch', ...request })
    }
  }

  /** When to call {@link tick}. */
  nextAt(): number {
    return this.#refusals.nextAt()
  }

  /** Asks again for what was refused. */
  tick(): void {
    const { watches, now, want } = this.#options
    for (const { channel } of this.#refusals.due(now())) {
      watches.resume(channel)
      want()
    }
  }

  #leave(attempt: Attempt, channel: string): void {
    this.#options.watches.leave(attempt.watch, channel)
    attempt.outgoing.push({ type: 'unwatch', channel })
  }

  #refused(channel: string, body: ErrorBody): void {
    const { watches, now, random } = this.#options
    const error = errorFromBody(body)
    if (!error.retryable) {
      this.#refusedForGood(channel, body)
      return
    }
    this.#refusals.add(channel, error, false, now(), random())
    this.#tellAll(watches.unlink([channel]))
  }

  #refusedForGood(channel: string, error: ErrorBody): void {
    const { watches, tell, want } = this.#options
    this.#refusals.settle(channel)
    watches.remove(channel)
    want()
    tell({ kind: 'unwatched', channel, error })
  }

  #tellAll(deliveries: readonly PresenceDelivery[]): void {
    for (const delivery of deliveries) this.#options.tell(delivery)
  }
}
