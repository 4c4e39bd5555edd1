/** Carries the outbox's commands to the server: over the link where it takes them, else by POST, one at a time. Owned by the connection, which tells it the time. */
import { RealtimeError, type ServerEvent } from '@rt/protocol'
import type { Outbox } from '../channels/outbox'
import type { Closed, Link, Post } from '../ports/transport'
import { NEVER } from './alarm'
import { delay, PAST } from './backoff'
import { blameOf } from './blame'
import { deadlines } from './liveness'
import type { Token } from './token'

/** One POST under way. */
interface Posting {
  readonly abort: AbortController
  readonly token: string | undefined
  deadline: number
}

export interface CourierOptions {
  readonly outbox: Outbox
  readonly post: Post
  readonly token: Token
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  /** The way of the proven stream; null while there is none. */
  readonly route: () => { readonly carrier: object; readonly link: Link } | null
  /** Something changed that `nextAt` depends on. */
  readonly changed: () => void
}

export class Courier {
  readonly #options: CourierOptions
  #posting: Posting | null = null
  #failures = 0
  /** No POST before this. */
  #pausedUntil = PAST
  #soon = false

  constructor(options: CourierOptions) {
    this.#options = options
  }

  /** Sends at the end of this turn, so that commands given together go together. */
  flushSoon(): void {
    if (this.#soon) return
    this.#soon = true
    queueMicrotask(() => {
      this.#soon = false
      this.flush()
      this.#options.changed()
    })
  }

  /** Sends what may be sent now. */
  flush(): void {
    const { outbox, route } = this.#options
    const way = route()
    if (way === null) return
    const { carrier, link } = way
    if (link.send === undefined) this.#postNext()
    else for (let frame = outbox.take(carrier); frame !== null; frame = outbox.take(carrier)) link.send(frame)
  }

  /** When to call {@link tick}. */
  nextAt(): number {
    const { outbox } = this.#options
    // Also a pause that is over by now: only `tick` has seen that.
    const paused = this.#pausedUntil > PAST ? this.#pausedUntil : NEVER
    return Math.min(paused, this.#posting?.deadline ?? NEVER, outbox.nextAt())
  }

  tick(): void {
    const { outbox, now } = this.#options
    if (this.#pausedUntil <= now()) this.#pausedUntil = PAST
    outbox.expire()
    if (this.#posting !== null && this.#posting.deadline <= now()) {
      this.#posting.abort.abort()
      this.#failed(this.#posting, { error: null })
    }
    this.flush()
  }

  /** Breaks off what is under way; it will be sent again. */
  stop(): void {
    const posting = this.#posting
    if (posting === null) return
    this.#posting = null
    posting.abort.abort()
    this.#options.outbox.lost(posting)
  }

  #postNext(): void {
    const { outbox, post, token, now, changed } = this.#options
    if (this.#posting !== null || this.#pausedUntil > now()) return
    const posting: Posting = { abort: new AbortController(), token: token.value, deadline: now() + deadlines.post }
    const frame = outbox.take(posting)
    if (frame === null) return
    this.#posting = posting
    post(frame, posting.token, posting.abort.signal).then(
      (results) => {
        if (this.#posting !== posting) return
        this.#failures = 0
        this.#settle(results)
        this.#next(posting)
        changed()
      },
      (reason: Closed) => {
        if (this.#posting !== posting) return
        this.#failed(posting, reason)
        changed()
      },
    )
  }

  #settle(results: readonly ServerEvent[]): void {
    for (const event of results) if (event.type === 'result') this.#options.outbox.settle(event)
  }

  /** What was not answered waits again. */
  #next(posting: Posting): void {
    this.#posting = null
    this.#options.outbox.lost(posting)
    this.flush()
  }

  #failed(posting: Posting, { error, status }: Closed): void {
    const { outbox, token, now, random, changed } = this.#options
    const blame = blameOf(error, false)
    if (blame === 'token' && token.renew(posting.token)) {
      posting.deadline = NEVER
      const again = () => {
        if (this.#posting !== posting) return
        this.#next(posting)
        changed()
      }
      token.fetch().then(again, again)
      return
    }
    this.#failures++
    this.#pausedUntil = now() + delay(this.#failures, error?.retryAfter, random())
    if (status === 413) {
      const message = 'Something on the way takes no body of this size.'
      outbox.refused(posting, new RealtimeError('payload_too_large', message, { outcome: 'failed' }))
    } else if (error !== null && blame !== 'server') outbox.refused(posting, error)
    this.#next(posting)
  }
}
