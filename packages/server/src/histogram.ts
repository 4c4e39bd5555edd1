/** How long things took, in fixed buckets: an increment each, nothing allocated; used by the counters and by brokers that ask over a network. */

/** A histogram at one moment. */
export interface HistogramSnapshot {
  /** Upper bounds of the buckets in milliseconds, each including its bound; what is longer falls into one more, without a bound. */
  readonly bounds: readonly number[]
  /** How many fell into each bucket, and no other: one more than `bounds`. */
  readonly counts: readonly number[]
  /** Milliseconds, all together. */
  readonly sum: number
}

const BOUNDS: readonly number[] = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000]

export class Histogram {
  readonly #counts: number[] = new Array<number>(BOUNDS.length + 1).fill(0)
  #sum = 0

  /** `ms`: less than nothing, which two clocks may say, counts as nothing. */
  record(ms: number): void {
    let i = 0
    while (i < BOUNDS.length && ms > (BOUNDS[i] as number)) i++
    ;(this.#counts[i] as number)++
    if (ms > 0) this.#sum += ms
  }

  snapshot(): HistogramSnapshot {
    return { bounds: BOUNDS, counts: [...this.#counts], sum: this.#sum }
  }
}
