/** One channel as the application holds it: its subscribers, its events, its commands. Made by the registry, fed by it. */
import {
  compareIds,
  errorFromBody,
  type HistoryItem,
  type Id,
  type Json,
  limits,
  RealtimeError,
  timeOfId,
  toRealtimeError,
} from '@rt/protocol'
import { call, Listeners } from '../listeners'
import type { ChannelEvents, Message, PublishOptions, SubscribeOptions } from '../types'
import type { Order } from './outbox'
import type { Delivery } from './subscriptions'

/** What a channel asks of the connection. */
export interface ChannelPort {
  subscribe(channel: string, last: number): void
  unsubscribe(channel: string): void
  execute(order: Order, signal: AbortSignal | undefined): Promise<unknown>
  /** The client was closed: nothing comes any more. */
  closed(): boolean
  /** Wall time in milliseconds. */
  now(): number
  /** An error that none of the channel's listeners took. */
  unheard(error: RealtimeError): void
}

type AnyMessage = Message<unknown, boolean>

interface Subscriber {
  readonly callback: (message: AnyMessage) => void
  readonly last: number
  /** Messages that wait for the history which was asked for apart; null: none is awaited. */
  waiting: AnyMessage[] | null
  /** The subscription ended, and not by the subscriber; null: by closing the client. */
  readonly ended: ((error: RealtimeError | null) => void) | undefined
  release(): void
}

/** Messages that may wait in an async iterator that is not read. */
const ITERATOR_LIMIT = 10_000

export class Channel implements AsyncIterable<AnyMessage> {
  readonly name: string
  readonly #port: ChannelPort
  readonly #listeners = new Listeners<ChannelEvents>()
  readonly #subscribers = new Set<Subscriber>()
  /** How many of the newest publications the stream was asked for; null once it is established. */
  #asked: number | null = null
  /** Publications that came before `subscribed`: the history. */
  #history: AnyMessage[] = []

  constructor(name: string, port: ChannelPort) {
    this.name = name
    this.#port = port
  }

  subscribe(callback: (message: AnyMessage) => void, options: SubscribeOptions = {}): () => void {
    return this.#subscribe(callback, options, undefined)
  }

  on<E extends keyof ChannelEvents>(event: E, callback: (value: ChannelEvents[E]) => void): () => void {
    return this.#listeners.on(event, callback)
  }

  async publish(data: unknown, options: PublishOptions = {}): Promise<{ id: Id | null }> {
    const order: Order = {
      type: 'publish',
      channel: this.name,
      data: data as Json,
      messageId: options.messageId ?? randomMessageId(),
    }
    const value = await this.#port.execute(order, options.signal)
    return { id: typeof value === 'object' && value !== null && 'id' in value ? (value.id as Id) : null }
  }

  async history({ last }: { readonly last: number }): Promise<AnyMessage[]> {
    const value = await this.#port.execute({ type: 'history', channel: this.name, last }, undefined)
    return (value as readonly HistoryItem[]).map((item) => this.#message(item))
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<AnyMessage> {
    const queue: AnyMessage[] = []
    let wake: (() => void) | null = null
    let end: { readonly error: RealtimeError | null } | null = null
    const off = this.#subscribe(
      (message) => {
        if (queue.push(message) > ITERATOR_LIMIT) {
          queue.length = 0
          stop(
            new RealtimeError('rate_limited', `The loop over "${this.name}" left ${ITERATOR_LIMIT} messages unread.`),
          )
        }
        wake?.()
      },
      {},
      (error) => stop(error),
    )
    const stop = (error: RealtimeError | null) => {
      end ??= { error }
      off()
      wake?.()
    }
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      async next() {
        while (queue.length === 0 && end === null) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        const value = queue.shift()
        if (value !== undefined) return { done: false, value }
        const error = end?.error ?? null
        end = { error: null }
        if (error !== null) throw error
        return { done: true, value: undefined }
      },
      async return() {
        queue.length = 0
        stop(null)
        return { done: true, value: undefined }
      },
    }
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
        const { data, from } = delivery.message
        const { name: channel } = this
        this.#spread({ channel, data, from: from ?? null, id: null, messageId: null, time: this.#port.now() })
        return
      }
      case 'gap': {
        const { channel, reason } = delivery.gap
        this.#listeners.emit('gap', { channel, reason })
        return
      }
      case 'subscribed':
        this.#established()
        return
      case 'refused':
        this.#refused(errorFromBody(delivery.event.error ?? {}))
        return
      default:
        delivery satisfies never
    }
  }

  /** The client is closed. */
  close(): void {
    this.#endAll(null)
  }

  #subscribe(
    callback: Subscriber['callback'],
    { last = 0, signal }: SubscribeOptions,
    ended: Subscriber['ended'],
  ): () => void {
    if (!Number.isSafeInteger(last) || last < 0 || last > limits.history) {
      throw new RealtimeError('invalid_request', `\`last\` must be a whole number from 0 to ${limits.history}.`)
    }
    if (signal?.aborted === true) return () => {}
    if (this.#port.closed()) {
      queueMicrotask(() => ended?.(null))
      return () => {}
    }
    const off = () => {
      subscriber.release()
      if (this.#subscribers.delete(subscriber) && this.#subscribers.size === 0) {
        this.#asked = null
        this.#history = []
        this.#port.unsubscribe(this.name)
      }
    }
    const release = () => signal?.removeEventListener('abort', off)
    const subscriber: Subscriber = { callback, last, waiting: null, ended, release }
    signal?.addEventListener('abort', off)
    const first = this.#subscribers.size === 0
    this.#subscribers.add(subscriber)
    if (first) {
      this.#asked = last
      this.#port.subscribe(this.name, last)
    } else if (last > (this.#asked ?? 0)) void this.#catchUp(subscriber)
    return off
  }

  /** Gets a later subscriber the history that the stream does not bring; what arrives meanwhile comes after it. */
  async #catchUp(subscriber: Subscriber): Promise<void> {
    subscriber.waiting = []
    let history: AnyMessage[] = []
    try {
      history = await this.history({ last: subscriber.last })
    } catch (error) {
      if (this.#subscribers.has(subscriber)) this.#fail(toRealtimeError(error))
    }
    const known = new Set(history.map(({ id }) => id))
    const all = [...history, ...subscriber.waiting.filter(({ id }) => !known.has(id))]
    subscriber.waiting = null
    // What arrived may be older than the history that was asked for.
    if (history.length > 0) all.sort((one, other) => compareIds(one.id ?? '', other.id ?? ''))
    for (const message of all) this.#give(subscriber, message)
  }

  #established(): void {
    const history = this.#history
    this.#asked = null
    this.#history = []
    for (const subscriber of [...this.#subscribers]) {
      const { last, waiting } = subscriber
      if (waiting !== null || last === 0) continue
      for (const message of history.slice(-last)) this.#give(subscriber, message)
    }
    this.#listeners.emit('subscribed', { channel: this.name })
  }

  #spread(message: AnyMessage): void {
    for (const subscriber of [...this.#subscribers]) this.#give(subscriber, message)
  }

  #give(subscriber: Subscriber, message: AnyMessage): void {
    if (!this.#subscribers.has(subscriber)) return
    if (subscriber.waiting !== null) subscriber.waiting.push(message)
    else call(subscriber.callback, message)
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
    this.#asked = null
    this.#history = []
    let told = false
    for (const { release, ended } of subscribers) {
      release()
      ended?.(error)
      told ||= ended !== undefined
    }
    return told
  }

  #message({ data, id, messageId, from }: HistoryItem): AnyMessage {
    return { channel: this.name, data, from: from ?? null, id, messageId, time: timeOfId(id) }
  }
}

/** 128 random bits. Not randomUUID(), which pages without HTTPS lack. */
function randomMessageId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
