/**
 * A store whose links are under the test's control: announcements, confirmations and answers wait in queues until the test lets them through, links
 * are cut, the store restarts empty or rolled back. The log itself is the one of `memory()`. For searches through random schedules.
 */
import { type Clock, RealtimeError } from '@rt/protocol'
import { MemoryStore } from '../backends/memory/broker'
import { PartitionLog } from '../backends/memory/log'
import type {
  Broker,
  BrokerListener,
  Publication,
  Published,
  PublishRequest,
  ReadRequest,
  ReadResult,
} from '../ports/broker'
import type { PresenceStore } from '../ports/presence'

export interface SimulatedStoreOptions {
  readonly partitions: number
  /** The store's wall clock; may step back. */
  readonly clock: Clock
  /** Entries of one channel in one read. */
  readonly page: number
  partition(channel: string): number
}

/** What a publish did at the store, told to the test at the moment it happened. */
export interface Stored {
  readonly partition: number
  readonly channel: string
  readonly messageId: string
  readonly id: string
  readonly epoch: string
}

export class SimulatedStore {
  readonly options: SimulatedStoreOptions
  readonly nodes: SimulatedNode[] = []
  onStored: (stored: Stored) => void = () => {}
  /** Every life of a partition's log, in the order in which they began. */
  readonly epochs: string[] = []
  readonly #logs: readonly PartitionLog[]
  #life = 0
  #saved: (() => void)[]

  constructor(options: SimulatedStoreOptions) {
    this.options = options
    this.#logs = Array.from(
      { length: options.partitions },
      (_, partition) => new PartitionLog(options.clock, partition, options.page),
    )
    this.#saved = this.#logs.map((log) => log.save())
  }

  get identity(): string {
    return `life-${this.#life}`
  }

  log(partition: number): PartitionLog {
    return this.#logs[partition] as PartitionLog
  }

  node(): SimulatedNode {
    const node = new SimulatedNode(this)
    this.nodes.push(node)
    return node
  }

  /** Remembers everything as a snapshot on a disk would. */
  save(): void {
    this.#saved = this.#logs.map((log) => log.save())
  }

  /** Restarts as another process: all links are lost; `rollback`: what came after the last save is gone. */
  restart(rollback: boolean): void {
    this.#life++
    if (rollback) for (const restore of this.#saved) restore()
    for (const node of this.nodes) node.lose()
  }

  began(epoch: string): void {
    if (!this.epochs.includes(epoch)) this.epochs.push(epoch)
  }

  announce(publication: Publication): void {
    for (const node of this.nodes) node.announced(publication)
  }
}

interface Call {
  readonly run: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

type Arrival =
  | { readonly kind: 'publication'; readonly publication: Publication }
  | { readonly kind: 'live'; readonly channel: string; readonly body: string }
  | { readonly kind: 'confirmation'; readonly resolve: () => void; readonly reject: (error: unknown) => void }

/** One node's two links to the store. Nothing moves by itself. */
export class SimulatedNode implements Broker {
  readonly partitions: number
  /** Of its own, and never away: these schedules are about the log. */
  readonly presence: PresenceStore
  readonly keep: Broker['keep']
  readonly take: Broker['take']
  readonly #store: SimulatedStore
  #listener: BrokerListener | null = null
  #up = false
  #subscribed = new Set<string>()
  /** Subscriber link, node to store. */
  #requests: { readonly run: () => void; readonly reject: (error: unknown) => void }[] = []
  /** Subscriber link, store to node. */
  #arrivals: Arrival[] = []
  /** Command link, node to store. */
  #calls: Call[] = []
  /** Command link, store to node. */
  #answers: { readonly deliver: () => void; readonly reject: (error: unknown) => void }[] = []

  constructor(store: SimulatedStore) {
    this.#store = store
    this.partitions = store.options.partitions
    const { presence, keep, take } = new MemoryStore(store.options).node()
    this.presence = presence
    this.keep = keep
    this.take = take
  }

  // ── The broker ─────────────────────────────────────────────────────────────────────────────────────────────────

  partition(channel: string): number {
    return this.#store.options.partition(channel)
  }

  start(listener: BrokerListener): void {
    this.#listener = listener
    this.connect()
  }

  publish(request: PublishRequest): Promise<Published> {
    return this.#call(() => {
      const partition = this.partition(request.channel)
      const { published, publication } = this.#store.log(partition).publish(this.#store.identity, request)
      if (publication !== null) {
        const { channel, id, epoch } = publication
        this.#store.began(epoch)
        this.#store.onStored({ partition, channel, messageId: request.messageId, id, epoch })
        this.#store.announce(publication)
      }
      return published
    })
  }

  publishLive(channel: string, body: string): void {
    if (!this.#up) return
    for (const node of this.#store.nodes)
      if (node !== this && node.#subscribed.has(channel)) node.#arrivals.push({ kind: 'live', channel, body })
  }

  subscribe(_partition: number, channels: readonly string[]): Promise<void> {
    if (!this.#up) return Promise.reject(away('failed'))
    return new Promise((resolve, reject) => {
      this.#requests.push({
        run: () => {
          for (const channel of channels) this.#subscribed.add(channel)
          this.#arrivals.push({ kind: 'confirmation', resolve, reject })
        },
        reject,
      })
    })
  }

  unsubscribe(_partition: number, channels: readonly string[]): void {
    this.#requests.push({
      run: () => {
        for (const channel of channels) this.#subscribed.delete(channel)
      },
      reject: () => {},
    })
  }

  read(partition: number, expected: string | null, requests: readonly ReadRequest[]): Promise<ReadResult> {
    return this.#call(() => {
      const result = this.#store.log(partition).read(this.#store.identity, expected, requests)
      this.#store.began(result.epoch)
      return result
    })
  }

  async close(): Promise<void> {
    this.lose()
    this.#listener = null
  }

  // ── The test's hand ────────────────────────────────────────────────────────────────────────────────────────────

  get up(): boolean {
    return this.#up
  }

  /** Lets the next thing through, on the way that is meant; false: nothing waits there. */
  step(way: 'request' | 'arrival' | 'call' | 'answer'): boolean {
    switch (way) {
      case 'request': {
        const request = this.#requests.shift()
        request?.run()
        return request !== undefined
      }
      case 'arrival': {
        const arrival = this.#arrivals.shift()
        if (arrival?.kind === 'publication') this.#listener?.publication(arrival.publication)
        else if (arrival?.kind === 'live') this.#listener?.live(arrival.channel, arrival.body)
        else arrival?.resolve()
        return arrival !== undefined
      }
      case 'call': {
        const call = this.#calls.shift()
        if (call === undefined) return false
        try {
          const value = call.run()
          this.#answers.push({ deliver: () => call.resolve(value as never), reject: call.reject })
        } catch (error) {
          this.#answers.push({ deliver: () => call.reject(error), reject: call.reject })
        }
        return true
      }
      case 'answer': {
        const answer = this.#answers.shift()
        answer?.deliver()
        return answer !== undefined
      }
    }
  }

  /** Both links are cut: what was under way on them is lost. */
  lose(): void {
    this.loseSubscriber()
    this.loseCommands()
  }

  /** The subscriber link is cut. */
  loseSubscriber(): void {
    const requests = this.#requests
    const arrivals = this.#arrivals
    this.#requests = []
    this.#arrivals = []
    this.#subscribed = new Set()
    const wasUp = this.#up
    this.#up = false
    if (wasUp) for (let partition = 0; partition < this.partitions; partition++) this.#listener?.down(partition)
    for (const request of requests) request.reject(away('unknown'))
    for (const arrival of arrivals) if (arrival.kind === 'confirmation') arrival.reject(away('unknown'))
  }

  /** The command link is cut; it is there again at once. */
  loseCommands(): void {
    const waiting = [...this.#answers, ...this.#calls]
    this.#calls = []
    this.#answers = []
    for (const { reject } of waiting) reject(away('unknown'))
  }

  /** The links are there again. */
  connect(): void {
    if (this.#up || this.#listener === null) return
    this.#up = true
    for (let partition = 0; partition < this.partitions; partition++) this.#listener.up(partition)
  }

  announced(publication: Publication): void {
    if (this.#subscribed.has(publication.channel)) this.#arrivals.push({ kind: 'publication', publication })
  }

  #call<T>(run: () => T): Promise<T> {
    if (!this.#up) return Promise.reject(away('failed'))
    return new Promise((resolve, reject) => {
      this.#calls.push({ run, resolve, reject })
    })
  }
}

function away(outcome: 'failed' | 'unknown'): RealtimeError {
  return new RealtimeError('broker_unavailable', 'The link to the store is cut.', { outcome })
}
