/** One channel as the application holds it: its subscribers, its events, its commands. Made by the registry, fed by it. */
import {
  errorFromBody,
  type HistoryItem,
  type Id,
  isHistory,
  type Json,
  limits,
  payloadOf,
  RealtimeError,
  timeOfId,
  toBase64,
  toRealtimeError,
} from '@rt/protocol'
import { Listeners } from '../listeners'
import type { ChannelEvents, PublishOptions, StateEvents, SubscribeOptions } from '../types'
import { iterate } from './iterator'
import type { Order } from './outbox'
import { Presence, type PresencePort } from './presence'
import { randomId } from './random-id'
import { type AnyMessage, Subscriber } from './subscriber'
import type { Delivery } from './subscriptions'
import type { PresenceDelivery } from './watches'

/** What a channel asks of the connection. */
export interface ChannelPort extends PresencePort {
  subscribe(channel: string, last: number): void
  unsubscribe(channel: string): void
  /** Wall time in milliseconds. */
  now(): number
  /** An error that none of the channel's listeners took. */
  unheard(error: RealtimeError): void
}

type Events = ChannelEvents & StateEvents<Json>

export class Channel implements AsyncIterable<AnyMessage> {
  readonly name: string
  readonly presence: Presence
  readonly #port: ChannelPort
  readonly #listeners = new Listeners<Events>()
  /** Each with what frees it. */
  readonly #subscribers = new Map<Subscriber, () => void>()
  /** How many of the newest publications the stream was asked for; null once it is established. */
  #asked: number | null = null
  /** Publications that came before `subscribed`: the history. */
  #history: AnyMessage[] = []
  #state: Json | undefined

  constructor(name: string, port: ChannelPort) {
    this.name = name
    this.presence = new Presence(name, port)
    this.#port = port
  }

  /** The state that was told last. */
  get state(): Json | undefined {
    return this.#state
  }

  get established(): boolean {
    return this.#subscribers.size > 0 && this.#asked === null
  }

  subscribe(callback: (message: AnyMessage) => void, options: SubscribeOptions = {}): () => void {
    return this.#subscribe(callback, options)
  }

  on<E extends keyof Events>(event: E, callback: (value: Events[E]) => void): () => void {
    return this.#listeners.on(event, callback)
  }

  async publish(data: unknown, options: PublishOptions = {}): Promise<{ id: Id | null }> {
    const order: Order = {
      type: 'publish',
      channel: this.name,
      ...(data instanceof Uint8Array ? { bytes: toBase64(data) } : { data: data as Json }),
      messageId: options.messageId ?? randomId(),
    }
    const value = await this.#port.execute(order, options.signal)
    return { id: typeof value === 'object' && value !== null && 'id' in value ? (value.id as Id) : null }
  }

  async history({ last }: { readonly last: number }): Promise<AnyMessage[]> {
    const value = await this.#port.execute({ type: 'history', channel: this.name, last }, undefined)
    if (!isHistory(value)) throw new RealtimeError('internal', 'What the server answered is no history.')
    return value.map((item) => this.#message(item))
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<AnyMessage> {
    return iterate(this.name, ({ message, ended }) => this.#subscribe(message, {}, ended))
  }

  /** From the connection, in order. */
  deliver(delivery: Delivery): void {
    switch (delivery.kind) {
      case 'message': {
        const message = this.#message(delivery.message)
        if (this.#asked === null) this.#spread(message)
        else this.#history.push(message)
        return
      }
      case 'live': {
        const { from } = delivery.message
        const { name: channel } = this
        const data = payloadOf(delivery.message)
        this.#spread({ channel, data, from: from ?? null, id: null, messageId: null, time: this.#port.now() })
        return
      }
      case 'gap': {
        const { channel, reason, epoch } = delivery.gap
        if (epoch !== undefined) for (const subscriber of this.#subscribers.keys()) subscriber.anew()
        this.#listeners.emit('gap', { channel, reason })
        return
      }
      case 'state': {
        const { channel, state, id } = delivery
        this.#state = state
        this.#listeners.emit('state', { channel, state, id })
        // What follows up to `subscribed` came behind the history.
        this.#giveHistory()
        return
      }
      case 'subscribed':
        this.#giveHistory()
        this.#listeners.emit('subscribed', { channel: this.name })
        return
      case 'refused':
        this.#refused(errorFromBody(delivery.event.error ?? {}))
        return
      default:
        delivery satisfies never
    }
  }

  /** About its members, from the connection, in order. */
  deliverPresence(delivery: PresenceDelivery): void {
    if (delivery.kind === 'members') {
      this.presence.deliver(delivery)
      return
    }
    this.presence.end()
    this.#fail(errorFromBody(delivery.error))
  }

  /** This client is not present here any more, and not by the application. */
  expelled(error: RealtimeError): void {
    this.#fail(error)
  }

  /** The client is closed. */
  close(): void {
    this.#endAll(null)
    this.presence.end()
  }

  #subscribe(
    callback: (message: AnyMessage) => void,
    { last = 0, signal }: SubscribeOptions,
    ended?: (error: RealtimeError | null) => void,
  ): () => void {
    if (!Number.isSafeInteger(last) || last < 0 || last > limits.history) {
      throw new RealtimeError('invalid_request', `\`last\` must be a whole number from 0 to ${limits.history}.`)
    }
    if (signal?.aborted === true || this.#port.closed()) {
      queueMicrotask(() => ended?.(null))
      return () => {}
    }
    const subscriber = new Subscriber(callback, last, ended)
    const off = () => {
      subscriber.stop()
      signal?.removeEventListener('abort', off)
      if (this.#subscribers.delete(subscriber) && this.#subscribers.size === 0) {
        this.#forget()
        this.#port.unsubscribe(this.name)
      }
    }
    signal?.addEventListener('abort', off)
    const first = this.#subscribers.size === 0
    this.#subscribers.set(subscriber, off)
    if (first) {
      this.#asked = last
      this.#port.subscribe(this.name, last)
    } else if (last > (this.#asked ?? 0)) {
      subscriber.hold()
      // Read before the stream has begun, the history could end before the stream's beginning.
      if (this.#asked === null) void this.#catchUp(subscriber)
    }
    return off
  }

  /** Gets a later subscriber the history that the stream does not bring; what arrives meanwhile comes after it. */
  async #catchUp(subscriber: Subscriber): Promise<void> {
    let history: AnyMessage[] = []
    try {
      history = await this.history({ last: subscriber.last })
    } catch (error) {
      if (!subscriber.over) this.#fail(toRealtimeError(error))
    }
    subscriber.catchUp(history)
  }

  /** The stream is complete from here on. */
  #giveHistory(): void {
    if (this.#asked === null) return
    const history = this.#history
    this.#asked = null
    this.#history = []
    for (const subscriber of [...this.#subscribers.keys()]) {
      if (subscriber.waits) void this.#catchUp(subscriber)
      else if (subscriber.last > 0) for (const message of history.slice(-subscriber.last)) subscriber.give(message)
    }
  }

  #spread(message: AnyMessage): void {
    for (const subscriber of [...this.#subscribers.keys()]) subscriber.give(message)
  }

  #refused(error: RealtimeError): void {
    const handled = this.#endAll(error)
    if (!this.#listeners.emit('error', error) && !handled) this.#port.unheard(error)
  }

  #fail(error: RealtimeError): void {
    if (!this.#listeners.emit('error', error)) this.#port.unheard(error)
  }

  /** Returns whether some subscriber was told. */
  #endAll(error: RealtimeError | null): boolean {
    const subscribers = [...this.#subscribers]
    this.#subscribers.clear()
    this.#forget()
    let told = false
    for (const [{ ended }, off] of subscribers) {
      off()
      ended?.(error)
      told ||= ended !== undefined
    }
    return told
  }

  /** As before the first subscriber. */
  #forget(): void {
    this.#asked = null
    this.#history = []
    this.#state = undefined
  }

  #message(item: HistoryItem): AnyMessage {
    const { id, messageId, from = null } = item
    return { channel: this.name, data: payloadOf(item), from, id, messageId, time: timeOfId(id) }
  }
}
