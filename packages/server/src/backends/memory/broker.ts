/** The embedded broker: one process, no Redis; the default of createRealtime. */
import { type Clock, systemClock } from '@rt/protocol'
import type { Broker, BrokerListener } from '../../ports/broker'
import { PartitionLog } from './log'

const IDENTITY = 'memory'

/** A log in memory that several nodes of one process may share; each node is one {@link MemoryStore.node}. */
export class MemoryStore {
  readonly partitions: number
  readonly #logs: readonly PartitionLog[]
  readonly #nodes = new Set<Node>()

  constructor({ partitions = 1, clock = systemClock }: { partitions?: number; clock?: Clock } = {}) {
    this.partitions = partitions
    this.#logs = Array.from({ length: partitions }, (_, partition) => new PartitionLog(clock, partition))
  }

  log(partition: number): PartitionLog {
    const log = this.#logs[partition]
    if (log === undefined) throw new RangeError(`There is no partition ${partition}.`)
    return log
  }

  partition(channel: string): number {
    return this.partitions === 1 ? 0 : hash(channel) % this.partitions
  }

  /** One node's broker on this store. */
  node(): Broker {
    const node: Node = { listener: null, subscribed: new Set() }
    return {
      partitions: this.partitions,
      partition: (channel) => this.partition(channel),
      start: (listener) => {
        node.listener = listener
        this.#nodes.add(node)
        for (let partition = 0; partition < this.partitions; partition++) listener.up(partition)
      },
      publish: async (request) => {
        const { published, publication } = this.log(this.partition(request.channel)).publish(IDENTITY, request)
        if (publication !== null) {
          for (const other of this.#nodes)
            if (other.subscribed.has(request.channel)) other.listener?.publication(publication)
        }
        return published
      },
      publishLive: (channel, body) => {
        for (const other of this.#nodes)
          if (other !== node && other.subscribed.has(channel)) other.listener?.live(channel, body)
      },
      subscribe: async (_partition, channels) => {
        for (const channel of channels) node.subscribed.add(channel)
      },
      unsubscribe: (_partition, channels) => {
        for (const channel of channels) node.subscribed.delete(channel)
      },
      read: async (partition, expected, requests) => this.log(partition).read(IDENTITY, expected, requests),
      close: async () => {
        this.#nodes.delete(node)
        node.subscribed.clear()
      },
    }
  }
}

interface Node {
  listener: BrokerListener | null
  readonly subscribed: Set<string>
}

/**
 * The embedded broker: everything in this process, gone when it ends. For development, tests and apps of one process.
 *
 * @example
 * createRealtime({ broker: memory(), channels: { … } })
 */
export function memory(): Broker {
  return new MemoryStore().node()
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0
  return value
}
