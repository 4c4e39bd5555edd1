/** What a node says of itself to the inspector: totals, and the head of its lists; taken once a second while somebody looks. */
import type { Snapshot } from '@rt/inspector/snapshot'
import type { Clock } from '@rt/protocol'
import type { Counters } from '../core/counters'
import type { GatewayControl } from '../core/gateway'
import type { Hub } from '../ports/hub'
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
    const connections = [...app.connections()].sort((a, b) => b.waiting - a.waiting || a.since - b.since)
    // Names of rt's own begin with a character that no app's name begins with.
    const channels = [...hub.heard()]
      .filter(({ name }) => !/^[$:]/.test(name))
      .sort((a, b) => b.subscribers - a.subscribers || (a.name < b.name ? -1 : 1))
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
        total: connections.length,
        // A whole id would be one that a connection can be spoken of with.
        head: connections.slice(0, ROWS).map((connection) => ({ ...connection, id: connection.id.slice(0, 8) })),
      },
      channels: { total: channels.length, head: channels.slice(0, ROWS) },
    }
  }

  return { take, rest: () => lag.stop() }
}

/** Where the runtime has a process. */
function processOf(): Pick<Snapshot, 'pid' | 'memory'> {
  const { process } = globalThis as { readonly process?: { readonly pid?: number; memoryUsage?(): { rss: number } } }
  return { pid: process?.pid ?? null, memory: process?.memoryUsage?.().rss ?? null }
}
