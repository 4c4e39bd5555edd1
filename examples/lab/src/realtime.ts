/** The one channel of the lab; each node makes its own `rt` of it. */
import { createRealtime } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'

export const rt = createRealtime({
  broker: redis(process.env.REDIS_URL as string, { prefix: `lab-${process.env.LAB}` }),
  channels: {
    'lab:{page}': {
      message: z.object({ nth: z.int() }),
      // More than is sent in the longest outage that the buttons make.
      history: { size: 5000, ttl: '10m' },
      subscribe: 'public',
      publish: 'public',
    },
  },
  // The page comes from the bench, at another port than the proxy.
  origins: '*',
  // Short, so that a short poll is pleasant to look at.
  pollFloor: '1s',
})
export type Realtime = typeof rt
