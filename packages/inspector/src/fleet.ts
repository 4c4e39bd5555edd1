/** What is known of all nodes: their newest snapshots, and rates from two of them; filled by page.ts. */
import type { ChannelRow, ConnectionRow, Snapshot, Transport } from './snapshot'

export const transports: readonly Transport[] = ['websocket', 'sse', 'long-poll', 'poll']

/** Milliseconds without a snapshot after which a node is silent, and after which it is taken for gone. */
const SILENT = 2500
const GONE = 5000

export interface Rates {
  readonly publications: number
  readonly deliveries: number
  /** Short polls: each is a connection for a moment. */
  readonly polls: number
}

export interface Node {
  readonly snapshot: Snapshot
  /** A second. */
  readonly rates: Rates
  readonly silent: boolean
}

/** A channel on all nodes. */
export interface FleetChannel {
  readonly name: string
  readonly delivery: ChannelRow['delivery']
  readonly subscribers: number
  /** Publications a second. */
  readonly rate: number
}

export interface FleetConnection extends ConnectionRow {
  readonly node: string
}

interface Known {
  snapshot: Snapshot
  /** When it came, by the page's clock. */
  heard: number
  rates: Rates
  channelRates: ReadonlyMap<string, number>
}

export class Fleet {
  readonly #known = new Map<string, Known>()

  /** `now`: milliseconds of the page. */
  hear(snapshot: Snapshot, now: number): void {
    const before = this.#known.get(snapshot.node)
    const seconds = before === undefined ? 0 : (snapshot.up - before.snapshot.up) / 1000
    // An older one, on another way.
    if (before !== undefined && seconds <= 0) return
    const rate = (total: number, earlier: number | undefined) =>
      earlier === undefined || seconds === 0 ? 0 : Math.max(0, total - earlier) / seconds
    const was = before?.snapshot
    const earlier = new Map(was?.channels.head.map(({ name, publications }) => [name, publications]))
    this.#known.set(snapshot.node, {
      snapshot,
      heard: now,
      rates: {
        publications: rate(snapshot.publications, was?.publications),
        deliveries: rate(snapshot.deliveries, was?.deliveries),
        polls: rate(snapshot.opened.poll, was?.opened.poll),
      },
      channelRates: new Map(
        snapshot.channels.head.map(({ name, publications }) => [name, rate(publications, earlier.get(name))]),
      ),
    })
  }

  /** Forgets the nodes that say nothing any more. Not while the page itself hears nothing. */
  forget(now: number): void {
    for (const [node, { heard }] of this.#known) if (now - heard > GONE) this.#known.delete(node)
  }

  nodes(now: number): Node[] {
    return [...this.#known.values()]
      .map(({ snapshot, rates, heard }) => ({ snapshot, rates, silent: now - heard > SILENT }))
      .sort((a, b) => b.snapshot.up - a.snapshot.up)
  }

  /** Those that most hear first. A publication that two nodes heard counts once. */
  channels(): FleetChannel[] {
    const all = new Map<string, FleetChannel>()
    for (const { snapshot, channelRates } of this.#known.values()) {
      for (const { name, delivery, subscribers } of snapshot.channels.head) {
        const other = all.get(name)
        all.set(name, {
          name,
          delivery,
          subscribers: subscribers + (other?.subscribers ?? 0),
          rate: Math.max(channelRates.get(name) ?? 0, other?.rate ?? 0),
        })
      }
    }
    return [...all.values()].sort((a, b) => b.subscribers - a.subscribers || (a.name < b.name ? -1 : 1))
  }

  /** Those for which most waits first, then the oldest. */
  connections(): FleetConnection[] {
    return [...this.#known.values()]
      .flatMap(({ snapshot }) => snapshot.connections.head.map((row) => ({ ...row, node: snapshot.node })))
      .sort((a, b) => b.waiting - a.waiting || a.since - b.since)
  }
}
