/** The jobs that wait for a worker: a list in Redis when REDIS_URL is set, otherwise in memory, gone with the process. Put by server.ts, taken by worker.ts. */
import { Redis } from 'ioredis'

export interface Job {
  /** Random: whoever knows it may watch the job. */
  readonly id: string
  readonly topic: string
}

interface Queue {
  put(job: Job): Promise<void>
  /** Waits for a job. */
  take(): Promise<Job>
  /** The job is done. What is taken and not done is taken again by the next worker. */
  finish(job: Job): Promise<void>
  close(): void
}

export const queue = process.env.REDIS_URL ? inRedis(process.env.REDIS_URL) : inMemory()

function inMemory(): Queue {
  const waiting: Job[] = []
  let wake: (() => void) | null = null
  return {
    async put(job) {
      waiting.push(job)
      wake?.()
    },
    async take() {
      for (;;) {
        const job = waiting.shift()
        if (job !== undefined) return job
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    async finish() {},
    close() {},
  }
}

function inRedis(url: string): Queue {
  const [waiting, taken] = ['progress:jobs:waiting', 'progress:jobs:taken']
  const redis = new Redis(url, { lazyConnect: true })
  // A connection of its own: while one waits for a job, nothing else is answered there.
  const taking = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null })
  for (const each of [redis, taking]) each.on('error', (error) => console.error(`Jobs in Redis: ${error.message}`))
  let first = true
  return {
    put: async (job) => void (await redis.rpush(waiting, JSON.stringify(job))),
    async take() {
      // What the last worker left when it was killed. There is one at a time here; of several, each needs a list of its own.
      while (first && (await taking.lmove(taken, waiting, 'RIGHT', 'LEFT')) !== null);
      first = false
      return JSON.parse((await taking.blmove(waiting, taken, 'LEFT', 'RIGHT', 0)) as string) as Job
    },
    finish: async (job) => void (await redis.lrem(taken, 1, JSON.stringify(job))),
    close() {
      redis.disconnect()
      taking.disconnect()
    },
  }
}
