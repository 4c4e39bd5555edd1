/** The token that says who the client is: fetched when first needed, renewed when the server does not take it. Owned by the connection. */
import { isRealtimeError, RealtimeError } from '@rt/protocol'

/** A new token that is refused within so many milliseconds is refused for good. */
const RENEWAL = 30_000

export class Token {
  readonly #source: string | (() => string | Promise<string>) | undefined
  readonly #now: () => number
  #value: string | undefined
  #renewedAt = Number.NEGATIVE_INFINITY
  /** What a stream was let in with has expired. */
  #lapsed = false
  /** The call of the source that is under way. */
  #fetching: Promise<void> | null = null

  /** `now`: monotonic milliseconds. */
  constructor(source: string | (() => string | Promise<string>) | undefined, now: () => number) {
    this.#source = source
    this.#now = now
  }

  /** The present one; undefined when there is none, or none yet. */
  get value(): string | undefined {
    return this.#value
  }

  /**
   * Whether another one may be had than the one that the server refused. A stream and a POST may be refused at the same time with the same one: the
   * second refusal says nothing about the one that takes its place.
   */
  renewable(refused: string | undefined): boolean {
    if (this.#replaced(refused)) return true
    // Without any it is the cookies that say who it is: others may be there since the stream was opened.
    if (this.#source === undefined) return this.#lapsed
    return typeof this.#source === 'function' && this.#now() - this.#renewedAt >= RENEWAL
  }

  /** Forgets the one that was refused so that the next `fetch` gets a new one; false when that would not help. */
  renew(refused: string | undefined): boolean {
    if (!this.renewable(refused)) return false
    if (this.#replaced(refused)) return true
    this.#renewedAt = this.#now()
    this.#lapsed = false
    this.#value = undefined
    return true
  }

  /** A stream that showed it was let in, and ended when it expired: a new one helps, however short that was. */
  accepted(shown: string | undefined): void {
    if (shown !== this.#value) return
    this.#renewedAt = Number.NEGATIVE_INFINITY
    this.#lapsed = true
  }

  /**
   * Asks for another one while the present one still holds, which stays until then. Resolves whether there is one; where cookies say who it is,
   * these may be others by now. Rejects with a RealtimeError.
   */
  async refresh(): Promise<boolean> {
    const source = this.#source
    if (typeof source !== 'function') return source === undefined
    const before = this.#value
    await this.#fetch(source)
    return this.#value !== before
  }

  /** As if nothing had been fetched yet. */
  forget(): void {
    this.#value = undefined
    this.#renewedAt = Number.NEGATIVE_INFINITY
  }

  /** Resolves when there is one, or none is needed. Rejects with a RealtimeError. */
  async fetch(): Promise<void> {
    const source = this.#source
    if (source === undefined || this.#value !== undefined) return
    if (typeof source === 'string') this.#value = source
    else await this.#fetch(source)
  }

  #fetch(source: () => string | Promise<string>): Promise<void> {
    this.#fetching ??= this.#ask(source).finally(() => {
      this.#fetching = null
    })
    return this.#fetching
  }

  async #ask(source: () => string | Promise<string>): Promise<void> {
    try {
      this.#value = await source()
    } catch (error) {
      if (isRealtimeError(error)) throw error
      throw new RealtimeError('internal', 'token() failed.', { cause: error, hint: 'See `cause`.' })
    }
  }

  #replaced(token: string | undefined): boolean {
    return token !== undefined && token !== this.#value
  }
}
