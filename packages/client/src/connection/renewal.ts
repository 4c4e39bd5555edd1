/** Gets a new token before the one in use expires, and shows it to the server on the stream that is open. Owned by the connection. */
import type { AuthenticateCommand, RealtimeError } from '@rt/protocol'
import { NEVER } from './alarm'
import type { Attempt } from './attempt'
import type { Streams } from './streams'
import type { Token } from './token'

/** Milliseconds before the end at which a new one is asked for; of one that is short-lived a quarter of its time. */
const AHEAD = 25_000

/** The same end is told again and again; two that are nearer than this are one. */
const SAME = 1000

/** Longer than a platform's timer reaches; the streams are renewed before, and tell it again. */
const FAR = 2 ** 31 - 1

export interface RenewalOptions {
  readonly streams: Streams
  readonly token: Token
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Told why no token could be had. */
  readonly error: (error: RealtimeError) => void
  /** Something changed that `nextAt` depends on. */
  readonly changed: () => void
}

export class Renewal {
  readonly #options: RenewalOptions
  #expiresAt = NEVER
  #dueAt = NEVER

  constructor(options: RenewalOptions) {
    this.#options = options
  }

  /** The server says how long the identity lasts that it sees. */
  expires(after: number | undefined): void {
    const { now } = this.#options
    const at = after === undefined || after > FAR ? NEVER : now() + after
    if (Math.abs(at - this.#expiresAt) < SAME) return
    this.#expiresAt = at
    this.#dueAt = at === NEVER ? NEVER : at - Math.min(AHEAD, (at - now()) / 4)
  }

  /** When to call {@link tick}. */
  nextAt(): number {
    return this.#stream === null ? NEVER : this.#dueAt
  }

  tick(): void {
    const { token, now, error, changed } = this.#options
    if (this.#stream === null || this.#dueAt > now()) return
    // Where that brings nothing, once more at the end: the server waits for it a little.
    this.#dueAt = now() < this.#expiresAt ? this.#expiresAt : NEVER
    token.refresh().then((another) => {
      if (another) this.#show()
      changed()
    }, error)
  }

  #show(): void {
    const { token, now } = this.#options
    const { value } = token
    const stream = this.#stream
    // A link that is opened shows it.
    if (stream === null) return
    const { link } = stream
    if (link.inPlace && value !== undefined) {
      const command: AuthenticateCommand = { type: 'authenticate', token: value }
      stream.token = value
      link.send?.(JSON.stringify([command]))
    } else if (link.refresh !== undefined) {
      stream.token = value
      link.refresh()
    }
    // The next stream takes its place when it is there.
    else stream.renewAt = now()
  }

  /** The stream to show it on; null: there is none, or it is another tab's. */
  get #stream(): Attempt | null {
    const { current } = this.#options.streams
    return current?.proven === true && !current.relayed ? current : null
  }
}
