/** `npm start -- lab`: the bench. It runs Redis, two nodes and two proxies, serves the page, and does to them what its buttons say. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LabNode } from './nodes'
import { TcpProxy } from './proxy'
import { findRedis } from './redis'

/** Milliseconds of a freeze. */
const FREEZE = 3000

function fail(text: string): never {
  console.error(text)
  process.exit(2)
}

if (process.env.REDIS_URL && !/^redis:\/\/\S+$/.test(process.env.REDIS_URL)) {
  fail('REDIS_URL has to begin with redis://: the lab puts a proxy before Redis, and TLS would not let it.')
}
const redis =
  (await findRedis()) ??
  fail(`The lab needs Redis, and there is none: its two nodes reach each other through it. Either

  install redis-server (the lab starts one of its own when it is in PATH), or
  REDIS_URL=redis://localhost:6379 npm start -- lab`)

const redisProxy = await TcpProxy.start(() => [redis.target])
const env = { ...process.env, REDIS_URL: redis.urlAt(redisProxy.port), LAB: String(process.pid) }
const nodes = [new LabNode(1, env), new LabNode(2, env)] as const
const proxy = await TcpProxy.start(() => nodes.map(({ port }) => ({ host: '127.0.0.1', port })))

const actions: Readonly<Record<string, () => void>> = {
  'kill-1': () => nodes[0].kill(),
  'kill-2': () => nodes[1].kill(),
  'freeze-1': () => nodes[0].freeze(FREEZE),
  'freeze-2': () => nodes[1].freeze(FREEZE),
  'cut-proxy': () => proxy.cut(),
  'freeze-proxy': () => proxy.freeze(FREEZE),
  'cut-redis': () => redisProxy.cut(),
  'freeze-redis': () => redisProxy.freeze(FREEZE),
}

const state = () => ({
  endpoint: proxy.port,
  nodes: nodes.map(({ pid, state }) => ({ pid, state })),
  proxy: { open: proxy.open, frozen: proxy.frozen },
  redis: { name: redis.name, open: redisProxy.open, frozen: redisProxy.frozen },
})

const files = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.css', { file: 'page.css', type: 'text/css; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
  ['/icon.svg', { file: 'icon.svg', type: 'image/svg+xml' }],
])

const server = createServer(async (request, response) => {
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  const host = (request.headers.host ?? '').replace(/:\d+$/, '')
  response.setHeader('cache-control', 'no-cache')
  // The page talks with the nodes through the proxy, at another port.
  response.setHeader(
    'content-security-policy',
    `default-src 'self'; connect-src 'self' http://${host}:${proxy.port} ws://${host}:${proxy.port}`,
  )
  response.setHeader('x-content-type-options', 'nosniff')
  const action = actions[path.slice('/do/'.length)]
  const found = files.get(path)
  if (path === '/state' || (request.method === 'POST' && path.startsWith('/do/') && action !== undefined)) {
    if (path !== '/state') action?.()
    response.setHeader('content-type', 'application/json').end(JSON.stringify(state()))
  } else if (found !== undefined) {
    response.setHeader('content-type', found.type)
    response.end(await readFile(new URL(`../page/${found.file}`, import.meta.url)))
  } else {
    response.writeHead(404).end('Not found')
  }
})

/** At this port, or the next one that is free. Of this machine only: who reaches it may kill the nodes. */
async function listen(port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    if (taken && port > 0) return listen(port + 1)
    throw error
  }
  return (server.address() as AddressInfo).port
}

const end = () => {
  for (const node of nodes) node.end()
  redis.end()
  process.exit()
}
process.once('SIGTERM', end)
process.once('SIGINT', end)

await Promise.all(nodes.map((node) => node.start()))
const port = await listen(Number(process.env.PORT || 3000))
console.log(`Lab, Redis at ${redis.name} (process ${process.pid}): http://localhost:${port}`)
