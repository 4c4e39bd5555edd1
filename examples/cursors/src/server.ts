/** The server of the cursors: one live channel with presence, who a visitor is, and the page. Forked by start.ts, once for each node. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRealtime, memory } from '@rt/server'
import { redis } from '@rt/server/redis'
import { z } from 'zod'

const rt = createRealtime({
  broker: process.env.REDIS_URL ? redis(process.env.REDIS_URL, { prefix: 'cursors' }) : memory(),
  authenticate: (request) => visitor(request.headers.get('authorization')),
  channels: {
    'board:{name}': {
      // Not stored, as early as can be: of a position nobody wants to know where it was.
      delivery: 'live',
      message: z.object({
        // x and y as parts of the board's width and height, and the sender's clock in milliseconds. Several when the network takes fewer messages than there are frames.
        points: z.array(z.tuple([z.number().min(0).max(1), z.number().min(0).max(1), z.number()])).max(32),
        // A click, at the last point.
        tap: z.boolean().optional(),
      }),
      // What changes seldom, and what newcomers must know at once.
      presence: z.object({ name: z.string().trim().min(1).max(24), hue: z.int().min(0).max(359) }),
      subscribe: ({ identity }) => identity !== null,
      publish: ({ identity }) => identity !== null,
    },
  },
  // Each page is a visitor of its own, so that nobody needs to wait for one that reloads.
  presence: { grace: '1s' },
})
export type Realtime = typeof rt

/** Whoever holds the key is this visitor, so that the demo needs no login; the id, which others see as `from`, does not tell the key. A real app looks its session up here. */
function visitor(authorization: string | null): { id: string } | null {
  const key = /^Bearer (\w{16,64})$/.exec(authorization ?? '')?.[1]
  return key === undefined ? null : { id: createHash('sha256').update(key).digest('hex').slice(0, 12) }
}

const files = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.css', { file: 'page.css', type: 'text/css; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
  ['/icon.svg', { file: 'icon.svg', type: 'image/svg+xml' }],
])
const node = process.env.NODE ?? '1'

const server = createServer(async (request, response) => {
  response.setHeader('cache-control', 'no-cache')
  response.setHeader('content-security-policy', "default-src 'self'")
  if (request.url === '/me') {
    const you = visitor(request.headers.authorization ?? null)?.id ?? null
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ node, you }))
    return
  }
  const found = files.get(request.url?.split('?', 1)[0] ?? '')
  if (found === undefined) {
    response.writeHead(404).end('Not found')
    return
  }
  response.setHeader('content-type', found.type)
  response.end(await readFile(new URL(`../page/${found.file}`, import.meta.url)))
})
rt.attach(server)

/** At this port, or the next one that is free. */
async function listen(port: number): Promise<number> {
  server.listen(port)
  try {
    await once(server, 'listening')
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    if (taken && port > 0) return listen(port + 1)
    throw error
  }
  return (server.address() as AddressInfo).port
}

const url = `http://localhost:${await listen(Number(process.env.PORT ?? 3000))}`
console.log(
  `Cursors ${process.env.REDIS_URL ? 'through Redis' : 'in memory'}, node ${node} (process ${process.pid}): ${url}`,
)
process.send?.(url)

const end = async () => {
  server.close()
  // Its clients go to another node, or come back when this one is there again.
  await rt.close()
  process.exit()
}
process.once('SIGTERM', end)
process.once('disconnect', end)
// The terminal tells all processes, the parent tells us again: once is enough, and it is the parent's.
process.on('SIGINT', () => {})
