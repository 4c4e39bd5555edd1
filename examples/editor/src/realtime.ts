/** The channels of a document: its updates as bytes, who is here, and where their carets are. The part to copy, with documents.ts; used by server.ts, by the page as a type. */
import { createHash } from 'node:crypto'
import { bytes, createRealtime, memory } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'
import { changed, read } from './documents'

/** A place in the text that moves with it (a relative position of Yjs) as base64. */
const place = z.string().max(200)

export const rt = createRealtime({
  broker: process.env.REDIS_URL ? redis(process.env.REDIS_URL, { prefix: 'editor' }) : memory(),
  authenticate: (request) => tab(request.headers.get('authorization')),
  channels: {
    'doc:{id}': {
      // Updates of Yjs. They may come in any order and more than once; what must not happen is that one is lost.
      message: bytes(),
      history: { size: 5000, ttl: '1d' },
      // The whole document, for a page that comes, or that was away for longer than the history. Then come the updates.
      state: async ({ channel }): Promise<string> => Buffer.from(await read(channel)).toString('base64'),
      presence: z.object({ tab: z.string().max(16), name: z.string().max(40), hue: z.int() }),
      subscribe: ({ identity }) => identity !== null,
      // A real app asks who may write here. This one also notes that there is something to keep.
      publish: ({ identity, channel }) => {
        if (identity !== null) changed(channel)
        return identity !== null
      },
    },
    // Not stored: of a caret only where it is now counts.
    'doc:{id}:carets': {
      message: z.object({ anchor: place, head: place }),
      delivery: 'live',
      subscribe: ({ identity }) => identity !== null,
      publish: ({ identity }) => identity !== null,
    },
  },
  presence: { grace: '3s' },
})
export type Realtime = typeof rt

/** Each tab is somebody, by a random key, so that the demo needs no login. The id, which all see, does not tell the key. */
function tab(authorization: string | null): { id: string } | null {
  const key = /^Bearer ([0-9a-f]{32})$/.exec(authorization ?? '')?.[1]
  return key === undefined ? null : { id: createHash('sha256').update(key).digest('hex').slice(0, 16) }
}
