/** The embedded broker: one process, no Redis; the default of createRealtime. */
import { type Clock, systemClock } from '@rt/protocol'
import type { Broker, BrokerListener } from '../../ports/broker'
import { fitsGlob } from '../../ports/glob'
import type { PresenceStore } from '../../ports/presence'
import { PartitionLog } from './log'
import { PartitionPresence } from './presence'

const IDENTITY = 'memory'

/** A log in memory that several nodes of one process may share; each node is one {@link MemoryStore.node}. */
export class MemoryStore {
  readonly partitions: number
  readonly #logs: readonly PartitionLog[]
  readonly #presences: readonly PartitionPresence[]
  readonly #nodes = new Set<Node>()
  readonly #clock: Clock
  /** By key, oldest first. */
  readonly #kept = new Map<string, { readonly text: string; readonly until: number }>()

  constructor({ partitions = 1, clock = systemClock }: { partitions?: number; clock?: Clock | undefined } = {}) {
    this.partitions = partitions
    this.#clock = clock
    this.#logs = Array.from({ length: partitions }, (_, partition) => new PartitionLog(clock, partition))
    this.#presences = this.#logs.map(
      (log, partition) =>
        new PartitionPresence(clock, partition, log, IDENTITY, (notice) => {
          for (const node of this.#nodes) if (node.watched.has(notice.channel)) node.listener?.presence(notice)
        }),
    )
  }

  log(partition: number): PartitionLog {
    const log = this.#logs[partition]
    if (log === undefined) throw new RangeError(`There is no partition ${partition}.`)
    return log
  }

  partition(channel: string): number {
    return this.partitions === 1 ? 0 : hash(channel) % this.partitions
  }

  #presence({ watched }: Node): PresenceStore {
    const at = (partition: number) => this.#presences[partition] as PartitionPresence
    const of = (channel: string) => at(this.partition(channel))
    const byUser = (id: string) => at(this.partition(id))
    return {
      enter: async (request) => of(request.channel).enter(request),
      leave: async (seat) => of(seat.channel).leave(seat),
      touch: async (partition, requests) => at(partition).touch(requests),
      release: async (partition, seats, owner, grace) => at(partition).release(seats, owner, grace),
      members: async (channel) => of(channel).members(channel),
      count: async (channel) => of(channel).count(channel),
      pulse: async (partition, request) => at(partition).pulse(request),
      sweep: async (channel) => of(channel).sweep(channel),
      watch: async (_partition, channels) => {
        for (const channel of channels) watched.add(channel)
      },
      unwatch: (_partition, channels) => {
        for (const channel of channels) watched.delete(channel)
      },
      online: async (ids, ttl) => {
        for (const id of ids) byUser(id).online([id], ttl)
      },
      isOnline: async (ids) => ids.map((id) => byUser(id).isOnline(id)),
      match: async (glob, cursor, limit) => {
        const all = this.#presences.flatMap((presence) => presence.match((id) => fitsGlob(glob, id))).sort()
        const start = cursor === null ? 0 : all.findIndex((id) => id > cursor)
        const ids = start < 0 ? [] : all.slice(start, start + limit)
        return { ids, cursor: start >= 0 && start + limit < all.length ? (ids.at(-1) as string) : null }
      },
    }
  }

  #keep(key: string, text: string, ttl: number): void {
    const now = this.#clock.now()
    for (const [old, { until }] of this.#kept) {
      if (until > now) break
      this.#kept.delete(old)
    }
    this.#kept.set(key, { text, until: now + ttl })
  }

  #take(key: string): string | null {
    const kept = this.#kept.get(key)
    this.#kept.delete(key)
    return kept === undefined || kept.until <= this.#clock.now() ? null : kept.text
  }

  /** One node's broker on this store. */
  node(): Broker {
    const node: Node = { listener: null, subscribed: new Set(), watched: new Set() }
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
      keep: async (key, text, ttl) => this.#keep(key, text, ttl),
      take: async (key) => this.#take(key),
      presence: this.#presence(node),
      close: async () => {
        this.#nodes.delete(node)
        node.subscribed.clear()
        node.watched.clear()
      },
    }
  }
}

interface Node {
  listener: BrokerListener | null
  readonly subscribed: Set<string>
  readonly watched: Set<string>
}

/**
 * The embedded broker: everything in this process, gone when it ends. For development, tests and apps of one process.
 * `clock` is for tests; default: the system's clock.
 *
 * @example
 * createRealtime({ broker: memory(), channels: { … } })
 */
export function memory(options: { readonly clock?: Clock | undefined } = {}): Broker {
  return new MemoryStore(options).node()
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0
  return value
}
