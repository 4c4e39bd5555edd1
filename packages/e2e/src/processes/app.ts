/** The app of the tests with real processes: what its nodes, its worker and its clients agree on. */
import { createRealtime } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'

/** Which publication of which publisher this is. */
const message = z.object({ publisher: z.string(), sequence: z.number() })

/** One node, or one worker without transports: that is up to the caller. */
export function createApp(target: Parameters<typeof redis>[0]) {
  return createRealtime({
    broker: redis(target),
    pollFloor: 200,
    authenticate: (request) => {
      const token = request.headers.get('authorization')?.slice('Bearer '.length)
      return token === undefined ? null : { id: token }
    },
    channels: {
      'log:{n}': { message, subscribe: 'public', publish: 'public', history: { size: 10_000, ttl: '1h' } },
      'live:{n}': { message, subscribe: 'public', publish: 'public', delivery: 'live' },
      'here:{n}': { message, subscribe: 'public', presence: z.object({}) },
    },
  })
}

export type App = ReturnType<typeof createApp>

/** Name of a channel with a log. */
export const log = (n: number): `log:${string}` => `log:${n}`
