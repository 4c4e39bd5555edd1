/** A TCP proxy on a free port that can swallow what the server pushes to its listening clients; for tests of the Redis broker. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy {
  /** While true, connections that ever sent SUBSCRIBE stay open and receive nothing. */
  deafen = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(target: () => number) {
    this.#server = createServer((client) => {
      const upstream = connect(target(), '127.0.0.1')
      let listens = false
      client.on('data', (bytes) => {
        if (/subscribe/i.test(bytes.toString('latin1'))) listens = true
        upstream.write(bytes)
      })
      upstream.on('data', (bytes) => {
        if (!(listens && this.deafen)) client.write(bytes)
      })
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
      }
    })
  }

  /** `target`: the port to lead to, or a choice made for each connection. */
  static async start(target: number | (() => number)): Promise<TcpProxy> {
    const proxy = new TcpProxy(typeof target === 'number' ? () => target : target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
