/** The fault proxy: balances TCP connections over the nodes without affinity, and does to them what a fault says; the faults are in faults.ts. */
import type { Socket } from 'node:net'
import { Balancer, type Target } from '../processes/balancer.ts'

/** Takes bytes of one direction, and passes on what it likes, when it likes. */
export type Filter = (bytes: Buffer, pass: (bytes: Buffer) => void) => void

/** One fault at work on one connection. What is absent is done plainly. */
export interface Damage {
  /** From the client to the node. */
  readonly up?: Filter
  /** From the node to the client. */
  readonly down?: Filter
  /** The node ended: what is still held may be passed on. */
  readonly last?: (pass: (bytes: Buffer) => void) => void
  /** Milliseconds until the client hears that the node ended: those that its last bytes take. */
  readonly lag?: number
  /** Neither end hears of the other's end. */
  readonly deaf?: true
}

/** Made anew for each connection. */
export type Fault = (line: Line) => Damage

/** One connection of a client with a node. */
export class Line {
  /** It asked for a WebSocket. */
  upgrade = false
  damage: Damage = {}
  readonly client: Socket
  readonly target: Socket

  constructor(client: Socket, target: Socket) {
    this.client = client
    this.target = target
    const down = (bytes: Buffer) => void client.write(bytes)
    const up = (bytes: Buffer) => void target.write(bytes)
    client.once('data', (bytes) => {
      this.upgrade = /^upgrade: *websocket/im.test(bytes.toString('latin1'))
    })
    client.on('data', (bytes) => {
      if (this.damage.up === undefined) up(bytes)
      else this.damage.up(bytes, up)
    })
    target.on('data', (bytes) => {
      if (this.damage.down === undefined) down(bytes)
      else this.damage.down(bytes, down)
    })
    target.once('close', () => {
      this.damage.last?.(down)
      if (this.damage.deaf === true) return
      if (this.damage.lag === undefined) client.destroySoon()
      else setTimeout(() => client.destroySoon(), this.damage.lag)
    })
    client.once('close', () => {
      if (this.damage.deaf !== true) target.destroySoon()
    })
    client.resume()
  }
}

export class FaultProxy {
  /** What is done to connections that come from now on; null: nothing. */
  fault: Fault | null = null
  /** When each WebSocket was asked for, milliseconds since 1970. */
  readonly upgrades: number[] = []
  /** Connections that came. */
  opened = 0
  /** Called for each connection that comes. */
  onOpen: () => void = () => {}
  readonly #balancer: Balancer
  readonly #lines: Set<Line>

  private constructor(balancer: Balancer, lines: Set<Line>) {
    this.#balancer = balancer
    this.#lines = lines
  }

  /** @param host Address to listen on. */
  static async start(targets: readonly Target[], host = '127.0.0.1'): Promise<FaultProxy> {
    const lines = new Set<Line>()
    const join = (client: Socket, target: Socket) => {
      const line = new Line(client, target)
      proxy.opened++
      proxy.onOpen()
      lines.add(line)
      client.once('close', () => lines.delete(line))
      client.once('data', () => {
        if (line.upgrade) proxy.upgrades.push(Date.now())
      })
      if (proxy.fault !== null) line.damage = proxy.fault(line)
    }
    const balancer = await Balancer.start(targets, { host, join })
    const proxy = new FaultProxy(balancer, lines)
    return proxy
  }

  get port(): number {
    return this.#balancer.port
  }

  get url(): string {
    return this.#balancer.url
  }

  /** Where connections go from now on. */
  route(targets: readonly Target[]): void {
    this.#balancer.route(targets)
  }

  /** Does this to the connections that are open now. */
  strike(fault: Fault): void {
    for (const line of this.#lines) line.damage = fault(line)
  }

  /** Resets the connections that are open now. */
  cut(): void {
    for (const { client } of this.#lines) client.resetAndDestroy()
  }

  close(): Promise<void> {
    return this.#balancer.close()
  }
}
