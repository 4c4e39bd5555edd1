/** Two nodes as processes on one Redis, orders and publications for one of them, and clients that note what they hear; for the tests of this folder. */
import { type Client, type ClientOptions, createClient, type Status, type TransportName } from '@rt/client'
import { RedisServer } from '@rt/server/testing'
import { expect } from 'vitest'
import { Child } from '../processes/child.ts'
import type { NodeAsked, NodeTold, rt } from './node.ts'

export type Node = Child<NodeTold, NodeAsked>

export const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

export class Nodes {
  /** The number of the newest publication. */
  published = 0

  private constructor(
    readonly redis: RedisServer,
    /** Is told what to do. */
    readonly here: Node,
    readonly hereUrl: string,
    /** Has the clients. */
    readonly there: Node,
    readonly thereUrl: string,
  ) {}

  static async start(): Promise<Nodes> {
    const redis = await RedisServer.start()
    const [here, hereUrl] = await startNode(redis)
    const [there, thereUrl] = await startNode(redis)
    return new Nodes(redis, here, hereUrl, there, thereUrl)
  }

  async ask(node: Node, asked: NodeAsked): Promise<void> {
    const done = node.next('done')
    node.ask(asked)
    await done
  }

  publish(node = this.here): Promise<void> {
    return this.ask(node, { type: 'publish', n: ++this.published })
  }

  async close(): Promise<void> {
    for (const node of [this.here, this.there]) {
      await node.kill()
      expect(node.stderr).toBe('')
    }
    await this.redis.close()
  }
}

export async function startNode(redis: RedisServer): Promise<readonly [Node, url: string]> {
  const node: Node = new Child(new URL('node.ts', import.meta.url), { redisUrl: redis.url })
  const { port } = await node.next('ready')
  return [node, `http://127.0.0.1:${port}/rt`]
}

/** A client that is held on one rung, and all that it hears of a channel. */
export class Reader {
  readonly client: Client<typeof rt>
  readonly heard: number[] = []
  readonly errors: string[] = []
  readonly statuses: Status[] = []
  readonly #nodes: Nodes
  #established = false
  readonly #waiting = new Set<() => void>()

  constructor(
    nodes: Nodes,
    rung: TransportName,
    token: string | (() => string),
    {
      channel = 'news',
      url = nodes.thereUrl,
      ...options
    }: ClientOptions & { channel?: 'news' | 'gossip'; url?: string } = {},
  ) {
    this.#nodes = nodes
    this.client = createClient<typeof rt>(url, { transports: [rung], token, ...options })
    this.client.on('status', (status) => this.#told(this.statuses, status))
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
    await this.#nodes.publish()
    await this.caughtUp()
  }

  /** It heard the newest publication. */
  caughtUp(): Promise<void> {
    const { published } = this.#nodes
    return this.until(() => this.heard.includes(published))
  }

  #told<T>(list: T[], what: T): void {
    list.push(what)
    this.#look()
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}
