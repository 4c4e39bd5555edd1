/** The channels, and who may hear them: the part to copy. Used by the route handler, the page, the actions and server.ts, in one process all the same one. */
import { createRealtime, memory } from '@rt/server'
import { redis } from '@rt/server/redis'

import { once } from './once'
import { change } from './schema'
import { store } from './store'
import { userOfCookies } from './users'

export const rt = once('notifications.rt', () =>
  createRealtime({
    broker: process.env['REDIS_URL'] ? redis(process.env['REDIS_URL'], { prefix: 'notifications' }) : memory(),
    authenticate: (request) => userOfCookies(request.headers.get('cookie')),
    channels: {
      'user:{id}:notifications': {
        // What one gets first: everything so far, from the app's own data. Then come the changes.
        state: ({ params }) => store.read(params.id),
        message: change,
        subscribe: ({ identity, params }) => identity?.id === params.id,
      },
    },
    // Clients renew their stream before `maxDuration` of app/rt/route.ts cuts it.
    life: '4m',
  }),
)
export type Realtime = typeof rt
