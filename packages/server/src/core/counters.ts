/** What this node counts: plain numbers, an increment where something happens; read by `rt.metrics()`. */
import type { Command, ErrorCode, GapEvent } from '@rt/protocol'
import { Histogram } from '../histogram'
import type { OutItem, TransportName } from '../ports/connection'
import type { Metrics, PublishOutcome, Refused } from '../ports/metrics'

type Codes = { [C in ErrorCode]?: number }

export class Counters {
  readonly connections = byTransport(0)
  readonly opened = byTransport(0)
  readonly ended: Record<TransportName, Codes> = { websocket: {}, sse: {}, 'long-poll': {}, poll: {} }
  readonly publications: Record<PublishOutcome, number> = { stored: 0, duplicate: 0, live: 0, failed: 0, unknown: 0 }
  readonly bytes = byTransport(0)
  readonly latency = new Histogram()
  readonly gaps: Record<GapEvent['reason'], number> = { history: 0, epoch: 0, cursor: 0 }
  readonly dropped = { live: 0, latest: 0 }
  readonly resumes = { ring: 0, log: 0 }
  readonly commands: Record<Command['type'], number> = {
    publish: 0,
    history: 0,
    subscribe: 0,
    unsubscribe: 0,
    enter: 0,
    leave: 0,
    list: 0,
    watch: 0,
    unwatch: 0,
    authenticate: 0,
  }
  readonly refusals: Record<Refused, Codes> = { request: {}, channel: {}, command: {} }
  deliveries = 0
  overflows = 0

  /** A stream wrote these. Called for each write: keep it short. */
  wrote(items: readonly OutItem[]): void {
    for (const item of items) if (item.kind !== 'control') this.deliveries++
  }

  open(transport: TransportName): void {
    this.connections[transport]++
    this.opened[transport]++
  }

  end(transport: TransportName, code: ErrorCode): void {
    this.connections[transport]--
    add(this.ended[transport], code)
  }

  refuse(what: Refused, code: ErrorCode): void {
    add(this.refusals[what], code)
  }

  /** A copy, with what is not counted but looked up. */
  snapshot(now: Pick<Metrics, 'ready' | 'subscriptions' | 'channels' | 'broker'>): Metrics {
    const { latency, ...plain } = this
    return { ...structuredClone(plain), latency: latency.snapshot(), ...now }
  }
}

function byTransport(value: number): Record<TransportName, number> {
  return { websocket: value, sse: value, 'long-poll': value, poll: value }
}

function add(codes: Codes, code: ErrorCode): void {
  codes[code] = (codes[code] ?? 0) + 1
}
