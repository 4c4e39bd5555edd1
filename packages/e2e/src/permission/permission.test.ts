// Permission that is taken away while streams are open: two nodes as processes on one Redis; the order is given to one, the clients are on the other.
import { type Client, createClient, type TransportName } from '@rt/client'
import { RedisServer } from '@rt/server/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Child } from '../processes/child.ts'
import type { NodeAsked, NodeTold, rt } from './node.ts'

type Node = Child<NodeTold, NodeAsked>

const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
const undo: (() => unknown)[] = []
let redis: RedisServer
let here: Node
let there: Node
let url = ''

beforeAll(async () => {
  if (!process.env['REDIS_SERVER']) return
  redis = await RedisServer.start()
  const start = async () => {
    const node: Node = new Child(new URL('node.ts', import.meta.url), { redisUrl: redis.url })
    return [node, (await node.next('ready')).port] as const
  }
  ;[here] = await start()
  const [node, port] = await start()
  there = node
  url = `http://127.0.0.1:${port}/rt`
})
afterEach(async () => {
  for (const run of undo.splice(0)) await run()
})
afterAll(async () => {
  for (const node of [here, there]) {
    await node?.kill()
    expect(node?.stderr ?? '').toBe('')
  }
  await redis?.close()
})

async function ask(node: Node, asked: NodeAsked): Promise<void> {
  const done = node.next('done')
  node.ask(asked)
  await done
}

let published = 0
const publish = () => ask(here, { type: 'publish', n: ++published })

/** A client that is held on one rung, and all that it hears of a channel. */
class Reader {
  readonly client: Client<typeof rt>
  readonly heard: number[] = []
  readonly errors: string[] = []
  #established = false
  readonly #waiting = new Set<() => void>()

  constructor(rung: TransportName, token: string | (() => string), channel: 'news' | 'gossip' = 'news') {
    this.client = createClient<typeof rt>(url, { transports: [rung], token })
    undo.push(() => this.client.close())
    this.client.on('status', () => this.#look())
    this.client.on('error', ({ code }) => this.#told(this.errors, code))
    this.hear(channel)
  }

  hear(name: 'news' | 'gossip'): void {
    const channel = this.client.channel(name)
    channel.on('error', ({ code }) => this.#told(this.errors, `${name} ${code}`))
    channel.on('subscribed', () => {
      this.#established = true
      this.#look()
    })
    channel.on('gap', () => this.#told(this.errors, `${name} gap`))
    channel.subscribe(({ data }) => this.#told(this.heard, data.n))
  }

  until(check: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!check()) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  /** From here on it misses nothing. */
  async ready(): Promise<void> {
    await this.until(() => this.#established)
    await publish()
    await this.until(() => this.heard.includes(published))
  }

  #told<T>(list: T[], what: T): void {
    list.push(what)
    this.#look()
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}

describe.skipIf(!process.env['REDIS_SERVER'])('rt.revoke', () => {
  it.each(rungs)('ends what was open on another node, over %s, and lets nobody in with the old token', async (rung) => {
    const ann = new Reader(rung, `ann-${rung}@${Date.now() - 1000}`)
    const bob = new Reader(rung, `bob-${rung}@${Date.now() - 1000}`)
    await ann.ready()
    await bob.ready()
    await ann.until(() => ann.heard.includes(published))
    await ask(here, { type: 'revoke', who: `ann-${rung}` })
    await ann.until(() => ann.client.status === 'failed')
    expect(ann.client.problem).toBe('unauthorized')
    expect(ann.errors).toEqual(['unauthenticated'])
    const last = published
    // Two, so that the first has had its time.
    for (let i = 0; i < 2; i++) {
      await publish()
      await bob.until(() => bob.heard.includes(published))
    }
    expect(ann.heard.at(-1)).toBe(last)
    expect(bob.errors).toEqual([])
    // A new client with the old token, and one with a new token.
    const again = new Reader(rung, `ann-${rung}@${Date.now() - 60_000}`)
    await again.until(() => again.client.status === 'failed')
    await new Reader(rung, `ann-${rung}@${Date.now() + 1000}`).ready()
  })

  it.each(rungs)('loses nothing of whoever gets a new token, over %s', async (rung) => {
    let issued = Date.now() - 1000
    const reader = new Reader(rung, () => `cem-${rung}@${issued}`)
    await reader.ready()
    const first = published
    issued = Date.now() + 60_000
    for (let i = 0; i < 5; i++) {
      await publish()
      if (i === 2) await ask(here, { type: 'revoke', who: `cem-${rung}` })
    }
    await reader.until(() => reader.heard.includes(published))
    expect(reader.heard).toEqual(Array.from({ length: published - first + 1 }, (_, i) => first + i))
    expect(reader.errors).toEqual([])
  })

  it('finds everybody for whom a function says yes, on all nodes', async () => {
    const readers = ['acme:1', 'acme:2', 'other:1'].map((id) => new Reader('sse', `${id}@${Date.now() - 1000}`))
    for (const reader of readers) await reader.ready()
    await ask(here, { type: 'revoke', who: 'acme:*' })
    const [one, two, other] = readers as [Reader, Reader, Reader]
    for (const reader of [one, two]) await reader.until(() => reader.client.status === 'failed')
    await publish()
    await other.until(() => other.heard.includes(published))
    expect(other.errors).toEqual([])
  })

  it('holds on a node that was cut off when it was given', async () => {
    const reader = new Reader('websocket', `dan@${Date.now() - 1000}`)
    await reader.ready()
    // Its link comes back after the order.
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await ask(here, { type: 'revoke', who: 'dan' })
    await reader.until(() => reader.client.status === 'failed')
  })

  it('holds on a node that starts afterwards', async () => {
    await ask(here, { type: 'revoke', who: 'eve' })
    const late: Node = new Child(new URL('node.ts', import.meta.url), { redisUrl: redis.url })
    undo.push(() => late.kill())
    const { port } = await late.next('ready')
    const client = createClient<typeof rt>(`http://127.0.0.1:${port}/rt`, { token: `eve@${Date.now() - 60_000}` })
    undo.push(() => client.close())
    const refused = new Promise((resolve) => client.on('error', resolve))
    client.channel('news').subscribe(() => {})
    expect(await refused).toMatchObject({ code: 'unauthenticated' })
    expect(client.status).toBe('failed')
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('rt.recheck', () => {
  it.each(rungs)('takes a channel from whom its rule refuses now, over %s, and nothing else', async (rung) => {
    const fay = new Reader(rung, `fay-${rung}`)
    fay.hear('gossip')
    const gus = new Reader(rung, `gus-${rung}`)
    await fay.ready()
    await gus.ready()
    for (const node of [here, there]) await ask(node, { type: 'expel', id: `fay-${rung}` })
    await ask(here, { type: 'recheck' })
    await fay.until(() => fay.errors.length > 0)
    expect(fay.errors).toEqual(['news forbidden'])
    const before = fay.heard.length
    await publish()
    await gus.until(() => gus.heard.includes(published))
    await fay.until(() => fay.heard.includes(published))
    await publish()
    await gus.until(() => gus.heard.includes(published))
    await fay.until(() => fay.heard.includes(published))
    // Of the other channel alone, each once.
    expect(fay.heard.slice(before)).toEqual([published - 1, published])
    expect(fay.client.status).toBe('connected')
    expect(gus.errors).toEqual([])
  })
})
