/** What a node says of itself to the inspector: totals, and the head of its lists; taken once a second while somebody looks. */
import type { Head, Snapshot } from '@rt/inspector/snapshot'
import type { Clock } from '@rt/protocol'
import type { Counters } from '../core/counters'
import type { GatewayControl } from '../core/gateway'
import type { ChannelInfo, Hub } from '../ports/hub'
import { LagMeter } from './lag'

/** Rows of each list: what a page can show, and a message can hold. */
export const ROWS = 200

export interface SnapshotOptions {
  readonly hub: Pick<Hub, 'heard'>
  readonly node: string
  readonly clock: Clock
  readonly app: Pick<GatewayControl, 'connections'>
  readonly counters: Counters
  /** What of it the inspector did. */
  readonly own: Counters
}

export function createSnapshot({ hub, node, clock, app, counters, own }: SnapshotOptions) {
  const began = clock.monotonic()
  const lag = new LagMeter(clock)

  function take(): Snapshot {
    const { stored, duplicate, live } = counters.publications
    // Each is noted behind those that are older.
    const connections = headOf(app.connections(), (a, b) => b.waiting - a.waiting)
    const channels = headOf(appsOwn(hub.heard()), (a, b) => b.subscribers - a.subscribers)
    return {
      node,
      ...processOf(),
      time: clock.now(),
      up: clock.monotonic() - began,
      lag: lag.read(),
      open: { ...counters.connections },
      opened: { ...counters.opened },
      publications: stored + duplicate + live,
      deliveries: counters.deliveries - own.deliveries,
      connections: {
        total: connections.total,
        // A whole id is nobody's business: it can't be guessed, and the beginning is enough to tell them apart.
        head: connections.head.map((connection) => ({ ...connection, id: connection.id.slice(0, 8) })),
      },
      channels,
    }
  }

  return { take, rest: () => lag.stop() }
}

/** The first of them, without sorting all; the earlier one where two are equal. */
function headOf<Row>(rows: Iterable<Row>, order: (a: Row, b: Row) => number): Head<Row> {
  const head: Row[] = []
  let total = 0
  for (const row of rows) {
    total++
    let place = head.length
    while (place > 0 && order(row, head[place - 1] as Row) < 0) place--
    if (place === ROWS) continue
    head.splice(place, 0, row)
    if (head.length > ROWS) head.pop()
  }
  return { total, head }
}

/** Without those of rt's own, whose names begin with a character that no app's name begins with. */
function* appsOwn(channels: Iterable<ChannelInfo>): Iterable<ChannelInfo> {
  for (const channel of channels) if (!/^[$:]/.test(channel.name)) yield channel
}

/** Where the runtime has a process. */
function processOf(): Pick<Snapshot, 'pid' | 'memory'> {
  const { process } = globalThis as { readonly process?: { readonly pid?: number; memoryUsage?(): { rss: number } } }
  return { pid: process?.pid ?? null, memory: process?.memoryUsage?.().rss ?? null }
}
