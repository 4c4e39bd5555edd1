// The page that Prometheus fetches, by the real prom-client, parsed by the rules of the format.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Gauge, Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { instruments } from './instruments'
import { prometheus, prometheusName } from './prometheus'
import { createRealtime } from './realtime'
import { redis } from './redis'
import { RedisServer } from './testing/redis-server'

const message = z.object({ n: z.number() })

function start(broker?: ReturnType<typeof redis>) {
  const channels = { news: { message, subscribe: 'public', publish: 'public' } } as const
  return createRealtime({ channels, ...(broker !== undefined && { broker }) })
}

let rt: ReturnType<typeof start>

beforeEach(() => {
  rt = start()
})
afterEach(() => rt.close())

interface Family {
  readonly type: string
  readonly help: string
  /** By name and labels, as they stand there. */
  readonly samples: ReadonlyMap<string, number>
}

/** Throws for a line that the text format (version 0.0.4) does not know. */
function parse(page: string): Map<string, Family> {
  const families = new Map<string, { type: string; help: string; samples: Map<string, number> }>()
  let family: { type: string; help: string; samples: Map<string, number> } | undefined
  let name = ''
  for (const line of page.split('\n')) {
    if (line === '') continue
    const help = /^# HELP ([a-z_]+) (.+)$/.exec(line)
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line)
    const sample = /^([a-z_]+)(\{(?:[a-z_]+="[^"\\\n]*",?)*\})? (\d+(?:\.\d+)?(?:e[+-]\d+)?)$/.exec(line)
    if (help !== null) {
      name = help[1] as string
      if (families.has(name)) throw new Error(`${name} stands there twice.`)
      family = { type: '', help: help[2] as string, samples: new Map() }
      families.set(name, family)
    } else if (type !== null && family !== undefined && type[1] === name) family.type = type[2] as string
    else if (sample !== null && family !== undefined && sample[1]?.startsWith(name)) {
      const key = `${sample[1]}${sample[2] ?? ''}`
      if (family.samples.has(key)) throw new Error(`${key} stands there twice.`)
      family.samples.set(key, Number(sample[3]))
    } else throw new Error(`No line of the format: ${line}`)
  }
  return families
}

/** Serves the page and fetches it as Prometheus does. */
async function scrape({ handler }: Pick<ReturnType<typeof prometheus>, 'handler'>) {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
    return parse(await response.text())
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

describe('prometheus', () => {
  test('each metric stands on the page with its type, and nothing else', async () => {
    const page = await scrape(prometheus(rt))
    const types = { counter: 'counter', level: 'gauge', gauge: 'gauge', histogram: 'histogram' }
    const wanted = instruments.map((instrument) => [prometheusName(instrument), types[instrument.kind]])
    expect([...page].map(([name, { type }]) => [name, type])).toEqual(wanted)
  })

  test('numbers are those of rt.metrics(), at each scrape anew', async () => {
    const metrics = prometheus(rt)
    const first = await scrape(metrics)
    expect(first.get('rt_ready')?.samples.get('rt_ready')).toBe(1)
    expect(first.get('rt_publications_total')?.samples.get('rt_publications_total{outcome="stored"}')).toBe(0)

    await rt.publish('news', { n: 1 })
    const response = await rt.fetch(new Request('http://localhost/rt?channels=news&wait=0'))
    await response.json()
    await rt.fetch(new Request('http://localhost/rt?channels=nowhere&wait=0'))
    const second = await scrape(metrics)
    const sample = (name: string, labels = '') => second.get(name)?.samples.get(`${name}${labels}`)
    expect(sample('rt_publications_total', '{outcome="stored"}')).toBe(1)
    expect(sample('rt_connections_opened_total', '{transport="poll"}')).toBe(1)
    expect(sample('rt_sent_bytes_total', '{transport="poll"}')).toBe(rt.metrics().bytes.poll)
    expect(sample('rt_refusals_total', '{what="request",code="unknown_channel"}')).toBe(1)
  })

  test('a duration is a cumulative histogram in seconds', async () => {
    const stream = await rt.fetch(
      new Request('http://localhost/rt?channels=news', { headers: { accept: 'text/event-stream' } }),
    )
    const reader = (stream.body as ReadableStream<Uint8Array>).getReader()
    await vi.waitFor(() => expect(rt.metrics().subscriptions).toBe(1))
    // Else it may come with `subscribed`, from the ring.
    for (let text = ''; !text.includes('"subscribed"'); ) text += new TextDecoder().decode((await reader.read()).value)
    for (let n = 0; n < 3; n++) await rt.publish('news', { n })
    await vi.waitFor(() => expect(rt.metrics().deliveries).toBe(3))
    const family = (await scrape(prometheus(rt))).get('rt_delivery_duration_seconds') as Family
    const buckets = [...family.samples].filter(([key]) => key.includes('_bucket'))
    expect(buckets.map(([key]) => /le="(.+)"/.exec(key)?.[1])).toEqual([
      ...rt.metrics().latency.bounds.map((ms) => String(ms / 1000)),
      '+Inf',
    ])
    const counts = buckets.map(([, count]) => count)
    expect(counts).toEqual([...counts].sort((a, b) => a - b))
    expect(counts.at(-1)).toBeGreaterThan(0)
    expect(family.samples.get('rt_delivery_duration_seconds_count')).toBe(counts.at(-1))
    expect(family.samples.get('rt_delivery_duration_seconds_sum')).toBe(rt.metrics().latency.sum / 1000)
    await reader.cancel()
  })

  test("beside the app's own metrics in one registry, which takes one node", async () => {
    const registry = new Registry()
    new Gauge({ name: 'app_users', help: 'Users.', registers: [registry] }).set(3)
    const { fetch } = prometheus(rt, { registry })
    const response = await fetch(new Request('http://localhost/metrics'))
    const page = parse(await response.text())
    expect(page.get('app_users')?.samples.get('app_users')).toBe(3)
    expect(page.has('rt_connections')).toBe(true)
    expect(() => prometheus(rt, { registry })).toThrow(/already been registered/)
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('prometheus on Redis', () => {
  test('the broker stands on the page', async () => {
    const store = await RedisServer.start()
    const node = start(redis(store.url))
    try {
      await node.publish('news', { n: 1 })
      await vi.waitFor(() => expect(node.health().ready).toBe(true), 5000)
      const page = await scrape(prometheus(node))
      expect(page.get('rt_broker_up')?.samples.get('rt_broker_up')).toBe(1)
      expect(page.get('rt_broker_duration_seconds')?.samples.get('rt_broker_duration_seconds_count')).toBeGreaterThan(0)
    } finally {
      await node.close()
      await store.close()
    }
  })
})
