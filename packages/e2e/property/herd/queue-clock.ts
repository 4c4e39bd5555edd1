/** A clock that stands still until it is moved, for so many timers that they need a queue; used by the herds. */
import type { Clock } from '@rt/protocol'

interface Pending {
  readonly at: number
  /** Timers of the same time run in the order in which they were set. */
  readonly order: number
  run: (() => void) | null
}

export class QueueClock implements Clock {
  /** A binary heap, the next one first; what was cleared stays until its turn. */
  readonly #queue: Pending[] = []
  #now = 0
  #order = 0

  now(): number {
    return 1_700_000_000_000 + this.#now
  }

  monotonic(): number {
    return this.#now
  }

  setTimeout(run: () => void, ms: number): Pending {
    const timer: Pending = { at: this.#now + Math.max(0, ms), order: this.#order++, run }
    const queue = this.#queue
    let i = queue.push(timer) - 1
    for (let up = (i - 1) >> 1; i > 0 && isBefore(timer, queue[up] as Pending); up = (i - 1) >> 1) {
      queue[i] = queue[up] as Pending
      i = up
    }
    queue[i] = timer
    return timer
  }

  clearTimeout(timer: unknown): void {
    if (timer !== undefined && timer !== null) (timer as Pending).run = null
  }

  /** Lets `ms` pass; what is resolved already runs behind each timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (let [next] = this.#queue; next !== undefined && next.at <= end; [next] = this.#queue) {
      this.#shift()
      if (next.run === null) continue
      this.#now = next.at
      next.run()
      await settle()
    }
    this.#now = end
  }

  #shift(): void {
    const queue = this.#queue
    const last = queue.pop() as Pending
    if (queue.length === 0) return
    let i = 0
    for (let down = 1; down < queue.length; down = 2 * i + 1) {
      if (down + 1 < queue.length && isBefore(queue[down + 1] as Pending, queue[down] as Pending)) down++
      if (!isBefore(queue[down] as Pending, last)) break
      queue[i] = queue[down] as Pending
      i = down
    }
    queue[i] = last
  }
}

function isBefore(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** As many turns as the longest chain of promises in the client takes. */
async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await null
}
