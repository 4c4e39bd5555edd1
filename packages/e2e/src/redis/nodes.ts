/** Nodes of the app as processes on a Redis of some kind, and a publisher that goes on until each publication is stored; used by the tests of this folder. */
import type { redis } from '@rt/server/redis'
import { log } from '../processes/app.ts'
import { Child } from '../processes/child.ts'
import type { NodeAsked, NodeTold } from '../processes/node.ts'

export type RedisTarget = Parameters<typeof redis>[0]

const script = new URL('../processes/node.ts', import.meta.url)

export class Node {
  private constructor(
    readonly child: Child<NodeTold, NodeAsked>,
    readonly port: number,
  ) {}

  static async start(redis: RedisTarget): Promise<Node> {
    const child = new Child<NodeTold, NodeAsked>(script, { redis, port: 0 })
    const { port } = await child.next('ready')
    return new Node(child, port)
  }

  /** Publishes this one, again until it is stored. Returns how often it was refused. */
  async publish(sequence: number): Promise<number> {
    for (let refused = 0; ; refused++) {
      const stored = this.child.next('published', (told) => told.sequence === sequence).then(() => true)
      const not = this.child.next('refused', (told) => told.sequence === sequence).then(() => false)
      this.child.ask({ type: 'publish', channel: log(0), sequence })
      if (await Promise.race([stored, not])) return refused
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
