/** What the application wants: brings the current stream in line with it, asks again for channels that were refused for the moment. Owned by the connection. */
import { type ChannelRequest, errorFromBody, limits, type RealtimeError, type ServerEvent } from '@rt/protocol'
import type { Outbox } from '../channels/outbox'
import { Refusals } from '../channels/refusals'
import type { Delivery, Subscriptions } from '../channels/subscriptions'
import type { Attempt } from './attempt'
import type { Streams } from './streams'

export interface WantedOptions {
  readonly subscriptions: Subscriptions
  readonly streams: Streams
  readonly outbox: Outbox
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  /** Opens a stream for what is wanted now in place of the current one. */
  readonly replace: () => void
  /** Adds what else a link is to be told, beside its channels. */
  readonly command: (attempt: Attempt) => void
  /** The stream asks from here on for what is wanted now. */
  readonly asked: (attempt: Attempt) => void
  /** Calls into the application. */
  readonly deliver: (delivery: Delivery) => void
  /** Something changed that `nextAt` depends on. */
  readonly changed: () => void
}

export class Wanted {
  readonly #options: WantedOptions
  /** How many publications the application asked for first, by channel. */
  readonly #lasts = new Map<string, number>()
  readonly #refusals = new Refusals()
  #version = 0
  #soon = false

  constructor(options: WantedOptions) {
    this.#options = options
  }

  /** Counts changes. */
  get version(): number {
    return this.#version
  }

  add(channel: string, last: number): void {
    this.#lasts.set(channel, last)
    this.#options.subscriptions.add(channel, last)
    this.changed()
  }

  remove(channel: string): void {
    const { subscriptions, streams } = this.#options
    this.#settle(channel)
    subscriptions.remove(channel)
    for (const attempt of streams.all) {
      if (!attempt.stream.requested.has(channel)) continue
      if (attempt !== streams.current) attempt.outdated = true
      else if (attempt.link.inPlace) this.#leave(attempt, channel)
    }
    this.changed()
  }

  /** Takes in an event of the current stream and tells the application what follows from it. */
  accept(attempt: Attempt, event: ServerEvent): void {
    const { subscriptions } = this.#options
    const lost = event.type === 'unsubscribed' && subscriptions.isEstablished(event.channel)
    const deliveries = subscriptions.accept(attempt.stream, event)
    for (const delivery of deliveries) this.#deliver(delivery, lost)
    if (event.type === 'gap' && deliveries.length > 0 && subscriptions.isAnew(event.channel)) {
      // What it asked for first was heard before the gap.
      this.#lasts.set(event.channel, 0)
      this.changed()
    }
  }

  /** Tells the channels that a stream was refused for. */
  refuse(channels: readonly ChannelRequest[], error: RealtimeError): void {
    const { subscriptions, deliver } = this.#options
    for (const { channel } of channels) {
      if (!subscriptions.channels.has(channel)) continue
      subscriptions.remove(channel)
      this.#lasts.delete(channel)
      this.#version++
      const event = { type: 'unsubscribed', channel, error: error.toJSON() } as const
      deliver({ kind: 'refused', channel, event })
    }
  }

  /** Something else is wanted. */
  changed(): void {
    this.#version++
    this.syncSoon()
  }

  syncSoon(): void {
    if (this.#soon) return
    this.#soon = true
    // What is subscribed in one go is asked for in one go.
    queueMicrotask(() => {
      this.#soon = false
      this.sync()
      this.#options.changed()
    })
  }

  /** Brings the current stream in line with what is wanted. */
  sync(): void {
    const { streams, replace, asked } = this.#options
    const { current } = streams
    if (current === null) return
    const { link, stream } = current
    if (current.proven && stream.missed) replace()
    if (link.inPlace) this.#command(current)
    else if (current.proven && current.version !== this.#version) {
      if (link.refresh === undefined) replace()
      else {
        current.version = this.#version
        asked(current)
        link.refresh()
      }
    }
  }

  /** When to call {@link tick}. */
  nextAt(): number {
    return this.#refusals.nextAt()
  }

  /** Asks again for what was refused. */
  tick(): void {
    const { subscriptions, now } = this.#options
    for (const { channel, gap } of this.#refusals.due(now())) {
      // What was missed is told as a gap; history behind it would be heard twice.
      subscriptions.add(channel, gap ? 0 : (this.#lasts.get(channel) ?? 0))
      this.changed()
    }
  }

  #deliver(delivery: Delivery, lost: boolean): void {
    const { outbox, now, random, deliver } = this.#options
    const { channel, kind } = delivery
    if (kind === 'subscribed' || kind === 'state') {
      if (kind === 'subscribed' && delivery.id === undefined) outbox.markLive(channel)
      if (this.#refusals.settle(channel)) {
        deliver({ kind: 'gap', channel, gap: { type: 'gap', channel, reason: 'history' } })
      }
    } else if (kind === 'refused') {
      const error = errorFromBody(delivery.event.error ?? {})
      if (error.retryable) {
        this.#refusals.add(channel, error, lost, now(), random())
        return
      }
      this.#settle(channel)
    }
    deliver(delivery)
  }

  /** Nothing is to be asked again for this channel. */
  #settle(channel: string): void {
    this.#refusals.settle(channel)
    this.#lasts.delete(channel)
  }

  /** On a link that takes commands. */
  #command(attempt: Attempt): void {
    const { link, hello, stream, outgoing } = attempt
    if (!hello) return
    const wanted = this.#options.subscriptions.channels
    for (const channel of [...stream.requested]) if (!wanted.has(channel)) this.#leave(attempt, channel)
    for (const channel of wanted) {
      if (!stream.requested.has(channel) || stream.again.has(channel)) this.#join(attempt, channel)
    }
    this.#options.command(attempt)
    const commands = outgoing.splice(0)
    while (commands.length > 0) link.send?.(JSON.stringify(commands.splice(0, limits.commands)))
  }

  #join(attempt: Attempt, channel: string): void {
    const { subscriptions } = this.#options
    subscriptions.join(attempt.stream, channel)
    const last = subscriptions.request().channels.find((request) => request.channel === channel)?.last
    attempt.outgoing.push({ type: 'subscribe', channel, ...(last !== undefined && { last }) })
  }

  #leave(attempt: Attempt, channel: string): void {
    this.#options.subscriptions.leave(attempt.stream, channel)
    attempt.outgoing.push({ type: 'unsubscribe', channel })
  }
}
