/** The worker: takes jobs, publishes how far they are and what they write, and ends each that is told to stop. A process of its own with REDIS_URL (start.ts), else a part of the server's. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Job, queue } from './queue'
import { type Progress, progressOf, rt } from './realtime'
import { tokensOf, write } from './writer'

const PAGES = 240
/** Milliseconds for a token; a page is read in a tenth of it. */
const pace = Number(process.env.PROGRESS_PACE ?? 40)

// Nobody would start it again or end it.
process.once('disconnect', () => process.exit())

for (;;) {
  // Several at once: nobody waits for the report of somebody else.
  void finish(await queue.take())
}

async function finish(job: Job): Promise<void> {
  for (;;) {
    try {
      await work(job)
      return await queue.finish(job)
    } catch (error) {
      // Redis is away. What is done by then is not done again.
      console.error(`Job ${job.id}: ${error instanceof Error ? error.message : error}`)
      await pause(1000)
    }
  }
}

async function work(job: Job): Promise<void> {
  const { id, topic } = job
  const tokens = tokensOf(topic, id)
  const total = PAGES + tokens.length
  const tell = (phase: Progress['phase'], done: number) =>
    rt.publish(`job:${id}`, { phase, done, total, worker: process.pid })

  // Not 0 when a worker before us was killed in the middle.
  let { done, phase } = (await progressOf(id)) ?? { done: 0, phase: 'reading' as Progress['phase'] }
  while (phase === 'reading' || phase === 'writing') {
    if (await toldToStop(id)) phase = 'stopped'
    else if (done < PAGES) {
      await pause(pace / 10)
      phase = ++done < PAGES ? 'reading' : 'writing'
    } else {
      for await (const token of write(tokens, done - PAGES, pace)) {
        const index = done - PAGES
        // The same id for the same token: one that was published before the worker was killed, and not yet counted, is stored once.
        await rt.publish(`job:${id}:text`, { index, token }, { messageId: `${id}-${index}` })
        await tell('writing', ++done)
        if (await toldToStop(id)) break
      }
      phase = done < total ? 'stopped' : 'done'
    }
    await tell(phase, done)
  }
}

async function toldToStop(id: string): Promise<boolean> {
  return (await rt.history(`job:${id}:orders`, { last: 1 })).length > 0
}
