/** A model of nodes behind a balancer without affinity, which counts who comes when; the herd's clients connect to it. */
import type { SocketConstructor } from '@rt/client'
import { type Clock, RealtimeError } from '@rt/protocol'
import { Drain } from '@rt/server/internal'
import { ClientEnd, NodeEnd, refuse } from './sockets'

export interface FleetSettings {
  readonly clock: Clock
  readonly nodes: number
  /** Whether the balancer leaves a node out as soon as it drains, as it does when that stops listening. If not, the node refuses whom it gets. */
  readonly aware: boolean
}

export class Fleet {
  readonly nodes: readonly Node[]
  /** When each connection came, those too that nobody took. */
  readonly arrivals: number[] = []
  /** How many of them were refused by a node that drains. */
  refused = 0
  readonly WebSocket: SocketConstructor
  readonly fetch: typeof globalThis.fetch
  readonly #aware: boolean

  constructor({ clock, nodes, aware }: FleetSettings) {
    this.#aware = aware
    this.nodes = Array.from({ length: nodes }, () => new Node(clock))
    const arrived = (client: ClientEnd) => {
      this.arrivals.push(clock.monotonic())
      this.#forward(client)
    }
    this.WebSocket = class extends ClientEnd {
      constructor(url: string) {
        super(clock, url, arrived)
      }
    }
    // Where anything comes through, a WebSocket does: requests come when nothing does.
    this.fetch = () => {
      this.arrivals.push(clock.monotonic())
      return Promise.reject(new TypeError('fetch failed'))
    }
  }

  #forward(client: ClientEnd): void {
    const taking = this.nodes.filter(({ state }) => state === 'up' || (state === 'draining' && !this.#aware))
    const node = taking[Math.floor(Math.random() * taking.length)]
    if (node === undefined) client.end(1006)
    else if (node.accept(client) === 'refused') this.refused++
  }
}

class Node {
  state: 'up' | 'draining' | 'down' = 'up'
  readonly streams = new Set<NodeEnd>()
  readonly #clock: Clock
  #drain: Drain | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  accept(client: ClientEnd): 'accepted' | 'refused' {
    if (this.state === 'draining') {
      refuse(client, new RealtimeError('draining', 'This node is closing.', { retryAfter: 0 }))
      return 'refused'
    }
    const stream = new NodeEnd(this.#clock, client, (gone) => {
      this.streams.delete(gone)
      this.#drain?.gone(gone)
    })
    this.streams.add(stream)
    return 'accepted'
  }

  /** With the server's own plan. Resolves when nobody is left. */
  async drain(ms: number): Promise<void> {
    this.state = 'draining'
    this.#drain = new Drain({ streams: this.streams, ms, clock: this.#clock })
    await this.#drain.done
    this.#drain = null
    this.state = 'down'
  }

  /** Refuses everybody from now on and drops whom it has: a node that came up and is not ready. */
  refuse(): void {
    this.kill()
    this.state = 'draining'
  }

  kill(): void {
    this.state = 'down'
    for (const stream of [...this.streams]) stream.cut()
  }

  start(): void {
    this.state = 'up'
  }
}
