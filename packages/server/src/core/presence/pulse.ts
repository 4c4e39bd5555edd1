/** One partition's presence as this node can trust it: says that the node is there, learns whether absence proves anything, sweeps what is due. Owned by Presence. */
import type { Clock, Id, Timer } from '@rt/protocol'
import type { PresenceStore } from '../../ports/presence'

export interface PulseOptions {
  readonly store: PresenceStore
  readonly partition: number
  readonly clock: Clock
  /** Milliseconds of a seat. */
  readonly ttl: number
  /** Whether absence proves something began or ended. */
  readonly changed: () => void
  /** The store answers again, after it did not or after the link was lost. */
  readonly recovered: () => void
}

export class Pulse {
  /** Who is not in the store is not there. False while the store is away, out of memory, or not trusted yet after it was. */
  known = false
  readonly #options: PulseOptions
  readonly #every: number
  readonly #gap: number
  #epoch: Id | null = null
  #timer: Timer | null = null
  #up = false
  /** Grows with each loss of the link; answers of before are void. */
  #generation = 0
  #answered = false
  #decided = false
  #used = false
  readonly #waiting: (() => void)[] = []

  constructor(options: PulseOptions) {
    this.#options = options
    this.#every = Math.min(1000, Math.max(500, options.ttl / 60))
    this.#gap = Math.min(5000, Math.max(1500, options.ttl / 12))
  }

  /** Somebody needs to know: the pulse begins with the first, and never ends, for what it holds up is shared. */
  use(): void {
    if (this.#used) return
    this.#used = true
    if (this.#up) void this.#beat()
  }

  /** Resolves when it is decided, on this link, whether the store can be trusted; when the link is lost it can't. */
  decided(): Promise<void> {
    return this.#decided ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  linkUp(): void {
    this.#up = true
    this.#answered = false
    if (this.#used) void this.#beat()
  }

  linkDown(): void {
    this.#up = false
    this.#generation++
    this.#answered = false
    this.#decided = false
    this.#stop()
    this.#know(false)
    this.#tellWaiting()
  }

  close(): void {
    this.linkDown()
  }

  async #beat(): Promise<void> {
    this.#stop()
    const { store, partition, clock, ttl } = this.#options
    const generation = this.#generation
    try {
      const { epoch, hold, due } = await store.pulse(partition, { epoch: this.#epoch, ttl, gap: this.#gap })
      if (generation !== this.#generation) return
      this.#epoch = epoch
      const back = !this.#answered
      this.#answered = true
      if (back) this.#options.recovered()
      this.#know(hold === 0)
      if (hold === 0) for (const channel of due) void this.#sweep(channel)
    } catch {
      if (generation !== this.#generation) return
      this.#answered = false
      this.#know(false)
    }
    this.#decided = true
    this.#tellWaiting()
    // ±10 %, so that nodes do not keep step.
    this.#timer = clock.setTimeout(() => void this.#beat(), this.#every * (0.9 + 0.2 * Math.random()))
  }

  async #sweep(channel: string): Promise<void> {
    try {
      while (await this.#options.store.sweep(channel)) if (!this.#up) return
    } catch {
      // Due again in some seconds, for whoever comes.
    }
  }

  #know(known: boolean): void {
    if (this.known === known) return
    this.known = known
    this.#options.changed()
  }

  #tellWaiting(): void {
    for (const run of this.#waiting.splice(0)) run()
  }

  #stop(): void {
    if (this.#timer !== null) this.#options.clock.clearTimeout(this.#timer)
    this.#timer = null
  }
}
