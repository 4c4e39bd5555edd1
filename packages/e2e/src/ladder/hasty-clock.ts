/** The machine's clock, which can be made to run faster: for waits of minutes, such as the look for a better rung, over real sockets. */
import type { Clock, Timer } from '@rt/protocol'

interface Pending {
  readonly at: number
  readonly run: () => void
  timer: NodeJS.Timeout
}

export class HastyClock implements Clock {
  readonly #pending = new Set<Pending>()
  #rate = 1
  /** What it showed when the rate was last set, and when that was. */
  #shown = 0
  #since = performance.now()

  now(): number {
    return Date.now()
  }

  monotonic(): number {
    return this.#shown + (performance.now() - this.#since) * this.#rate
  }

  /** So many of its seconds pass in a real one; what is set already comes sooner as well. */
  set rate(rate: number) {
    this.#shown = this.monotonic()
    this.#since = performance.now()
    this.#rate = rate
    for (const pending of this.#pending) {
      clearTimeout(pending.timer)
      pending.timer = this.#arm(pending)
    }
  }

  setTimeout(run: () => void, ms: number): Timer {
    const pending = { at: this.monotonic() + ms, run } as Pending
    pending.timer = this.#arm(pending)
    this.#pending.add(pending)
    return pending
  }

  clearTimeout(timer: Timer): void {
    if (timer === undefined) return
    const pending = timer as Pending
    clearTimeout(pending.timer)
    this.#pending.delete(pending)
  }

  #arm(pending: Pending): NodeJS.Timeout {
    return setTimeout(
      () => {
        this.#pending.delete(pending)
        pending.run()
      },
      Math.max(0, pending.at - this.monotonic()) / this.#rate,
    )
  }
}
