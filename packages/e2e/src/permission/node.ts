/** One node as a process whose app lets in whoever shows `name`, `name@milliseconds of issue` or `name@issue@end`, and keeps a list of who may read; for the tests of this folder. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRealtime } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'
import { parent, settings } from '../processes/child.ts'

export interface NodeSettings {
  readonly redisUrl: string
}

export type NodeTold = { readonly type: 'ready'; readonly port: number } | { readonly type: 'done' }

export type NodeAsked =
  | { readonly type: 'publish'; readonly n: number }
  /** An id, or with `*` at the end all that begin so. */
  | { readonly type: 'revoke'; readonly who: string }
  /** From now on this one may not read. */
  | { readonly type: 'expel'; readonly id: string }
  | { readonly type: 'recheck' }

const { redisUrl } = settings<NodeSettings>()
const expelled = new Set<string>()

export const rt = createRealtime({
  broker: redis(redisUrl),
  pollFloor: 200,
  heartbeat: '5s',
  authenticate(request) {
    const [id, issued, end] = request.headers.get('authorization')?.slice('Bearer '.length).split('@') ?? []
    if (id === undefined) return null
    return { id, ...(issued && { issuedAt: Number(issued) }), ...(end && { expiresAt: Number(end) }) }
  },
  channels: {
    news: {
      message: z.object({ n: z.number() }),
      presence: z.object({ here: z.boolean() }),
      subscribe: ({ identity }) => identity !== null && !expelled.has(identity.id),
    },
    gossip: { message: z.object({ n: z.number() }), subscribe: 'public' },
  },
})

const server = createServer()
rt.attach(server)

const { tell } = parent<NodeTold, NodeAsked>((asked) => {
  void obey(asked).then(() => tell({ type: 'done' }))
})

async function obey(asked: NodeAsked): Promise<unknown> {
  switch (asked.type) {
    case 'publish':
      return Promise.all([rt.publish('news', { n: asked.n }), rt.publish('gossip', { n: asked.n })])
    case 'revoke': {
      const { who } = asked
      return rt.revoke(who.endsWith('*') ? (id) => id.startsWith(who.slice(0, -1)) : who)
    }
    case 'expel':
      return expelled.add(asked.id)
    case 'recheck':
      return rt.recheck('news')
  }
}

server.listen(0, '127.0.0.1', () => tell({ type: 'ready', port: (server.address() as AddressInfo).port }))
