/** The machine's clock, which can be put forward: for waits of minutes, such as the look for a better rung, over real sockets. */
import type { Clock, Timer } from '@rt/protocol'

interface Pending {
  readonly at: number
  readonly run: () => void
  timer: NodeJS.Timeout
}

export class HastyClock implements Clock {
  readonly #pending = new Set<Pending>()
  #ahead = 0

  now(): number {
    return Date.now()
  }

  monotonic(): number {
    return performance.now() + this.#ahead
  }

  /** Puts it forward by so many milliseconds; what is set already comes sooner as well. */
  skip(ms: number): void {
    this.#ahead += ms
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
      Math.max(0, pending.at - this.monotonic()),
    )
  }
}
