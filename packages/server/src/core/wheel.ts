/** Beats for many at one interval with one timer, spread over it so that not all beat at once; made by the hub. */
import type { Clock, Timer } from '@rt/protocol'

/** Something that beats. */
export interface Beating {
  beat(): void
}

/** In how many parts an interval is cut. */
const SLOTS = 20

export class Wheel {
  readonly #clock: Clock
  /** Milliseconds. */
  readonly #interval: number
  readonly #slots: readonly Set<Beating>[] = Array.from({ length: SLOTS }, () => new Set<Beating>())
  #timer: Timer
  #slot = 0

  constructor(clock: Clock, interval: number) {
    this.#clock = clock
    this.#interval = interval
    this.#timer = this.#schedule()
  }

  /** Returns its own undo. */
  add(beating: Beating): () => void {
    const slot = this.#slots[Math.floor(Math.random() * SLOTS)] as Set<Beating>
    slot.add(beating)
    return () => void slot.delete(beating)
  }

  close(): void {
    this.#clock.clearTimeout(this.#timer)
  }

  #schedule(): Timer {
    return this.#clock.setTimeout(
      () => {
        this.#timer = this.#schedule()
        this.#slot = (this.#slot + 1) % SLOTS
        for (const beating of [...(this.#slots[this.#slot] as Set<Beating>)]) beating.beat()
      },
      // ±10 %, so that no beat keeps step with somebody's time-out.
      (this.#interval / SLOTS) * (0.9 + 0.2 * Math.random()),
    )
  }
}
