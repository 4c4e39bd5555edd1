/** A TCP link that can be cut, halved, held, stopped and made deaf, and that says whether anybody noticed; bytes are never lost within a connection that goes on. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

interface Pair {
  readonly client: Socket
  readonly target: Socket
  /** Ever sent SUBSCRIBE. */
  listens: boolean
  /** From now on it brings nothing to the client, whatever the link does. */
  deaf: boolean
  halved: boolean
  readonly held: { readonly to: Socket; readonly bytes: Buffer }[]
}

export class Link {
  /** Bytes that did not get through in time, or never. */
  withheld = 0
  #holding = false
  #stopped = false
  readonly #pairs = new Set<Pair>()
  readonly #server: Server

  private constructor(target: number) {
    this.#server = createServer((client) => this.#join(client, connect(target, '127.0.0.1')))
  }

  static async start(target: number): Promise<Link> {
    const link = new Link(target)
    link.#server.listen(0, '127.0.0.1')
    await once(link.#server, 'listening')
    return link
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Both ends are told. Returns how many connections there were. */
  cut(): number {
    const { size } = this.#pairs
    for (const { client, target } of this.#pairs) {
      client.destroy()
      target.destroy()
    }
    return size
  }

  /** The target is told that all are gone, the clients are not. Returns how many there were. */
  halve(): number {
    let count = 0
    for (const pair of this.#pairs) {
      if (pair.halved) continue
      pair.halved = true
      pair.target.destroy()
      count++
    }
    return count
  }

  /** What listens now hears nothing any more, and its connection stays open. Returns how many do. */
  deafen(): number {
    let count = 0
    for (const pair of this.#pairs) {
      if (!pair.listens || pair.deaf) continue
      pair.deaf = true
      count++
    }
    return count
  }

  /** Nothing gets through until {@link release}, then all of it, as when a network is back. */
  hold(): void {
    this.#holding = true
  }

  release(): void {
    this.#holding = false
    for (const { held } of this.#pairs) for (const { to, bytes } of held.splice(0)) to.write(bytes)
  }

  /** Nothing more is read from the target: who sends to a client that does not read. */
  stop(): void {
    this.#stopped = true
    for (const { target } of this.#pairs) target.pause()
  }

  go(): void {
    this.#stopped = false
    for (const { target } of this.#pairs) target.resume()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket, target: Socket): void {
    const pair: Pair = { client, target, listens: false, deaf: false, halved: false, held: [] }
    this.#pairs.add(pair)
    const pass = (to: Socket, bytes: Buffer) => {
      if (pair.halved || (pair.deaf && to === client)) this.withheld += bytes.length
      else if (this.#holding) {
        this.withheld += bytes.length
        pair.held.push({ to, bytes })
      } else to.write(bytes)
    }
    client.on('data', (bytes: Buffer) => {
      if (!pair.listens) pair.listens = /\r\nsubscribe\r\n/i.test(bytes.toString('latin1'))
      pass(target, bytes)
    })
    target.on('data', (bytes: Buffer) => pass(client, bytes))
    if (this.#stopped) target.pause()
    for (const socket of [client, target]) socket.on('error', () => {})
    client.on('close', () => {
      this.#pairs.delete(pair)
      target.destroy()
    })
    target.on('close', () => {
      if (!pair.halved) client.destroySoon()
    })
  }
}
