/** A TCP proxy whose connections can be cut and frozen: one stands between the page and the nodes, one between the nodes and Redis. Made by start.ts. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'

export class TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #targets: () => readonly NetConnectOpts[]
  readonly #sockets = new Set<Socket>()
  /** Connections that came in a freeze. */
  readonly #waiting = new Set<Socket>()
  #turn = 0
  #thaw: NodeJS.Timeout | null = null

  private constructor(server: Server, targets: () => readonly NetConnectOpts[]) {
    this.#server = server
    this.#targets = targets
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (client) => {
      this.#keep(client)
      if (this.frozen) this.#waiting.add(client)
      else this.#join(client)
    })
  }

  /** Each connection goes to the next of `targets` that takes it. */
  static async start(targets: () => readonly NetConnectOpts[]): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true, noDelay: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TcpProxy(server, targets)
  }

  get frozen(): boolean {
    return this.#thaw !== null
  }

  /** Connections that are open here, seen from the left. */
  get open(): number {
    return Math.ceil(this.#sockets.size / 2)
  }

  /** Both ends are told at once, in the middle of whatever they say. */
  cut(): void {
    for (const socket of this.#sockets) {
      // Only TCP knows a reset; a Redis of our own is at a Unix socket.
      if (socket.remoteFamily === undefined) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  /** Nothing goes through for so many milliseconds, and nobody is told. */
  freeze(milliseconds: number): void {
    if (this.#thaw !== null) clearTimeout(this.#thaw)
    for (const socket of this.#sockets) socket.pause()
    this.#thaw = setTimeout(() => {
      this.#thaw = null
      const waiting = [...this.#waiting]
      this.#waiting.clear()
      for (const socket of this.#sockets) if (!waiting.includes(socket)) socket.resume()
      for (const client of waiting) this.#join(client)
    }, milliseconds)
  }

  close(): void {
    if (this.#thaw !== null) clearTimeout(this.#thaw)
    this.#server.close()
    this.cut()
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    // Its close follows.
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#waiting.delete(socket)
    })
  }

  #join(client: Socket): void {
    const targets = this.#targets()
    const first = this.#turn++
    const attempt = (tried: number): void => {
      const to = targets[(first + tried) % targets.length]
      if (to === undefined || tried === targets.length) {
        client.destroy()
        return
      }
      const target = connect({ noDelay: true, ...to })
      const next = () => attempt(tried + 1)
      target.once('error', next)
      target.once('connect', () => {
        target.off('error', next)
        this.#keep(target)
        this.#pass(client, target)
        this.#pass(target, client)
      })
    }
    attempt(0)
  }

  #pass(from: Socket, to: Socket): void {
    from.on('data', (bytes) => {
      if (to.write(bytes)) return
      from.pause()
      to.once('drain', () => {
        if (!this.frozen) from.resume()
      })
    })
    from.once('close', () => to.destroySoon())
    if (this.frozen) from.pause()
    else from.resume()
  }
}
