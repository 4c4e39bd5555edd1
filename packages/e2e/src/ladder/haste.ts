/** Lets the client's waits pass quickly, and what it does meanwhile in real time; used where a run waits for the best rung. */
import type { Stage } from './stage.ts'

/** Milliseconds in real time since the client opened a connection: longer than what a stream may take to be proven. */
const CALM = 3000

/** Real seconds at most. */
const PATIENCE = 90

/** Seconds of the client's clock until this holds. Rejects when it does not within so many of them. */
export async function hasten(stage: Stage, what: string, holds: () => boolean, limit: number): Promise<number> {
  const { subject, proxy } = stage
  const from = subject.clock
  let timer: NodeJS.Timeout | undefined
  proxy.onOpen = () => {
    subject.hasty = false
    clearTimeout(timer)
    timer = setTimeout(() => {
      subject.hasty = true
    }, CALM)
  }
  subject.hasty = true
  const passed = () => (subject.clock - from) / 1000
  try {
    await subject.until(what, () => holds() || passed() > limit, PATIENCE)
  } finally {
    clearTimeout(timer)
    proxy.onOpen = () => {}
    subject.hasty = false
  }
  if (!holds()) throw new Error(`Not within ${limit} s of the client's clock: ${what}.`)
  return passed()
}
