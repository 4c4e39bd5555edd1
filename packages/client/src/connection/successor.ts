/** Opens another stream beside the one in use: for a better rung, for the rung that was asked for, in place of one that ends or has other channels. Owned by the connection. */
import { RealtimeError } from '@rt/protocol'
import type { Ladder } from '../ladder/ladder'
import { nameOf } from '../ladder/rungs'
import type { Rung } from '../ports/transport'
import { NEVER } from './alarm'
import type { Attempt } from './attempt'
import { delay } from './backoff'
import type { Blame } from './blame'
import { deadlines } from './liveness'
import type { Streams } from './streams'
import type { Token } from './token'

export interface SuccessorOptions {
  readonly streams: Streams
  readonly ladder: Ladder
  readonly token: Token
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  /** Whether the current stream is proven. */
  readonly live: () => boolean
  /** The version of the wanted channels. */
  readonly version: () => number
  /** Asks for a stream where there is none. */
  readonly connect: () => void
  /** Told when nothing is being opened any more: what was put off meanwhile may be done. */
  readonly free: () => void
  readonly error: (error: RealtimeError) => void
}

export class Successor {
  readonly #options: SuccessorOptions
  /** Rungs that the present look upwards has still to try. */
  #climbing: Rung[] = []
  #switching: { readonly rung: Rung; resolve(): void; reject(error: RealtimeError): void } | null = null
  /** Replacements in a row that failed while the present stream went on. */
  #failures = 0
  #climbAt = NEVER
  #replaceAt = NEVER

  constructor(options: SuccessorOptions) {
    this.#options = options
  }

  /** Moves to this rung without a break and stays there while it works. */
  switchTo(rung: Rung): Promise<void> {
    const { streams, ladder, connect } = this.#options
    if (!ladder.has(rung)) {
      return Promise.reject(new RealtimeError('unsupported', `\`transports\` does not list "${rung}".`))
    }
    this.endSwitch(new RealtimeError('closed', 'Another switch was asked for.'))
    ladder.pin(rung)
    this.#climbAt = NEVER
    return new Promise((resolve, reject) => {
      this.#switching = { rung, resolve, reject }
      const { current } = streams
      if (current?.proven !== true) connect()
      else if (nameOf(current.rung) === rung && !current.relayed) this.endSwitch(null)
      else {
        streams.endOthers()
        streams.launch(rung, 'switch')
      }
    })
  }

  /** Settles the switch that was asked for, if there is one. */
  endSwitch(error: RealtimeError | null): void {
    const switching = this.#switching
    this.#switching = null
    if (error === null) switching?.resolve()
    else switching?.reject(error)
  }

  /** Goes on with the switch that was asked for now that this stream is proven. */
  continueSwitch(attempt: Attempt): void {
    const { streams } = this.#options
    if (this.#switching?.rung === attempt.rung) this.endSwitch(null)
    else if (this.#switching !== null && streams.current === attempt) streams.launch(this.#switching.rung, 'switch')
  }

  /** Opens the same rung again with what is wanted now, unless something is being opened or was just tried in vain. */
  replace(): void {
    const { streams } = this.#options
    const { current } = streams
    if (current !== null && streams.all.size === 1 && this.#replaceAt === NEVER) streams.launch(current.rung, 'replace')
  }

  /** A good moment to look for a better rung. */
  hurry(): void {
    if (this.#climbAt !== NEVER) this.#climbAt = this.#options.now()
  }

  /** Something else is needed: moves at once, where another rung suits it better. */
  suit(): void {
    const { streams, ladder, live, now } = this.#options
    if (!live() || streams.current === null) return
    this.#climbAt = ladder.content(streams.current.rung) ? NEVER : now()
  }

  /** A stream is proven that stands where `before` stood; they are the same when no other one took over. */
  proven(attempt: Attempt, before: Attempt | null): void {
    this.#replaceAt = NEVER
    this.#failures = 0
    if (attempt.relayed) this.#climbAt = NEVER
    else if (before === attempt || before?.rung !== attempt.rung || this.#climbAt === NEVER) this.#climbLater(attempt)
  }

  /** What was opened beside the current stream ended. */
  failed(attempt: Attempt, blame: Blame, retryAfter: number | undefined): void {
    if (blame === 'token') {
      this.#retryWithToken(attempt)
      return
    }
    const { streams, ladder, free } = this.#options
    switch (attempt.purpose) {
      case 'climb':
        // The server that refuses one refuses all.
        if (blame !== 'path') this.#climbing = []
        else ladder.failed(attempt.rung, { besides: this.#heardSince(attempt) })
        this.#climb()
        break
      case 'switch':
        ladder.failed(attempt.rung)
        this.endSwitch(new RealtimeError('unsupported', `"${attempt.rung}" does not work here.`))
        if (streams.current !== null) this.#climbLater(streams.current)
        break
      default:
        this.#failures++
        // Our server that answers, be it with a no, shows that a second stream can be had.
        if (blame === 'path' && this.#stuck && streams.current !== null) {
          streams.fail(streams.current)
          return
        }
        this.#replaceLater(retryAfter)
    }
    free()
  }

  stop(): void {
    this.#climbing = []
    this.#climbAt = this.#replaceAt = NEVER
  }

  /** When to call {@link tick}. */
  nextAt(): number {
    const { streams, live } = this.#options
    const renewAt = live() && streams.current !== null ? renewalOf(streams.current) : NEVER
    return Math.min(this.#climbAt, this.#replaceAt, renewAt)
  }

  /** Does what is due while `current` is proven. A stream that is being opened goes first. */
  tick(current: Attempt): void {
    const { streams, ladder, now } = this.#options
    const free = streams.all.size === 1
    if (this.#replaceAt <= now() || renewalOf(current) <= now()) {
      this.#replaceAt = current.renewAt = NEVER
      if (free) streams.launch(current.rung, 'replace')
      else this.#replaceAt = now() + deadlines.second
    } else if (this.#climbAt <= now()) {
      this.#climbAt = NEVER
      this.#climbing = ladder.above(current.rung)
      if (!free) this.#climbAt = now() + deadlines.second
      else if (this.#climbing.length === 0)
        this.#climbAt = ladder.content(current.rung) ? NEVER : now() + ladder.patience
      else this.#climb()
    }
  }

  /** The present rung, when something came through it while the other one was tried: then it is not the network. */
  #heardSince({ openedAt }: Attempt): Rung | undefined {
    const { current } = this.#options.streams
    return current !== null && current.heardAt >= openedAt ? current.rung : undefined
  }

  /** Begins or goes on with a look for a better rung. */
  #climb(): void {
    const { streams, ladder } = this.#options
    const { current } = streams
    if (current === null) return
    const rung = streams.relay === null ? this.#climbing.shift() : undefined
    if (rung === undefined) this.#climbLater(current)
    else {
      ladder.probing(rung)
      streams.launch(rung, 'climb')
    }
  }

  #climbLater({ rung }: Attempt): void {
    const { ladder, now } = this.#options
    this.#climbAt = now() + ladder.nextClimb(rung)
  }

  #replaceLater(retryAfter: number | undefined): void {
    const { now, random } = this.#options
    this.#replaceAt = now() + delay(this.#failures, retryAfter, random())
  }

  #retryWithToken(attempt: Attempt): void {
    const { streams, token, live, error } = this.#options
    token.fetch().then(
      () => {
        if (live() && streams.all.size === 1) streams.launch(attempt.rung, attempt.purpose)
      },
      (reason: RealtimeError) => {
        this.#failures++
        this.#replaceLater(undefined)
        error(reason)
      },
    )
  }

  /** Other channels are wanted and no second stream can be had, as where a browser's six connections are used up: then one after the other. */
  get #stuck(): boolean {
    const { streams, version } = this.#options
    const { current } = streams
    return this.#failures > 2 && current?.version !== version() && !current?.link.inPlace
  }
}

/** When to open the successor of a stream that ends by plan. What another tab says is no server's. */
function renewalOf({ renewAt, provenAt, relayed }: Attempt): number {
  return relayed ? renewAt : Math.max(renewAt, provenAt + deadlines.used)
}
