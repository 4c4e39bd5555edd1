/** Commands from the moment they are given until they are answered, over whatever link there is; owned by the connection. */
import {
  type Clock,
  type EnterCommand,
  errorFromBody,
  type HistoryCommand,
  type Json,
  type LeaveCommand,
  type ListCommand,
  limits,
  type Outcome,
  type PublishCommand,
  RealtimeError,
  type ResultEvent,
} from '@rt/protocol'
import { delay, PAST } from '../connection/backoff'

/** What may wait. */
export const capacity = { commands: 1000, bytes: 1024 * 1024 } as const

/** Brackets and commas of a frame are counted with each command. */
const FRAME = limits.frameBytes - 2

/** A command without what the outbox gives it. */
export type Order = WithoutRef<PublishCommand | HistoryCommand | EnterCommand | LeaveCommand | ListCommand>

type WithoutRef<C> = C extends unknown ? Omit<C, 'ref'> : never

/** What carries a frame: a link, or one POST. Commands on one carrier are executed in order. */
export type Carrier = object

interface Entry {
  readonly ref: number
  readonly order: Order
  readonly text: string
  readonly bytes: number
  readonly deadline: number
  readonly resolve: (value: Json) => void
  readonly reject: (error: RealtimeError) => void
  /** Where it is under way; null: it waits to be sent. */
  carrier: Carrier | null
  /** It left at least once and nobody said that it did not happen. */
  doubt: boolean
  tries: number
  /** Not sent before. */
  retryAt: number
  /** Told each time it is sent. */
  readonly sent: ((carrier: Carrier) => void) | undefined
  release: () => void
}

const encoder = new TextEncoder()

export class Outbox {
  readonly #clock: Clock
  readonly #timeout: number
  readonly #random: () => number
  /** By ref, which is the order in which they were given. */
  readonly #entries = new Map<number, Entry>()
  /** Channels of which something told that they are `live`: sent once, never again. */
  readonly #live = new Set<string>()
  #bytes = 0
  #ref = 0

  /** `timeout`: milliseconds that a command may take in all. */
  constructor(clock: Clock, timeout: number, random: () => number) {
    this.#clock = clock
    this.#timeout = timeout
    this.#random = random
  }

  get size(): number {
    return this.#entries.size
  }

  markLive(channel: string): void {
    this.#live.add(channel)
  }

  isLive(channel: string): boolean {
    return this.#live.has(channel)
  }

  /** Takes a command in. Resolves and rejects with what becomes of it. `sent` is told what carries it, each time that it is sent. */
  add(order: Order, signal: AbortSignal | undefined, sent?: (carrier: Carrier) => void): Promise<Json> {
    const ref = ++this.#ref
    let text: string
    try {
      text = JSON.stringify({ ...order, ref })
    } catch (cause) {
      // A circle, a BigInt, a `toJSON` that throws.
      const message = 'The data cannot be written as JSON.'
      return Promise.reject(
        new RealtimeError('invalid_message', message, { cause, outcome: 'failed', hint: 'See `cause`.' }),
      )
    }
    const bytes = encoder.encode(text).length + 1
    if (signal?.aborted === true) return Promise.reject(aborted(signal, 'failed'))
    if (bytes > FRAME) {
      const limit = `${bytes} bytes; a command may have ${FRAME}.`
      return Promise.reject(new RealtimeError('payload_too_large', limit, { outcome: 'failed' }))
    }
    if (this.#entries.size >= capacity.commands || this.#bytes + bytes > capacity.bytes) {
      return Promise.reject(
        new RealtimeError('rate_limited', `${this.#entries.size} commands (${this.#bytes} bytes) wait already.`, {
          hint: 'Await publish() before the next one, or give it up by its signal.',
          outcome: 'failed',
        }),
      )
    }
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        ref,
        order,
        text,
        bytes,
        deadline: this.#clock.monotonic() + this.#timeout,
        resolve,
        reject,
        carrier: null,
        doubt: false,
        tries: 0,
        retryAt: PAST,
        sent,
        release: () => signal?.removeEventListener('abort', abort),
      }
      const abort = () => this.#reject(entry, aborted(signal, outcome(entry)))
      signal?.addEventListener('abort', abort)
      this.#entries.set(ref, entry)
      this.#bytes += bytes
    })
  }

  /**
   * The next frame for this carrier, or null. What is in it counts as under way there. A command is held back while an earlier one of its channel
   * waits or is under way elsewhere, so that retries do not change the order of a channel.
   */
  take(carrier: Carrier): string | null {
    const now = this.#clock.monotonic()
    const held = new Set<string>()
    const frame: string[] = []
    let bytes = 0
    for (const entry of this.#entries.values()) {
      const { channel } = entry.order
      if (entry.carrier === carrier) continue
      if (entry.carrier !== null || entry.retryAt > now) held.add(channel)
      if (held.has(channel)) continue
      if (frame.length === limits.commands || bytes + entry.bytes > FRAME) break
      entry.carrier = carrier
      entry.sent?.(carrier)
      bytes += entry.bytes
      frame.push(entry.text)
    }
    return frame.length === 0 ? null : `[${frame.join(',')}]`
  }

  /** An answer, from whichever stream. */
  settle(result: ResultEvent): void {
    const entry = this.#entries.get(result.ref)
    if (entry === undefined) return
    if ('value' in result) {
      const { value } = result
      // What is not stored has no id.
      if (typeof value === 'object' && value !== null && 'id' in value && value.id === null)
        this.markLive(entry.order.channel)
      this.#remove(entry)
      entry.resolve(value)
      return
    }
    this.#refuse(entry, errorFromBody(result.error))
  }

  /** The carrier is gone: what was under way there and not answered will be sent again, with the same `messageId`. */
  lost(carrier: Carrier): void {
    for (const entry of [...this.#entries.values()]) {
      if (entry.carrier !== carrier) continue
      entry.carrier = null
      entry.doubt = true
      if (entry.order.type !== 'publish' || !this.#live.has(entry.order.channel)) continue
      const message = 'The link was lost before the answer came; a live message is not sent twice.'
      this.#reject(entry, new RealtimeError('timeout', message, { outcome: 'unknown' }))
    }
  }

  /** The server, or something on the way, refused the whole frame of this carrier. */
  refused(carrier: Carrier, error: RealtimeError): void {
    for (const entry of [...this.#entries.values()]) if (entry.carrier === carrier) this.#refuse(entry, error)
  }

  /** When something is to be done next, by the monotonic clock. */
  nextAt(): number {
    let at = Number.POSITIVE_INFINITY
    for (const { deadline, retryAt, carrier } of this.#entries.values()) {
      at = Math.min(at, deadline)
      // Also one that is over by now: only who calls `expire` has seen that.
      if (carrier === null && retryAt > PAST) at = Math.min(at, retryAt)
    }
    return at
  }

  /** Lets go of pauses that are over, and gives up what waited too long. */
  expire(): void {
    const now = this.#clock.monotonic()
    for (const entry of [...this.#entries.values()]) {
      if (entry.retryAt <= now) entry.retryAt = PAST
      if (entry.deadline > now) continue
      const message = `No answer within ${this.#timeout} ms.`
      this.#reject(entry, new RealtimeError('timeout', message, { outcome: outcome(entry) }))
    }
  }

  /** Gives up everything for this reason. */
  rejectAll({ code, message, hint, cause }: RealtimeError): void {
    for (const entry of [...this.#entries.values()]) {
      this.#reject(entry, new RealtimeError(code, message, { hint, cause, outcome: outcome(entry) }))
    }
  }

  #refuse(entry: Entry, error: RealtimeError): void {
    entry.carrier = null
    if (error.outcome !== 'failed' && error.retryable) entry.doubt = true
    if (!error.retryable || (entry.order.type === 'publish' && this.#live.has(entry.order.channel))) {
      this.#reject(entry, error)
      return
    }
    entry.retryAt = this.#clock.monotonic() + delay(++entry.tries, error.retryAfter, this.#random())
  }

  #reject(entry: Entry, error: RealtimeError): void {
    if (!this.#remove(entry)) return
    entry.reject(error)
  }

  #remove(entry: Entry): boolean {
    if (!this.#entries.delete(entry.ref)) return false
    this.#bytes -= entry.bytes
    entry.release()
    return true
  }
}

function outcome(entry: Entry): Outcome {
  return entry.doubt || entry.carrier !== null ? 'unknown' : 'failed'
}

function aborted(signal: AbortSignal | undefined, outcome: Outcome): RealtimeError {
  return new RealtimeError('timeout', 'Given up by its AbortSignal.', { outcome, cause: signal?.reason })
}
