/** Every metric as its names, kind, meaning and way out of `rt.metrics()`: one table for the doors `prometheus` and `opentelemetry`, and for docs/guides/operations.md. */
import type { HistogramSnapshot } from './histogram'
import type { CodeCounts, Metrics } from './ports/metrics'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

interface Instrument {
  /** As OpenTelemetry writes it: `rt.connections`. */
  readonly name: string
  readonly help: string
}

/** Numbers. `counter`: grows. `level`: an amount that sums up over nodes. `gauge`: a state that does not. */
export interface NumberInstrument extends Instrument {
  readonly kind: 'counter' | 'level' | 'gauge'
  readonly unit?: 'By'
  readonly labels: readonly string[]
  read(metrics: Metrics): readonly Sample[]
}

/** Durations, in seconds outside. */
export interface DurationInstrument extends Instrument {
  readonly kind: 'histogram'
  readonly unit: 's'
  /** Null: there is nothing that could be measured. */
  read(metrics: Metrics): HistogramSnapshot | null
}

export const instruments: readonly (NumberInstrument | DurationInstrument)[] = [
  one('gauge', 'rt.ready', '1: new clients should come; see rt.health().', (m) => Number(m.ready)),
  by('level', 'rt.connections', 'Connections that are open now.', 'transport', (m) => m.connections),
  by('counter', 'rt.connections.opened', 'Connections that were opened.', 'transport', (m) => m.opened),
  {
    kind: 'counter',
    name: 'rt.connections.ended',
    help: 'Connections that ended, by the code of the error; closed: by the client or the network.',
    labels: ['transport', 'reason'],
    read: (m) => byCode('transport', 'reason', m.ended),
  },
  one('level', 'rt.subscriptions', 'Channels of all open connections together.', (m) => m.subscriptions),
  one('level', 'rt.channels', 'Channels that somebody on this node hears now.', (m) => m.channels),
  by('counter', 'rt.publications', 'What this node published.', 'outcome', (m) => m.publications),
  one('counter', 'rt.deliveries', 'Events of channels written, once for each connection.', (m) => m.deliveries),
  { ...by('counter', 'rt.sent', 'Written to streams and answered to polls.', 'transport', (m) => m.bytes), unit: 'By' },
  {
    kind: 'histogram',
    name: 'rt.delivery.duration',
    unit: 's',
    help: 'From a publication to the write that carried it, once for each write.',
    read: (m) => m.latency,
  },
  by('counter', 'rt.gaps', 'Gaps that were told.', 'reason', (m) => m.gaps),
  by('counter', 'rt.dropped', 'Publications that slow readers did not get.', 'delivery', (m) => m.dropped),
  one('counter', 'rt.overflows', 'Slow readers that were sent back to the log.', (m) => m.overflows),
  by('counter', 'rt.resumes', 'Streams that caught up with the present.', 'source', (m) => m.resumes),
  by('counter', 'rt.commands', 'Commands of clients.', 'type', (m) => m.commands),
  {
    kind: 'counter',
    name: 'rt.refusals',
    help: 'What was refused, by the code that was given.',
    labels: ['what', 'code'],
    read: (m) => byCode('what', 'code', m.refusals),
  },
  broker('gauge', 'rt.broker.up', '1: this node can publish and hear.', ({ state }) => Number(state === 'up')),
  broker('counter', 'rt.broker.losses', 'How often it could not any more.', ({ losses }) => losses),
  broker('counter', 'rt.broker.deaf', 'Listening links that were open and delivered nothing.', ({ deaf }) => deaf),
  broker('counter', 'rt.broker.malformed', 'Foreign messages and entries in Redis.', ({ malformed }) => malformed),
  broker('counter', 'rt.broker.dropped', 'Live messages not sent to other nodes.', ({ dropped }) => dropped),
  {
    kind: 'histogram',
    name: 'rt.broker.duration',
    unit: 's',
    help: 'Round trips to Redis.',
    read: (m) => m.broker?.roundTrips ?? null,
  },
]

function one(
  kind: NumberInstrument['kind'],
  name: string,
  help: string,
  read: (metrics: Metrics) => number,
): NumberInstrument {
  return { kind, name, help, labels: [], read: (metrics) => [{ labels: {}, value: read(metrics) }] }
}

function broker(
  kind: NumberInstrument['kind'],
  name: string,
  help: string,
  read: (metrics: NonNullable<Metrics['broker']>) => number,
): NumberInstrument {
  const samples = (metrics: Metrics) => (metrics.broker === null ? [] : [{ labels: {}, value: read(metrics.broker) }])
  return { kind, name, help, labels: [], read: samples }
}

function by(
  kind: NumberInstrument['kind'],
  name: string,
  help: string,
  label: string,
  read: (metrics: Metrics) => Readonly<Record<string, number>>,
): NumberInstrument {
  const samples = (metrics: Metrics) =>
    Object.entries(read(metrics)).map(([key, value]) => ({ labels: { [label]: key }, value }))
  return { kind, name, help, labels: [label], read: samples }
}

function byCode(outer: string, inner: string, counts: Readonly<Record<string, CodeCounts>>): Sample[] {
  return Object.entries(counts).flatMap(([key, codes]) =>
    Object.entries(codes).map(([code, value]) => ({ labels: { [outer]: key, [inner]: code }, value })),
  )
}
