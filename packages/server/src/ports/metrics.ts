/** What a node tells of itself: the counts of the core and of the broker, as one plain value. */
import type { Command, ErrorCode, GapEvent } from '@rt/protocol'
import type { HistogramSnapshot } from '../histogram'
import type { TransportName } from './connection'

/** How often each code was given; those that never were are missing. */
export type CodeCounts = { readonly [C in ErrorCode]?: number }

/** What became of a publication that went to the broker; `live`: sent and not stored. */
export type PublishOutcome = 'stored' | 'duplicate' | 'live' | 'failed' | 'unknown'

/** What was refused: a whole request or connection, one channel of a stream, or one command. */
export type Refused = 'request' | 'channel' | 'command'

/** How the broker of a node does that asks over a network. */
export interface BrokerMetrics {
  /** `up`: the node can publish and hear now. `deaf`: its link that listens was open but delivered nothing, and there is no new one yet. */
  readonly state: 'up' | 'away' | 'deaf'
  /** How often it was not `up` any more. */
  readonly losses: number
  /** How often the link that listens was open but delivered nothing. */
  readonly deaf: number
  /** Messages and entries in the store that were not ours. */
  readonly malformed: number
  /** Messages of `live` channels that were not sent to other nodes, since too much waited. */
  readonly dropped: number
  /** Calls that were answered, and how long each took. */
  readonly roundTrips: HistogramSnapshot
}

/** What a node has done and what it holds now: what `rt.metrics()` returns. Counts grow from the start of the process; times are milliseconds. */
export interface Metrics {
  /** Whether new clients should come: see `rt.health()`. */
  readonly ready: boolean
  /** Connections that are open now. A poll is one while it is held. */
  readonly connections: Readonly<Record<TransportName, number>>
  /** Connections that were opened. */
  readonly opened: Readonly<Record<TransportName, number>>
  /** Connections that ended: by the code of the error that ended them; `closed`: by the client, the network, or the answer to a poll. */
  readonly ended: Readonly<Record<TransportName, CodeCounts>>
  /** Channels of all open connections together. */
  readonly subscriptions: number
  /** Channels that somebody here hears now, one of rt's own among them as soon as there was a client. */
  readonly channels: number
  /** What this node published. */
  readonly publications: Readonly<Record<PublishOutcome, number>>
  /** Events of channels (publications, live messages, members) that were written, each once for each connection. */
  readonly deliveries: number
  /** What was written to streams and answered to polls. */
  readonly bytes: Readonly<Record<TransportName, number>>
  /**
   * From a publication's time by the broker's clock to its write, once for each write, by the oldest publication in it. What is read from the log or a ring
   * is not in it.
   */
  readonly latency: HistogramSnapshot
  /** Gaps that were told. */
  readonly gaps: Readonly<Record<GapEvent['reason'], number>>
  /** Publications that slow readers did not get: of `live` channels, and of `latest` channels by newer ones. */
  readonly dropped: { readonly live: number; readonly latest: number }
  /** How often a slow reader was sent back to the log. */
  readonly overflows: number
  /** How often a stream caught up with the present, after a reconnect, a lost link or an overflow: from this node's rings alone, or from the log. */
  readonly resumes: { readonly ring: number; readonly log: number }
  /** Commands of clients. */
  readonly commands: Readonly<Record<Command['type'], number>>
  /** What was refused, by the code that was given. */
  readonly refusals: Readonly<Record<Refused, CodeCounts>>
  /** Null for a broker in this process. */
  readonly broker: BrokerMetrics | null
}

/** Whose metrics: an `rt` of createRealtime. */
export interface Measured {
  metrics(): Metrics
}
