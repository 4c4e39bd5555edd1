/** The token that says who the client is: fetched when first needed, renewed when the server does not take it. Owned by the connection. */
import { isRealtimeError, RealtimeError } from '@rt/protocol'

/** A new token that is refused within so many milliseconds is refused for good. */
const RENEWAL = 30_000

export class Token {
  readonly #source: string | (() => string | Promise<string>) | undefined
  readonly #now: () => number
  #value: string | undefined
  #renewedAt = Number.NEGATIVE_INFINITY

  /** `now`: monotonic milliseconds. */
  constructor(source: string | (() => string | Promise<string>) | undefined, now: () => number) {
    this.#source = source
    this.#now = now
  }

  /** The present one; undefined when there is none, or none yet. */
  get value(): string | undefined {
    return this.#value
  }

  /** Whether a new one may be had that is not the one just refused. */
  get renewable(): boolean {
    return typeof this.#source === 'function' && this.#now() - this.#renewedAt >= RENEWAL
  }

  /** Forgets it so that the next `fetch` gets a new one; false when that would not help. */
  renew(): boolean {
    if (!this.renewable) return false
    this.#renewedAt = this.#now()
    this.#value = undefined
    return true
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
    try {
      this.#value = typeof source === 'string' ? source : await source()
    } catch (error) {
      if (isRealtimeError(error)) throw error
      throw new RealtimeError('internal', 'token() failed.', { cause: error, hint: 'See `cause`.' })
    }
  }
}
