/** A TCP load balancer without affinity: each connection goes to the next node that accepts it. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class Balancer {
  /** Connections that each target got. */
  readonly connections: number[]
  /** When each connection came: milliseconds of `performance.now()`. */
  readonly arrivals: number[] = []
  /** Connections that found a target down and went to another one. */
  passedOver = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #turn = 0

  private constructor(targets: readonly number[]) {
    this.connections = targets.map(() => 0)
    this.#server = createServer({ pauseOnConnect: true }, (client) => {
      this.#keep(client)
      this.arrivals.push(performance.now())
      this.#forward(client, targets, this.#turn++ % targets.length, targets.length)
    })
  }

  /** @param targets Ports on 127.0.0.1. */
  static async start(targets: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(targets)
    balancer.#server.listen(0, '127.0.0.1')
    await once(balancer.#server, 'listening')
    return balancer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/rt`
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** Tries them all, beginning with the one whose turn it is. */
  #forward(client: Socket, targets: readonly number[], turn: number, left: number): void {
    if (left === 0) return void client.destroy()
    const target = connect(targets[turn] as number, '127.0.0.1')
    const next = () => {
      this.passedOver++
      this.#forward(client, targets, (turn + 1) % targets.length, left - 1)
    }
    target.once('error', next)
    target.once('connect', () => {
      target.off('error', next)
      this.#keep(target)
      this.connections[turn] = (this.connections[turn] ?? 0) + 1
      client.pipe(target)
      target.pipe(client)
      client.once('close', () => target.destroySoon())
      target.once('close', () => client.destroySoon())
      if (client.destroyed) target.destroy()
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
