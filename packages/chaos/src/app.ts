/** The app under test: what its nodes, workers and clients agree on. */
import { createRealtime } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'

const message = z.object({ publisher: z.string(), sequence: z.number(), text: z.string() })

/** Milliseconds that a seat lives without a sign of life. */
export const PRESENCE_TTL = 6000

/** Times are short, so that one run sees many of them end. */
export function createApp(redisUrl: string) {
  return createRealtime({
    broker: redis(redisUrl, { timeout: 1500, silence: 2000 }),
    heartbeat: 2000,
    pollFloor: 300,
    pollHold: '5s',
    outboxBytes: 256 * 1024,
    presence: { ttl: PRESENCE_TTL, grace: 1500 },
    authenticate: (request) => {
      const token = request.headers.get('authorization')?.slice('Bearer '.length)
      return token === undefined ? null : { id: token }
    },
    channels: {
      'log:{n}': { message, subscribe: 'public', publish: 'public', history: { size: 100_000, ttl: '1h' } },
      'here:{n}': { message, subscribe: 'public', presence: z.object({}) },
    },
  })
}

export type App = ReturnType<typeof createApp>

export const CHANNELS = 4
/** Name of a channel with a log. */
export const log = (n: number): `log:${string}` => `log:${n}`
export const ROOM = 'here:1'
