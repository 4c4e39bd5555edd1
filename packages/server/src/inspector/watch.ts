/**
 * Looks at all nodes while somebody looks at one: the node with the page asks once a second on a `live` channel of rt's own, and each node with an inspector answers on
 * another one, which the page hears like any channel.
 */

import type { Snapshot } from '@rt/inspector/snapshot'
import type { Clock, Timer } from '@rt/protocol'
import type { Hub } from '../ports/hub'

/** What the nodes say of themselves. A name that no pattern of an app has, and that clients can ask for. */
export const NODES = ':nodes'

/** Somebody looks. A name that nobody can ask for. */
const LOOK = '$look'

/** Milliseconds from look to look. */
const SECOND = 1000

/** Milliseconds that lie between two answers at least, whoever asks. */
const LEAST = 900

export interface WatchOptions {
  readonly hub: Pick<Hub, 'listen' | 'publishLive'>
  readonly clock: Clock
  readonly snapshot: { take(): Snapshot; rest(): void }
  /** Whether a page is open here now. */
  readonly looked: () => boolean
}

export class Watch {
  readonly #options: WatchOptions
  readonly #unlisten: () => void
  #next: Timer | null = null
  #rest: Timer | null = null
  #answered = Number.NEGATIVE_INFINITY

  constructor(options: WatchOptions) {
    this.#options = options
    this.#unlisten = options.hub.listen(LOOK, () => this.#answer())
  }

  /** A page opens. */
  look(): void {
    // In a later turn: then it hears the answer.
    this.#next ??= this.#options.clock.setTimeout(() => this.#ask(), 0)
  }

  close(): void {
    const { clock } = this.#options
    this.#unlisten()
    clock.clearTimeout(this.#next)
    clock.clearTimeout(this.#rest)
    this.#options.snapshot.rest()
  }

  #ask(): void {
    const { hub, clock, looked } = this.#options
    this.#next = null
    if (!looked()) return
    hub.publishLive(LOOK, '"data":null')
    this.#next = clock.setTimeout(() => this.#ask(), SECOND)
  }

  #answer(): void {
    const { hub, clock, snapshot } = this.#options
    const now = clock.monotonic()
    if (now - this.#answered < LEAST) return
    this.#answered = now
    hub.publishLive(NODES, `"data":${JSON.stringify(snapshot.take())}`)
    clock.clearTimeout(this.#rest)
    this.#rest = clock.setTimeout(() => snapshot.rest(), 5 * SECOND)
  }
}
