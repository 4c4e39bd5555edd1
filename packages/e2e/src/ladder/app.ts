/** The app of the failure bench: what its nodes, its publisher and its clients agree on. */
import { createRealtime, RealtimeError } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'

export interface AppSettings {
  readonly redisUrl: string
  /** Milliseconds. */
  readonly heartbeat: number
}

/** One node, or one worker without transports: that is up to the caller. */
export function createApp({ redisUrl, heartbeat }: AppSettings) {
  return createRealtime({
    broker: redis(redisUrl),
    heartbeat,
    pollFloor: 500,
    authenticate(request) {
      const token = request.headers.get('authorization')?.replace(/^Bearer /, '')
      if (token === undefined) return null
      const until = /^until:(\d+)$/.exec(token)?.[1]
      if (until === undefined) throw new RealtimeError('unauthenticated', 'This token was revoked.')
      return { id: 'ada', expiresAt: Number(until) }
    },
    channels: {
      'log:{run}': {
        message: z.object({ sequence: z.number(), fill: z.string().optional() }),
        subscribe: 'public',
        publish: 'public',
        history: { size: 10_000, ttl: '1h' },
      },
    },
  })
}

export type App = ReturnType<typeof createApp>
