/** The channels of a job: how far it is, its text, and the order to stop. Servers and workers make the same `rt` of it: the part to copy, with worker.ts. */
import { createRealtime, memory } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'

const progress = z.object({
  phase: z.enum(['reading', 'writing', 'done', 'stopped']),
  done: z.int(),
  total: z.int(),
  /** The process that does the work. */
  worker: z.int(),
})
export type Progress = z.infer<typeof progress>

export const rt = createRealtime({
  broker: process.env.REDIS_URL ? redis(process.env.REDIS_URL, { prefix: 'progress' }) : memory(),
  channels: {
    // Hundreds of steps a second: a page that can't keep up gets the newest. One that comes late gets it as the state, at once.
    'job:{id}': {
      message: progress,
      delivery: 'latest',
      history: { size: 1, ttl: '1d' },
      state: ({ params }): Promise<Progress | null> => progressOf(params.id),
      subscribe: 'public',
    },
    // Each token counts: a page asks for those so far and gets the others as they are written.
    'job:{id}:text': {
      message: z.object({ index: z.int(), token: z.string() }),
      history: { size: 1000, ttl: '1d' },
      subscribe: 'public',
    },
    // Stored, not live: an order is read by the worker also when it is away just now.
    'job:{id}:orders': {
      message: z.literal('stop'),
      history: { size: 1, ttl: '1d' },
      // Whoever knows the id of a job, which is random, may stop it. A real app asks whose job it is.
      publish: 'public',
    },
  },
})
export type Realtime = typeof rt

export async function progressOf(id: string): Promise<Progress | null> {
  const [newest] = await rt.history(`job:${id}`, { last: 1 })
  return newest?.data ?? null
}
