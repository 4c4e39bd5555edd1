/** The server of the chat: its channels, who a visitor is, and the HTTP server beside it. This is the part to copy; start.ts and node.ts run it. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRealtime, memory } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'

const node = process.env.CHAT_NODE ?? '1'

export const rt = createRealtime({
  broker: process.env.REDIS_URL ? redis(process.env.REDIS_URL, { prefix: 'chat' }) : memory(),
  authenticate: (request) => visitor(request.headers.get('authorization')),
  channels: {
    'chat:{room}': {
      message: z
        .object({
          text: z.string().trim().min(1).max(2000),
          // Which page sent it and its how manieth it is there: with these the pages check that nothing is lost or doubled.
          page: z.string().max(32),
          seq: z.int().min(1),
        })
        // What a schema returns is what is published: here, which node took it.
        .transform((message) => ({ ...message, node })),
      // What people in the room tell each other about themselves.
      presence: z.object({ typing: z.boolean() }),
      history: { size: 1000, ttl: '1d' },
      subscribe: ({ identity }) => identity !== null,
      publish: ({ identity }) => identity !== null,
    },
  },
  // Short, so that a short poll is pleasant to look at.
  pollFloor: '1s',
  // Milliseconds that somebody may be away, to reload or to change the network, without being seen to leave.
  presence: { grace: Number(process.env.CHAT_GRACE ?? 10_000) },
})
export type Realtime = typeof rt

const credentials = z.object({ name: z.string().trim().min(1).max(40), key: z.string().min(16).max(64) })

/**
 * Whoever holds the key is this visitor, so that the demo needs no login. A real app looks its session up here, and answers null when there
 * is none. The id is what others see as `from`; the key does not follow from it.
 */
function visitor(authorization: string | null): { id: string } | null {
  const token = new URLSearchParams(authorization?.replace(/^Bearer /i, ''))
  const found = credentials.safeParse(Object.fromEntries(token))
  if (!found.success) return null
  const { name, key } = found.data
  return { id: `${name}#${createHash('sha256').update(key).digest('hex').slice(0, 12)}` }
}

const files = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.css', { file: 'page.css', type: 'text/css; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
  ['/icon.svg', { file: 'icon.svg', type: 'image/svg+xml' }],
])

const server = createServer(async (request, response) => {
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  response.setHeader('cache-control', 'no-cache')
  response.setHeader('content-security-policy', "default-src 'self'")
  response.setHeader('x-content-type-options', 'nosniff')
  if (path === '/node') {
    const you = visitor(request.headers.authorization ?? null)?.id ?? null
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ node, pid: process.pid, you }))
    return
  }
  const found = files.get(path)
  if (found === undefined) {
    response.writeHead(404).end('Not found')
    return
  }
  response.setHeader('content-type', found.type)
  response.end(await readFile(new URL(`../page/${found.file}`, import.meta.url)))
})
rt.attach(server)

/** Listens at the first free port of `ports`; 0 is any. */
export async function serve(ports: readonly number[]): Promise<{ readonly port: number; close(): Promise<void> }> {
  for (const [i, port] of ports.entries()) {
    try {
      await listen(server, port)
      break
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!taken || i === ports.length - 1) throw error
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close()
      // Clients are sent to another node, or back to this one when it is there again.
      await rt.close()
      server.closeAllConnections()
    },
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port)
  await once(server, 'listening')
}
