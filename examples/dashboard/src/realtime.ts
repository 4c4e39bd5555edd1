/** The channels: one for each figure. Servers and the source make the same `rt` of it: the part to copy. */
import { createRealtime, memory } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'

/** Values that a sparkline shows. */
export const SHOWN = 60

export const rt = createRealtime({
  broker: process.env.REDIS_URL ? redis(process.env.REDIS_URL, { prefix: 'dashboard' }) : memory(),
  channels: {
    'figure:{id}': {
      // `nth`: the how manieth value it is. With it the page can tell what it was spared.
      message: z.object({ value: z.number(), nth: z.int() }),
      // A page that can't keep up gets the newest of each figure, and not the way there.
      delivery: 'latest',
      // What a page that comes draws its line from.
      history: { size: SHOWN, ttl: '1h' },
      // Without a rule to publish: only the source does.
      subscribe: 'public',
    },
  },
  // Short, so that polling is pleasant to look at.
  pollFloor: '1s',
})
export type Realtime = typeof rt
