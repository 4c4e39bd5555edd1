// A node that has too much to do, as a process: it sends newcomers away on every transport, serves who was there, and takes newcomers again afterwards.
import { createClient, type TransportName } from '@rt/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Child } from '../processes/child.ts'
import type { App, NodeAsked, NodeTold } from './node.ts'

const rungs = ['websocket', 'sse', 'long-poll', 'poll'] as const

/** Milliseconds that the event loop is blocked at a time. */
const BLOCK = 200
/** The least that a node tells who is sent away. */
const LEAST = 2_000

let node: Child<NodeTold, NodeAsked>
let url = ''
let published = 0

/** What one client hears. */
class Listener {
  readonly heard: number[] = []
  readonly statuses: string[] = []
  readonly client
  /** The first number that it has to hear. */
  readonly subscribed: Promise<void>

  constructor(transports?: TransportName[]) {
    this.client = createClient<App>(url, transports === undefined ? {} : { transports })
    this.client.on('status', (status) => this.statuses.push(status))
    const numbers = this.client.channel('numbers')
    numbers.subscribe(({ data }) => void this.heard.push(data.n))
    this.subscribed = new Promise((resolve) => numbers.on('subscribed', () => resolve()))
  }

  /** Resolves when it has heard this number. */
  async has(n: number): Promise<void> {
    await expect.poll(() => this.heard.at(-1) ?? 0, { timeout: 30_000 }).toBeGreaterThanOrEqual(n)
  }

  /** Whether it heard each number since its first once and in order. */
  get gapless(): boolean {
    return this.heard.every((n, i) => n === (this.heard[0] as number) + i)
  }
}

async function publish(): Promise<number> {
  const upTo = ++published
  const done = node.next('published', (told) => told.upTo === upTo)
  node.ask({ type: 'publish', upTo })
  await done
  return upTo
}

async function refusals(): Promise<number> {
  const told = node.next('metrics')
  node.ask({ type: 'metrics' })
  return (await told).metrics.refusals.request.overloaded ?? 0
}

/** A client on each transport, and one that may use them all. */
const everyWay = () => [...rungs.map((rung) => new Listener([rung])), new Listener()]

const query = '?channels=numbers'
const accept = { accept: 'text/event-stream' }
const post = {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: '{"type":"open","channels":[{"channel":"numbers"}]}',
}

let old: Listener[] = []
let late: Listener[] = []
/** Refusals that are not those of `late`. */
let ours = 0
/** How often `late` were turned away, and the milliseconds until all were in. */
let turnedAway = 0
let begin = 0
let took = 0

beforeAll(async () => {
  node = new Child(new URL('./node.ts', import.meta.url), { options: { pollFloor: 200 } })
  url = `http://127.0.0.1:${(await node.next('ready')).port}/rt`
  old = everyWay()
  await Promise.all(old.map(({ subscribed }) => subscribed))
  await publish()
}, 60_000)

afterAll(async () => {
  for (const { client } of [...old, ...late]) client.close()
  await node.kill()
})

describe('a node whose event loop lags', () => {
  it('sends newcomers away, in the way of each transport', async () => {
    node.ask({ type: 'lag', ms: BLOCK })
    await expect.poll(async () => (await fetch(url + query)).status, { timeout: 40_000, interval: 300 }).toBe(503)

    // Ours come as well: what becomes of them is seen below.
    ours = await refusals()
    begin = performance.now()
    late = everyWay()
    await expect.poll(refusals, { timeout: 20_000 }).toBeGreaterThanOrEqual(ours + late.length)

    const [poll, posted, stream, socket] = await Promise.all([
      fetch(url + query),
      fetch(url, { ...post, headers: { ...post.headers, ...accept } }),
      fetch(url + query, { headers: accept }).then(async (response) => [response.status, await response.text()]),
      new Promise((resolve) => {
        const ws = new WebSocket(url.replace('http', 'ws') + query, ['rt.v1'])
        const frames: string[] = []
        ws.on('message', (data) => frames.push(String(data)))
        ws.on('close', (code, reason) => resolve([code, String(reason), frames.join()]))
      }),
    ])
    for (const { status, headers } of [poll, posted]) {
      expect(status).toBe(503)
      expect(Number(headers.get('retry-after')) * 1000).toBeGreaterThanOrEqual(LEAST)
    }
    expect(stream).toEqual([200, expect.stringMatching(/^retry: \d{4}\ndata: \{"type":"bye".*"overloaded".*\n\n$/)])
    ours += 4
    expect(socket).toEqual([1013, 'overloaded', expect.stringMatching(/^\[\{"type":"bye".*"retryAfter":\d{4}\}\]$/)])
  })

  it('lets in who comes back with a cursor', async () => {
    const { cursor } = (await (await fetch(`${url}${query}&cursor=1.1.0_a-0_b-0`)).json()) as { cursor: string }
    const abort = new AbortController()
    const response = await fetch(`${url}${query}&cursor=${cursor}`, { headers: accept, signal: abort.signal })
    const { value } = (await response.body?.getReader().read()) ?? {}
    expect(new TextDecoder().decode(value)).toContain('"type":"hello"')
    abort.abort()
  })

  it('goes on serving who was there', async () => {
    const n = await publish()
    await Promise.all(old.map((listener) => listener.has(n)))
    expect((await fetch(url + query)).status).toBe(503)
    ours++
  })

  it('takes those of ours who waited when it is over, none on a lower transport for it', async () => {
    node.ask({ type: 'lag', ms: 0 })
    await Promise.all(late.map(({ subscribed }) => subscribed))
    took = performance.now() - begin
    turnedAway = (await refusals()) - ours
    const [free, ...pinned] = late.map(({ client }) => client.transport).reverse()
    expect(pinned.reverse()).toEqual(rungs)
    // Being sent away is nothing that a lower one would help against.
    expect(['websocket', 'sse']).toContain(free)
  }, 60_000)

  it('is not asked in a circle: nobody came before the time that was told', () => {
    // One that may use every transport tries two at a time.
    expect(turnedAway).toBeLessThanOrEqual((rungs.length + 2) * (1 + Math.floor(took / LEAST)))
  })

  it('costs nobody a message', async () => {
    for (let i = 0; i < 20; i++) await publish()
    await Promise.all([...old, ...late].map((listener) => listener.has(published)))
    for (const { heard } of old) expect(heard).toEqual(Array.from({ length: published }, (_, i) => i + 1))
    for (const listener of late) expect([listener.gapless, listener.heard.at(-1)]).toEqual([true, published])
    for (const { statuses } of old) expect(statuses).toEqual(['connecting', 'connected'])
    expect(node.stderr).toBe('')
  })
})
