/** Links in memory: a connection as two sockets with nothing between them but the faults of its network; made by network.ts. */
import { Duplex } from 'node:stream'
import type { Clock, Timer } from '@rt/protocol'

/** What is wrong with the way between two ends. It may change at any time, and {@link Link.look} tells the link. */
export interface Conditions {
  /** Nothing arrives. */
  silent: boolean
  /** Milliseconds that everything takes. */
  delay: number
}

/** Bytes under way in one direction from which a sender has to wait. */
const FULL = 64 * 1024

/** Stands for the end of what a sender has to say. */
const END = null

/** One connection. As with TCP, neither end is told that the other one does not hear. */
export class Link {
  readonly client: Duplex
  readonly server: Duplex
  readonly #ways: readonly Way[]

  constructor(conditions: Conditions, clock: Clock) {
    const up = new Way(conditions, clock)
    const down = new Way(conditions, clock)
    this.client = new End(up, down)
    this.server = new End(down, up)
    this.#ways = [up, down]
    // Whoever uses an end listens as well; the error of one that nobody uses yet must not end the process.
    for (const end of [this.client, this.server]) end.on('error', () => {})
  }

  get closed(): boolean {
    return this.client.destroyed && this.server.destroyed
  }

  /** Both ends are told at once. */
  cut(): void {
    for (const end of [this.client, this.server]) {
      end.destroy(Object.assign(new Error('The link was cut.'), { code: 'ECONNRESET' }))
    }
  }

  /** The conditions may be better now. */
  look(): void {
    for (const way of this.#ways) way.deliver()
  }
}

/** One end: what is written goes out, what came in can be read. */
class End extends Duplex {
  readonly #out: Way
  readonly #in: Way

  constructor(out: Way, incoming: Way) {
    super()
    this.#out = out
    this.#in = incoming
    incoming.target = this
  }

  override _read(): void {
    this.#in.read()
  }

  override _write(chunk: Buffer, _encoding: string, sent: () => void): void {
    this.#out.carry(chunk, sent)
  }

  override _final(sent: () => void): void {
    this.#out.carry(END, sent)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // What was sent before arrives all the same, and behind it that nothing more comes.
    if (!this.writableEnded) this.#out.carry(END, () => {})
    done(error)
  }
}

/** What one end sends to the other, in order. */
class Way {
  target: Duplex | null = null
  readonly #conditions: Conditions
  readonly #clock: Clock
  readonly #queue: { readonly chunk: Buffer | typeof END; readonly at: number }[] = []
  #bytes = 0
  /** The sender, while it has to wait. */
  #waiting: (() => void) | null = null
  /** The target has asked for more. */
  #wanted = false
  #soon = false
  #timer: Timer | null = null

  constructor(conditions: Conditions, clock: Clock) {
    this.#conditions = conditions
    this.#clock = clock
  }

  carry(chunk: Buffer | typeof END, sent: () => void): void {
    this.#queue.push({ chunk, at: this.#clock.monotonic() + this.#conditions.delay })
    this.#bytes += chunk?.length ?? 0
    if (this.#bytes > FULL) this.#waiting = sent
    else sent()
    this.deliver()
  }

  read(): void {
    this.#wanted = true
    this.deliver()
  }

  /** Soon: a socket never hears within the other one's call. */
  deliver(): void {
    if (this.#soon) return
    this.#soon = true
    process.nextTick(() => {
      this.#soon = false
      if (this.target !== null) this.#give(this.target)
    })
  }

  #give(target: Duplex): void {
    const { silent, delay } = this.#conditions
    if (silent) return
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const { chunk, at } = next
      const wait = at - this.#clock.monotonic()
      if (delay > 0 && wait > 0) {
        this.#clock.clearTimeout(this.#timer)
        this.#timer = this.#clock.setTimeout(() => this.deliver(), wait)
        return
      }
      if (chunk !== END && !this.#wanted && !target.destroyed) return
      this.#queue.shift()
      this.#bytes -= chunk?.length ?? 0
      if (!target.destroyed) this.#wanted = target.push(chunk)
      if (this.#bytes <= FULL) {
        this.#waiting?.()
        this.#waiting = null
      }
    }
  }
}
