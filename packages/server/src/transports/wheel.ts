/** A wheel of checks: calls each once per period, spread evenly over it, with one timer for all; used by the WebSocket transport for its pings. */
import type { Clock, Timer } from '@rt/protocol'

const SPOKES = 20

/** Adds a check to the wheel; the result takes it off again. The first call comes within one period. */
export type Wheel = (check: () => void) => () => void

/** Makes a wheel that turns only while something is on it. `period` in milliseconds. */
export function createWheel(period: number, clock: Clock): Wheel {
  const spokes = Array.from({ length: SPOKES }, () => new Set<() => void>())
  let timer: Timer | null = null
  let size = 0
  let at = 0

  function turn(): void {
    at = (at + 1) % SPOKES
    timer = clock.setTimeout(turn, period / SPOKES)
    for (const check of spokes[at] ?? []) check()
  }

  return (check) => {
    const spoke = spokes[Math.floor(Math.random() * SPOKES)] ?? new Set()
    spoke.add(check)
    if (size++ === 0) timer = clock.setTimeout(turn, period / SPOKES)
    return () => {
      if (!spoke.delete(check)) return
      if (--size === 0) {
        clock.clearTimeout(timer)
        timer = null
      }
    }
  }
}
