/** What a process has to do: how late its event loop is and how full its heap, told once a second; started by createRealtime with the first client. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Load } from '../ports/load'

/** Milliseconds. */
const SECOND = 1000

/** Milliseconds from one look at the event loop to the next. */
const RESOLUTION = 20

/** Returns the way to stop. It holds no process. */
export function watchLoad(tell: (load: Load) => void): () => void {
  const delay = delays()
  let due = performance.now() + SECOND
  const timer = setInterval(() => {
    const now = performance.now()
    const late = delay === null ? now - due : delay.percentile(99) / 1e6 - RESOLUTION
    due = now + SECOND
    delay?.reset()
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
    tell({ lag: Math.max(0, late), heap: limit > 0 ? used / limit : 0 })
  }, SECOND)
  timer.unref()
  return () => {
    clearInterval(timer)
    delay?.disable()
  }
}

/** Null where the runtime has none: then a timer of ours tells as much. */
function delays(): IntervalHistogram | null {
  try {
    const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
    delay.enable()
    return delay
  } catch {
    return null
  }
}
