/** Walks down the ladder, round after round, until a stream is proven; says when to come back after a round without one. Owned by the connection. */
import type { RealtimeError } from '@rt/protocol'
import type { Ladder } from '../ladder/ladder'
import type { Trace } from '../ladder/trace'
import type { Rung } from '../ports/transport'
import { NEVER } from './alarm'
import type { Attempt } from './attempt'
import { delay } from './backoff'
import type { Blame } from './blame'
import { deadlines, helloWithin } from './liveness'
import type { Streams } from './streams'
import type { Token } from './token'

/** One walk down the ladder. */
interface Round {
  /** The rungs that were not tried yet. */
  left: Rung[]
  /** What the server said about coming back. */
  retryAfter: number | undefined
  /** It ended since our server spoke. */
  told: boolean
}

/** Where nothing answers one round in so many is a whole one. */
const WHOLE = 4

export interface RoundsOptions {
  readonly streams: Streams
  readonly ladder: Ladder
  readonly token: Token
  /** Resolves when a stream may be opened; waited for beside the token. */
  readonly ready: () => Promise<void>
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  /** Whether nothing answers, whichever rung is tried, as far as is known. */
  readonly away: () => boolean
  /** Told when a round ended without a stream; `known`: since the server itself said so. */
  readonly exhausted: (known: boolean) => void
  /** Told why no token could be had. */
  readonly withoutToken: (error: RealtimeError) => void
  readonly trace: Trace
  /** Something changed that `nextAt` depends on. */
  readonly changed: () => void
}

export class Rounds {
  readonly #options: RoundsOptions
  #round: Round | null = null
  /** Rounds in a row that ended without a stream. */
  #exhausted = 0
  /** Tries in a row without a healthy link; 0 right after one. */
  #failures = 1
  #staggerAt = NEVER
  #retryAt = NEVER

  constructor(options: RoundsOptions) {
    this.#options = options
  }

  /** How long a stream that is opened now may take to say hello. */
  get helloWithin(): number {
    return helloWithin(this.#exhausted)
  }

  begin(): void {
    const { token, ready, exhausted, withoutToken, changed } = this.#options
    this.#retryAt = NEVER
    const round: Round = { left: [], retryAfter: undefined, told: false }
    this.#round = round
    Promise.all([token.fetch(), ready()]).then(
      () => {
        if (this.#round !== round) return
        round.left = this.#rungs()
        this.#next(round)
        changed()
      },
      (error: RealtimeError) => {
        if (this.#round !== round) return
        withoutToken(error)
        if (this.#round === round) exhausted(false)
      },
    )
  }

  /** Sets the time of the next round. */
  wait(): void {
    const { now, random, trace } = this.#options
    const ms = delay(this.#failures, this.#round?.retryAfter, random())
    trace.add({ step: 'wait', ms: Math.round(ms) })
    this.#retryAt = now() + ms
    this.#failures++
    this.#round = null
  }

  stop(): void {
    this.#round = null
    this.#staggerAt = this.#retryAt = NEVER
  }

  /** A stream is proven: the round is over. */
  proven(): void {
    this.stop()
    this.#exhausted = 0
  }

  /** A proven stream lived long enough for the next wait to be a short one. */
  healthy(): void {
    this.#failures = 0
  }

  /** The proven stream ended: what comes next is a round in which the other stream that is being opened, if there is one, is already on its way. */
  lost(retryAfter: number | undefined, next: Attempt | undefined): void {
    const { streams } = this.#options
    const round: Round = { left: [], retryAfter, told: false }
    this.#round = round
    if (next === undefined) return
    round.left = this.#rungs().filter((rung) => rung !== next.rung)
    streams.promote(next)
  }

  /** A stream of the round ended. */
  failed(attempt: Attempt, wasCurrent: boolean, blame: Blame, retryAfter: number | undefined, deserted: boolean): void {
    const { streams, ladder } = this.#options
    const round = this.#round
    if (round === null) return
    if (attempt.relayed) round.left = []
    else if (blame === 'path') ladder.failed(attempt.rung, { deserted })
    else {
      // Our server answered: the path is fine, and the other rungs would hear the same.
      ladder.proven(attempt.rung)
      round.told = true
      round.left = []
      round.retryAfter = retryAfter
    }
    const next = streams.first
    if (next === undefined) this.#next(round)
    else if (wasCurrent) streams.promote(next)
  }

  /** When to call {@link tick}. */
  nextAt(): number {
    return Math.min(this.#staggerAt, this.#retryAt)
  }

  /** Returns whether it is time for the next round. */
  tick(): boolean {
    const { streams, now } = this.#options
    if (this.#staggerAt <= now()) {
      const alone = this.#round !== null && streams.all.size === 1 && streams.current?.hello === false
      if (alone) this.#next(this.#round as Round)
      // Two at a time are enough.
      this.#staggerAt = NEVER
    }
    return this.#retryAt <= now()
  }

  /** What to try, in this order. Over another tab's connection there is nothing to choose. */
  #rungs(): Rung[] {
    const { streams, ladder, away } = this.#options
    // A herd that comes to nobody on five rungs is five times as large. Once in a while all are tried: other rungs may work after all.
    const rungs = away() && this.#exhausted % WHOLE !== 0 ? ladder.representative() : ladder.order()
    return streams.relay === null ? rungs : rungs.slice(0, 1)
  }

  #next(round: Round): void {
    const { streams, now, exhausted } = this.#options
    const rung = round.left.shift()
    this.#staggerAt = NEVER
    if (rung !== undefined) {
      streams.launch(rung, 'connect')
      if (round.left.length > 0) this.#staggerAt = now() + deadlines.stagger
    } else if (streams.all.size === 0) {
      this.#exhausted++
      exhausted(round.told)
    }
  }
}
