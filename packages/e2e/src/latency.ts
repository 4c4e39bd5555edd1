/** Prints how long a publication takes from `publish` on one node to the callbacks of clients of another one: `npm run latency`. Writes nothing else. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from '@rt/client'
import { createRealtime } from '@rt/server'
import { redis } from '@rt/server/redis'
import { RedisServer } from '@rt/server/testing'
import { z } from 'zod'
import { Child, parent, settings } from './processes/child.ts'

const subscribers = 50
/** Publications a second. */
const rate = 200
/** Seconds that are measured, after some that are not. */
const seconds = 10
const warmUp = 3

type Settings =
  | { readonly role: 'node'; readonly redisUrl: string }
  | { readonly role: 'subscribers'; readonly url: string }
type Told =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'published' }
  | { readonly type: 'measured'; readonly milliseconds: readonly number[] }
type Asked = { readonly type: 'publish' } | { readonly type: 'report' }

/** Nanoseconds of the machine's one monotonic clock, the same in all of its processes. */
const now = () => process.hrtime.bigint()

function createApp(redisUrl: string) {
  return createRealtime({
    broker: redis(redisUrl),
    // 128 bytes on the wire, more or less, as in the benchmarks.
    channels: { feed: { message: z.object({ sent: z.string(), fill: z.string() }), subscribe: 'public' } },
  })
}

function runNode(redisUrl: string): void {
  const rt = createApp(redisUrl)
  const { tell } = parent<Told, Asked>(() => void publishAll())
  async function publishAll(): Promise<void> {
    const start = performance.now()
    const sent: Promise<unknown>[] = []
    for (let n = 0; n < rate * (warmUp + seconds); n++) {
      const wait = start + (n * 1000) / rate - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      sent.push(rt.publish('feed', { sent: String(now()), fill: 'x'.repeat(80) }))
    }
    await Promise.all(sent)
    tell({ type: 'published' })
  }
  const server = createServer()
  rt.attach(server)
  server.listen(0, '127.0.0.1', () => tell({ type: 'ready', port: (server.address() as AddressInfo).port }))
}

async function runSubscribers(url: string): Promise<void> {
  const milliseconds: number[] = []
  const expected = rate * (warmUp + seconds) * subscribers
  let heard = 0
  let finish: () => void
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const { tell } = parent<Told, Asked>(() => void finished.then(() => tell({ type: 'measured', milliseconds })))
  const established = Array.from({ length: subscribers }, () => {
    const feed = createClient<ReturnType<typeof createApp>>(url, { transports: ['websocket'] }).channel('feed')
    feed.subscribe(({ data }) => {
      const took = Number(now() - BigInt(data.sent)) / 1e6
      if (++heard > rate * warmUp * subscribers) milliseconds.push(took)
      if (heard === expected) finish()
    })
    return new Promise<void>((resolve) => feed.on('subscribed', () => resolve()))
  })
  await Promise.all(established)
  tell({ type: 'ready', port: 0 })
}

async function measure(): Promise<void> {
  const server = await RedisServer.start()
  const start = (what: Settings) => new Child<Told, Asked>(new URL(import.meta.url), what)
  const nodes = [start({ role: 'node', redisUrl: server.url }), start({ role: 'node', redisUrl: server.url })] as const
  const [, { port }] = await Promise.all([nodes[0].next('ready'), nodes[1].next('ready')])
  const clients = start({ role: 'subscribers', url: `http://127.0.0.1:${port}/rt` })
  await clients.next('ready')

  const published = nodes[0].next('published')
  const measured = clients.next('measured')
  nodes[0].ask({ type: 'publish' })
  clients.ask({ type: 'report' })
  await published
  const { milliseconds } = await measured
  for (const child of [...nodes, clients]) await child.kill()
  await server.close()

  const sorted = [...milliseconds].sort((a, b) => a - b)
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number).toFixed(2)
  console.log('| deliveries | p50 ms | p99 ms | max ms |\n| --- | --- | --- | --- |')
  console.log(`| ${sorted.length} | ${at(0.5)} | ${at(0.99)} | ${at(1)} |`)
  console.log(
    `\n2 nodes over Redis, ${subscribers} WebSocket subscribers on the other node, ${rate} publications/s for ${seconds} s`,
  )
}

if (process.argv[2] === undefined) await measure()
else {
  const what = settings<Settings>()
  if (what.role === 'node') runNode(what.redisUrl)
  else await runSubscribers(what.url)
}
