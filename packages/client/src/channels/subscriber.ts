/** One callback of a channel: gets messages in order, each once, also when its history comes apart from the stream. Made by a channel. */
import { compareIds, type Id, type RealtimeError } from '@rt/protocol'
import { call } from '../listeners'
import type { Message } from '../types'

export type AnyMessage = Message<unknown, boolean>

export class Subscriber {
  /** How many of the newest publications it wants first. */
  readonly last: number
  /** Told that the subscription ended, and not by the subscriber; null: by closing the client. */
  readonly ended: ((error: RealtimeError | null) => void) | undefined
  readonly #callback: (message: AnyMessage) => void
  /** Messages that wait for the history which was asked for apart; null: none is awaited. */
  #waiting: AnyMessage[] | null = null
  /** The newest that came with that history: the stream, which may be behind it, brings the same once more. */
  #behind: Id | null = null
  /** Given up: nothing is called any more. */
  #over = false

  constructor(
    callback: (message: AnyMessage) => void,
    last: number,
    ended: ((error: RealtimeError | null) => void) | undefined,
  ) {
    this.#callback = callback
    this.last = last
    this.ended = ended
  }

  get over(): boolean {
    return this.#over
  }

  /** Whether its history comes apart from the stream's. */
  get waits(): boolean {
    return this.#waiting !== null
  }

  stop(): void {
    this.#over = true
    this.#waiting = null
  }

  give(message: AnyMessage): void {
    if (this.#over) return
    if (this.#waiting !== null) this.#waiting.push(message)
    else if (this.#behind === null || message.id === null || compareIds(message.id, this.#behind) > 0) {
      call(this.#callback, message)
    }
  }

  /** Keeps messages back until {@link catchUp}. */
  hold(): void {
    this.#waiting = []
  }

  /** Gives the history, then what arrived meanwhile; all in order, each once. */
  catchUp(history: readonly AnyMessage[]): void {
    const waiting = this.#waiting ?? []
    this.#waiting = null
    const known = new Set(history.map(({ id }) => id))
    const all = [...history, ...waiting.filter(({ id }) => !known.has(id))]
    // What arrived may be older than the history that was asked for.
    if (history.length > 0) all.sort((one, other) => compareIds(one.id ?? '', other.id ?? ''))
    for (const message of all) this.give(message)
    this.#behind = history.at(-1)?.id ?? null
  }

  /** The broker began a new life: its ids are not to be compared with those of the old one. */
  anew(): void {
    this.#behind = null
  }
}
