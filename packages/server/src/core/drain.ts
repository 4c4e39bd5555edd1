/** How a node empties itself: each stream is told when to move on, evenly over the time; what is left at its end is ended in small steps. Run by the hub. */
import { type Clock, RealtimeError, type ServerEvent } from '@rt/protocol'

/** A stream, as far as it can be asked to go. */
export interface Leaving {
  /** It ends with its first answer and is asked for again: there is nothing to tell it before. */
  readonly polled: boolean
  readonly ended: boolean
  send(event: ServerEvent): void
  end(error: RealtimeError): void
}

export interface DrainOptions {
  readonly streams: Iterable<Leaving>
  /** Milliseconds until what is left is ended. */
  readonly ms: number
  readonly clock: Clock
}

/** Milliseconds from one step to the next, how many streams a step takes at least, and how many steps the end may take. */
const STEP = { ms: 20, streams: 100, atEnd: 50 } as const

/** Milliseconds over which those come back at most that were still there at the end: they are out meanwhile. */
const COMEBACK = 2_000

/** The last part of a drain, in which nobody is told to go: those that were told last, or were sent back to this node, still need it to arrive elsewhere. */
const REST = { part: 0.2, longest: 5_000 } as const

export class Drain {
  /** No stream is left. */
  readonly done: Promise<void>
  readonly #clock: Clock
  readonly #ms: number
  /** How many there were at the beginning. */
  readonly #all: number
  readonly #end: number
  /** Milliseconds over which as many as were still there at the end come back at the pace of the others. */
  #comeback: number | null = null
  /** Those that are still here, with the time at which each is to go. */
  readonly #left: Map<Leaving, number>
  readonly #untold: Iterator<[Leaving, number]>
  readonly #told: number
  readonly #polls: { readonly stream: Leaving; readonly at: number }[] = []
  #resolve = () => {}

  constructor({ streams, ms, clock }: DrainOptions) {
    const all = [...streams]
    const now = clock.monotonic()
    const spread = ms - Math.min(ms * REST.part, REST.longest)
    this.#clock = clock
    this.#ms = ms
    this.#all = all.length
    this.#end = now + ms
    // One in each of as many equal parts of the time: flatter than if each were drawn by itself.
    this.#left = new Map(all.map((stream, i) => [stream, now + (spread * (i + Math.random())) / all.length]))
    this.#untold = [...this.#left][Symbol.iterator]()
    // All have been told when half of the spread is over, and each before its time.
    this.#told = Math.max(STEP.streams, Math.ceil((all.length * STEP.ms) / Math.max(STEP.ms, spread / 2)))
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#step()
  }

  /** A stream ended, by whomever. */
  gone(stream: Leaving): void {
    if (this.#left.delete(stream) && this.#left.size === 0) this.#resolve()
  }

  #step(): void {
    const now = this.#clock.monotonic()
    this.#tell(now)
    this.#answerPolls(now)
    if (now >= this.#end) this.#endSome()
    if (this.#left.size === 0) this.#resolve()
    else this.#clock.setTimeout(() => this.#step(), STEP.ms)
  }

  #tell(now: number): void {
    for (let i = 0; i < this.#told; i++) {
      const next = this.#untold.next()
      if (next.done === true) return
      const [stream, at] = next.value
      if (stream.ended) continue
      const retryAfter = Math.max(0, Math.floor(at - now))
      // A held poll goes on hearing until its time has come; its answer is what sends it on.
      if (stream.polled) this.#polls.push({ stream, at })
      else stream.send({ type: 'bye', error: leaving(retryAfter).toJSON(), retryAfter })
    }
  }

  #answerPolls(now: number): void {
    for (let [poll] = this.#polls; poll !== undefined && poll.at <= now; [poll] = this.#polls) {
      this.#polls.shift()
      this.#left.delete(poll.stream)
      poll.stream.end(leaving(0))
    }
  }

  #endSome(): void {
    this.#comeback ??= Math.min(COMEBACK, (this.#ms * this.#left.size) / this.#all)
    let some = Math.max(STEP.streams, Math.ceil(this.#left.size / STEP.atEnd))
    for (const stream of this.#left.keys()) {
      if (some-- === 0) return
      this.#left.delete(stream)
      stream.end(leaving(Math.floor(this.#comeback * Math.random())))
    }
  }
}

function leaving(retryAfter: number): RealtimeError {
  return new RealtimeError('draining', 'This node is closing.', { retryAfter })
}
