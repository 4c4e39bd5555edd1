/** A TCP load balancer without affinity: each connection goes to the next node that accepts it. Joins the two ends plainly, or as its user wants it. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A port on 127.0.0.1, or the path of a Unix socket. */
export type Target = number | string

/** Lets the bytes of two connected ends through to each other. Both were kept from reading so far; errors are listened to already. */
export type Join = (client: Socket, target: Socket) => void

export interface BalancerOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string
  /** Default: plainly. */
  readonly join?: Join
}

const plainly: Join = (client, target) => {
  client.pipe(target)
  target.pipe(client)
  client.once('close', () => target.destroySoon())
  target.once('close', () => client.destroySoon())
}

export class Balancer {
  /** Connections that each target got. */
  readonly connections: number[]
  /** When each connection came: milliseconds of `performance.now()`. */
  readonly arrivals: number[] = []
  /** Connections that found a target down and went to another one. */
  passedOver = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #join: Join
  #targets: readonly Target[]
  #turn = 0

  private constructor(targets: readonly Target[], join: Join) {
    this.connections = targets.map(() => 0)
    this.#join = join
    this.#targets = targets
    this.#server = createServer({ pauseOnConnect: true }, (client) => {
      this.#keep(client)
      this.arrivals.push(performance.now())
      const list = this.#targets
      this.#forward(client, list, this.#turn++ % list.length, list.length)
    })
  }

  static async start(targets: readonly Target[], options: BalancerOptions = {}): Promise<Balancer> {
    const { host = '127.0.0.1', join = plainly } = options
    const balancer = new Balancer(targets, join)
    balancer.#server.listen(0, host)
    await once(balancer.#server, 'listening')
    return balancer
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://${(this.#server.address() as AddressInfo).address}:${this.port}/rt`
  }

  /** Where connections go from now on; those that are open stay. */
  route(targets: readonly Target[]): void {
    this.#targets = targets
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Tries them all, beginning with the one whose turn it is. */
  #forward(client: Socket, targets: readonly Target[], turn: number, left: number): void {
    if (left === 0) return void client.destroy()
    const to = targets[turn] as Target
    const target = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to)
    const next = () => {
      this.passedOver++
      this.#forward(client, targets, (turn + 1) % targets.length, left - 1)
    }
    target.once('error', next)
    target.once('connect', () => {
      target.off('error', next)
      this.#keep(target)
      this.connections[turn] = (this.connections[turn] ?? 0) + 1
      if (client.destroyed) target.destroy()
      else this.#join(client, target)
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
