/** Two nodes (processes) on one real Redis, and a worker that publishes: what a run of the bench happens in. */
import { RedisServer } from '@rt/server/testing'
import { Child } from '../processes/child.ts'
import { type App, createApp } from './app.ts'
import type { NodeAsked, NodeTold } from './node.ts'

export interface WorldOptions {
  /** Milliseconds. */
  readonly heartbeat: number
}

export class World {
  readonly redis: RedisServer
  /** Publishes; it has no transports. */
  readonly worker: App
  readonly #nodes: { child: Child<NodeTold, NodeAsked>; port: number }[] = []
  readonly #heartbeat: number

  private constructor(redis: RedisServer, heartbeat: number) {
    this.redis = redis
    this.#heartbeat = heartbeat
    this.worker = createApp({ redisUrl: redis.url, heartbeat })
  }

  static async start({ heartbeat }: WorldOptions): Promise<World> {
    const world = new World(await RedisServer.start({ args: ['--appendonly', 'yes'] }), heartbeat)
    await Promise.all([world.#add(0), world.#add(1)])
    return world
  }

  /** The ports of both nodes, whether they live or not. */
  get ports(): readonly number[] {
    return this.#nodes.map(({ port }) => port)
  }

  /** SIGKILL. */
  async kill(index: number): Promise<void> {
    await this.#at(index).child.kill()
  }

  /** Lets it close by itself, as on SIGTERM. Resolves when it is gone. */
  async drain(index: number): Promise<void> {
    const { child } = this.#at(index)
    child.ask({ type: 'close' })
    await child.exited
  }

  /** Starts a node that is gone again, on its old port. */
  restart(index: number): Promise<void> {
    return this.#add(index, this.#at(index).port)
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map(({ child }) => child.kill()))
    await this.worker.close()
    await this.redis.close()
  }

  #at(index: number) {
    return this.#nodes[index] as { child: Child<NodeTold, NodeAsked>; port: number }
  }

  async #add(index: number, port = 0): Promise<void> {
    const settings = { redisUrl: this.redis.url, heartbeat: this.#heartbeat, port }
    const child = new Child<NodeTold, NodeAsked>(new URL('node.ts', import.meta.url), settings)
    const ready = await child.next('ready')
    this.#nodes[index] = { child, port: ready.port }
  }
}
