/** Repeats what failed while the machine was busy with others: seconds that this process did not get say nothing about the client. */
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** A turn of the event loop that took so long (ms) is no fair one. */
const LAG = 200
const TRIES = 3

/** Runs it, and again where it failed and this process had stood still meanwhile; what it fails with is told each time. */
export async function fair<T>(what: string, run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const delay = monitorEventLoopDelay({ resolution: 20 })
    delay.enable()
    try {
      return await run()
    } catch (error) {
      const lag = delay.max / 1e6
      if (lag < LAG || tries === TRIES) throw error
      console.log(
        `Once more, since this process stood still for ${lag.toFixed(0)} ms: ${what}\n${(error as Error).message}`,
      )
    } finally {
      delay.disable()
    }
  }
}
