/** What one run of a case has in its hands: the way to the nodes with its fault proxy, the publisher, the client. */
import { randomUUID } from 'node:crypto'
import type { TransportName } from '@rt/client'
import type { Target } from '../processes/balancer.ts'
import { FaultProxy } from './fault-proxy.ts'
import { type HaproxySettings, startHaproxy } from './haproxy.ts'
import { Namespace } from './namespace.ts'
import { type NginxSettings, startNginx } from './nginx.ts'
import { Publisher } from './publisher.ts'
import { Subject } from './subject.ts'
import type { SubscriberSettings } from './subscriber.ts'
import type { World } from './world.ts'

export interface StageOptions {
  /** Where the client is: in this process, in one of its own, or in one in a network of its own. */
  readonly client: 'here' | 'process' | 'network'
  readonly token: SubscriberSettings['token']
  /** Milliseconds between two publications. */
  readonly pace: number
}

export class Stage {
  readonly world: World
  readonly run = randomUUID().slice(0, 8)
  /** What the client connects to. */
  readonly proxy: FaultProxy
  readonly publisher: Publisher
  readonly #network: Namespace | null
  readonly #options: StageOptions
  readonly #undo: (() => unknown)[] = []
  #subject: Subject | null = null
  #published = 0

  private constructor(world: World, proxy: FaultProxy, network: Namespace | null, options: StageOptions) {
    this.world = world
    this.proxy = proxy
    this.#network = network
    this.#options = options
    this.publisher = new Publisher(world.worker, this.run, options.pace)
  }

  static async open(world: World, options: StageOptions): Promise<Stage> {
    const network = options.client === 'network' ? Namespace.create() : null
    const proxy = await FaultProxy.start(world.ports, network?.host)
    return new Stage(world, proxy, network, options)
  }

  get subject(): Subject {
    if (this.#subject === null) throw new Error('The client has not begun yet.')
    return this.#subject
  }

  get began(): boolean {
    return this.#subject !== null
  }

  get network(): Namespace {
    if (this.#network === null) throw new Error('The client is in no network of its own.')
    return this.#network
  }

  /** The client begins to connect. */
  begin(order: readonly TransportName[] | null): void {
    const { client, token } = this.#options
    const within = client === 'here' ? null : (this.#network?.within ?? [])
    const settings = { run: this.run, url: this.proxy.url, order, ...(token !== undefined && { token }) }
    this.#subject = new Subject(settings, within)
  }

  /** Leads what connects from now on to nginx, and by it to the nodes. */
  async throughNginx(settings: NginxSettings, ports: readonly number[] = this.world.ports): Promise<void> {
    const nginx = await startNginx(ports, settings)
    this.#undo.push(() => nginx.close())
    this.proxy.route([nginx.socket])
  }

  async throughHaproxy(settings: HaproxySettings): Promise<void> {
    const haproxy = await startHaproxy(this.world.ports, settings)
    this.#undo.push(() => haproxy.close())
    this.proxy.route([haproxy.socket])
  }

  /** Leads what connects from now on somewhere else. */
  route(targets: readonly Target[]): void {
    this.proxy.route(targets)
  }

  /** Leads to the nodes, without any fault for what connects from now on. */
  heal(): void {
    this.proxy.fault = null
    this.proxy.route(this.world.ports)
  }

  /** The same, and what is open ends: the client has come into another network. Else idle connections of its `fetch` would still lead into the old one. */
  leave(): void {
    this.heal()
    this.proxy.cut()
  }

  /** The client publishes its next one. Resolves when it is stored, else with the code of the refusal. */
  publish(bytes?: number): Promise<string | null> {
    const answer = this.subject.publish(++this.#published, bytes)
    // Where a run fails nobody asks for it any more.
    answer.catch(() => {})
    return answer
  }

  async close(): Promise<void> {
    await this.publisher.stop()
    await this.#subject?.close()
    await this.proxy.close()
    for (const undo of this.#undo.reverse()) await undo()
    this.#network?.close()
  }
}

/** A pause of the network's, not of the test's: nothing happens in it that could be awaited. */
export const outage = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
