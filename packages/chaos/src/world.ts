/** All processes of one run: Redis, nodes behind links, publishers, subscribers, members; made by run.ts, struck by faults.ts. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TransportName } from '@rt/client'
import { freePort } from '@rt/e2e/free-port.ts'
import { Balancer } from '@rt/e2e/processes/balancer.ts'
import { Child } from '@rt/e2e/processes/child.ts'
import { RedisServer } from '@rt/server/testing'
import { CHANNELS, log } from './app.ts'
import type { ClientsAsked, ClientsSettings, ClientsTold } from './clients.ts'
import { historyFile, type Loss } from './history.ts'
import { Link } from './link.ts'
import type { NodeAsked, NodeSettings, NodeTold } from './node.ts'
import type { PublishersAsked, PublishersSettings, PublishersTold } from './publishers.ts'

/** How this run's Redis keeps its data when it is killed. `steady`: it is not killed, and nothing is taken from it. */
export type Keeping = 'nothing' | 'snapshots' | 'appends' | 'steady'

export type Clients = Child<ClientsTold, ClientsAsked>
export type Publishers = Child<PublishersTold, PublishersAsked>

export interface WorldSize {
  /** On each rung, and as many that are left to the ladder. */
  readonly subscribers: number
  readonly members: number
  /** Processes with members that are there to be killed. */
  readonly doomed: number
  readonly pace: number
}

const NODES = 3
const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
/** Milliseconds since 1970 at which nothing had been stored. */
const EVER = 0

export class Node {
  child!: Child<NodeTold, NodeAsked>
  /** What it wrote to stderr in earlier lives. */
  stderr = ''
  constructor(
    readonly name: string,
    readonly port: number,
    /** From the node to its Redis, and from clients to the node. */
    readonly redis: Link,
    readonly clients: Link,
  ) {}

  async start(): Promise<void> {
    if (this.child !== undefined) this.stderr += this.child.stderr
    const settings: NodeSettings = { redisUrl: `redis://127.0.0.1:${this.redis.port}`, port: this.port }
    this.child = new Child(new URL('node.ts', import.meta.url), settings)
    await this.child.next('ready')
  }

  async look() {
    const looks = this.child.next('looks')
    this.child.ask({ type: 'look' })
    return looks
  }
}

export class World {
  readonly #undo: (() => unknown)[] = []
  readonly #write: ReturnType<typeof historyFile>
  readonly directory: string
  readonly keeping: Keeping
  redis!: RedisServer
  nodes: Node[] = []
  /** From the publishing worker to its Redis. */
  workerLink!: Link
  worker!: Publishers
  senders!: Publishers
  subscribers!: Clients
  people!: Clients
  doomed: { readonly names: readonly string[]; readonly clients: Clients }[] = []
  readonly living: string[] = []
  readonly vanished: string[] = []

  private constructor(directory: string, keeping: Keeping) {
    this.directory = join(directory, 'history')
    mkdirSync(this.directory, { recursive: true })
    this.keeping = keeping
    this.#write = historyFile(this.directory, 'faults')
  }

  static async start(directory: string, keeping: Keeping, size: WorldSize): Promise<World> {
    // Each process listens for the end of this one.
    process.setMaxListeners(0)
    const world = new World(directory, keeping)
    try {
      await world.#start(size)
      return world
    } catch (error) {
      await world.close()
      throw error
    }
  }

  async #start({ subscribers, members, doomed, pace }: WorldSize): Promise<void> {
    this.redis = await RedisServer.start({ args: this.keeping === 'appends' ? ['--appendonly', 'yes'] : [] })
    this.#undo.push(() => this.redis.close())
    const link = async (port: number) => {
      const made = await Link.start(port)
      this.#undo.push(() => made.close())
      return made
    }
    for (let i = 0; i < NODES; i++) {
      const port = await freePort()
      const node = new Node(`node ${i + 1}`, port, await link(this.redis.port), await link(port))
      this.nodes.push(node)
      this.#undo.push(() => node.child?.kill())
    }
    this.workerLink = await link(this.redis.port)
    await Promise.all(this.nodes.map((node) => node.start()))
    const balancer = await Balancer.start(this.nodes.map(({ clients }) => clients.port))
    this.#undo.push(() => balancer.close())
    const { url } = balancer

    const clients = (name: string, more: Partial<ClientsSettings>): Clients => {
      const settings = { directory: this.directory, name, url, subscribers: [], watchers: [], members: {}, ...more }
      return this.#child('clients', settings satisfies ClientsSettings)
    }
    const named = (prefix: string, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, rungs[i % 3] as TransportName]))
    const each = [...rungs, null].flatMap((rung) => Array.from({ length: subscribers }, () => rung))
    this.subscribers = clients('subscriber', { subscribers: each })
    const lasting = named('living', members)
    this.living.push(...Object.keys(lasting))
    this.people = clients('people', { members: lasting, watchers: rungs.slice(0, 3) })
    for (let i = 0; i < doomed; i++) {
      const who = named(`doomed${i}-`, 2)
      this.doomed.push({ names: Object.keys(who), clients: clients(`doomed-${i}`, { members: who }) })
    }
    await Promise.all(
      [this.subscribers, this.people, ...this.doomed.map(({ clients }) => clients)].map((child) => child.next('there')),
    )
    const publishers = (name: string, more: Partial<PublishersSettings>): Publishers =>
      this.#child('publishers', { directory: this.directory, name, pace, ...more } satisfies PublishersSettings)
    this.worker = publishers('worker', { redisUrl: `redis://127.0.0.1:${this.workerLink.port}` })
    this.senders = publishers('sender', { url })
    await Promise.all([this.worker.next('ready'), this.senders.next('ready')])
  }

  #child<Told extends { readonly type: string }, Asked>(script: string, settings: unknown): Child<Told, Asked> {
    const child = new Child<Told, Asked>(new URL(`${script}.ts`, import.meta.url), settings)
    this.#undo.push(() => child.kill())
    return child
  }

  /** Stored data was, or may have been, taken away until now. */
  took(by: string, since: number = EVER, channel: string | null = null): void {
    this.#cause('loss', by, since, channel)
  }

  /** Until now the store could not know whether it lost anything; it did not. */
  disturbed(by: string, since: number, channel: string | null = null): void {
    this.#cause('restart', by, since, channel)
  }

  #cause(kind: Loss['kind'], by: string, since: number, channel: string | null): void {
    this.#write({ kind, by, since, channel })
  }

  vanish(names: readonly string[]): void {
    this.vanished.push(...names)
    for (const member of names) this.#write({ kind: 'vanished', member })
  }

  /** Those of the doomed who were not killed. */
  get present(): string[] {
    return [...this.living, ...this.doomed.flatMap(({ names }) => names)].filter(
      (name) => !this.vanished.includes(name),
    )
  }

  /** Writes down what Redis holds. */
  async inventory(): Promise<void> {
    for (let n = 0; n < CHANNELS; n++) {
      const entries = (await this.redis.command('XRANGE', `{rt:0}:log:${log(n)}`, '-', '+')) as [string, unknown][]
      this.#write({ kind: 'kept', channel: log(n), ids: entries.map(([id]) => id) })
    }
  }

  /** The children that must end by themselves, in this order. */
  get children(): Child<{ type: string }, { type: 'close' }>[] {
    const all = [this.worker, this.senders, this.subscribers, this.people, ...this.doomed.map(({ clients }) => clients)]
    return all as unknown as Child<{ type: string }, { type: 'close' }>[]
  }

  async close(): Promise<void> {
    this.redis?.resume()
    for (const run of this.#undo.splice(0).reverse()) await run()
  }
}
