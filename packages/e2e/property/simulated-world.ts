/** A world in which nothing moves by itself: every announcement, confirmation and answer waits for a move. */
import { compareIds } from '@rt/protocol'
import { type SimulatedNode, SimulatedStore } from '@rt/server/internal'
import { FakeClock } from '@rt/server/testing'
import type { Stored, World } from './world'

export interface SimulatedSettings {
  readonly partitions: number
  readonly nodes: number
  /** Restarts, rollbacks, expiry. */
  readonly losses: boolean
  /** Milliseconds of the channels' history. */
  readonly ttl: number
  partition(channel: string): number
}

export class SimulatedWorld implements World {
  readonly brokers: readonly SimulatedNode[]
  readonly clock = new FakeClock()
  readonly #settings: SimulatedSettings
  readonly #wall = new FakeClock()
  readonly #store: SimulatedStore
  readonly #stored: (Stored & { readonly epoch: string })[] = []
  readonly #deferred: (() => void)[] = []
  readonly #forgets: { readonly kind: 'rollback' | 'expiry'; readonly at: number }[] = []
  #quiet = 0

  constructor(settings: SimulatedSettings) {
    this.#settings = settings
    const { partitions, partition } = settings
    this.#store = new SimulatedStore({ partitions, clock: this.#wall, page: 2, partition })
    this.#store.onStored = (stored) => this.#stored.push(stored)
    this.brokers = Array.from({ length: settings.nodes }, () => this.#store.node())
  }

  async ready(): Promise<void> {}

  defer(run: () => void): void {
    this.#deferred.push(run)
  }

  moves(a: number, b: number): readonly (readonly [number, () => void | Promise<void>])[] {
    const node = this.brokers[a % this.brokers.length] as SimulatedNode
    const times = (way: 'request' | 'arrival' | 'call' | 'answer') => () => {
      for (let i = 0; i <= b % 3; i++) node.step(way)
    }
    return [
      [14, times('arrival')],
      [8, times('request')],
      [10, times('call')],
      [10, times('answer')],
      [10, () => this.#tick()],
      [12, () => this.#settle(node)],
      [2, () => node.loseSubscriber()],
      [1, () => node.loseCommands()],
      [5, () => node.connect()],
      // The link breaks and is there again before anybody was told what came last.
      [1, () => this.#blink(node, 'arrival')],
      [1, () => this.#blink(node, 'answer')],
      [2, () => this.#wall.advance(b % 3)],
      [1, () => this.#wall.step(-(b % 5000))],
      [1, () => this.clock.advance(1000 * (b % 40))],
      ...(this.#settings.losses
        ? ([
            [2, () => this.#store.save()],
            [1, () => this.#restart(false)],
            [2, () => this.#restart(true)],
            // A failover to a machine whose clock is behind: new ids may be lower than lost ones.
            [2, () => this.#failover(b % 5000)],
            [1, () => this.#expire(this.#settings.ttl + 1)],
            [1, () => this.#expire(this.#settings.ttl + 25 * 3_600_000 + 1)],
          ] as const)
        : []),
    ]
  }

  /** Lets every promise that can run, run. */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  patient(round: number): boolean {
    return round < 1000
  }

  async mend(): Promise<boolean> {
    let moved = this.#deferred.length > 0
    this.#tick()
    for (const node of this.brokers) {
      if (!node.up) node.connect()
      for (const way of ['request', 'call', 'answer', 'arrival'] as const) while (node.step(way)) moved = true
    }
    await this.turn()
    // Pauses before retries may still run: only several quiet seconds are rest.
    if (moved) this.#quiet = 0
    else if (++this.#quiet <= 4) this.clock.advance(700)
    else {
      this.#quiet = 0
      return false
    }
    return true
  }

  saw(): void {}

  async stored(): Promise<readonly Stored[]> {
    return this.#stored
  }

  isAfter(stored: Stored & { readonly epoch?: string }, start: { id: string; epoch: string }): boolean {
    const { epochs } = this.#store
    if (stored.epoch === start.epoch) return compareIds(stored.id, start.id) > 0
    return epochs.indexOf(stored.epoch as string) > epochs.indexOf(start.epoch)
  }

  forgot(kind: 'rollback' | 'expiry', from: number, to: number): boolean {
    return this.#forgets.some((forget) => forget.kind === kind && forget.at > from && forget.at <= to)
  }

  async close(): Promise<void> {}

  /** A quiet moment: one node is in touch and gets all that is there. */
  async #settle(node: SimulatedNode): Promise<void> {
    if (!node.up) node.connect()
    for (let round = 0; round < 6; round++) {
      for (const way of ['request', 'arrival', 'call', 'answer'] as const) while (node.step(way));
      await this.turn()
      this.#tick()
      await this.turn()
    }
  }

  #tick(): void {
    for (const run of this.#deferred.splice(0)) run()
  }

  #blink(node: SimulatedNode, last: 'arrival' | 'answer'): void {
    node.step(last)
    node.loseSubscriber()
    node.connect()
  }

  #restart(rollback: boolean): void {
    if (rollback) this.#forgets.push({ kind: 'rollback', at: this.#stored.length })
    this.#store.restart(rollback)
  }

  #failover(behind: number): void {
    this.#wall.step(-behind)
    this.#restart(true)
  }

  #expire(ms: number): void {
    this.#forgets.push({ kind: 'expiry', at: this.#stored.length })
    this.#wall.advance(ms)
  }
}
