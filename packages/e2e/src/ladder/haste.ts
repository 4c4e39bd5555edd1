/** Lets the client's waits pass quickly, and what it does meanwhile in real time; used where a run waits for the best rung. */
import type { Stage } from './stage.ts'

/** So many seconds of the client's clock pass in a real one. */
const RATE = 12

/** Milliseconds in real time since the client opened a connection: longer than what a stream may take to be proven. */
const CALM = 3000

/** Seconds of the client's clock until this holds. Rejects when it does not within so many of them. */
export async function hasten(stage: Stage, what: string, holds: () => boolean, limit: number): Promise<number> {
  const { subject, proxy } = stage
  let passed = 0
  let since = performance.now()
  let rate = 1
  let timer: NodeJS.Timeout | undefined
  const set = (next: number) => {
    const now = performance.now()
    passed += ((now - since) / 1000) * rate
    since = now
    rate = next
    subject.rate = next
  }
  proxy.onOpen = () => {
    set(1)
    clearTimeout(timer)
    timer = setTimeout(set, CALM, RATE)
  }
  set(RATE)
  try {
    await subject.until(what, holds, limit / 3)
  } finally {
    clearTimeout(timer)
    proxy.onOpen = () => {}
    set(1)
  }
  if (passed > limit) throw new Error(`Not within ${limit} s of the client's clock, but ${passed.toFixed(0)}: ${what}.`)
  return passed
}
