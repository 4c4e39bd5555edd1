/** What a node says of itself once a second, as server and page agree on it. Types only. */

export type Transport = 'websocket' | 'sse' | 'long-poll' | 'poll'

/** A list of which only the head is told. */
export interface Head<Row> {
  readonly total: number
  readonly head: readonly Row[]
}

export interface ConnectionRow {
  /** The beginning of its id. */
  readonly id: string
  readonly transport: Transport
  /** Identity id; null: nobody in particular. */
  readonly identity: string | null
  /** Milliseconds since 1970. */
  readonly since: number
  /** Number of its channels. */
  readonly channels: number
  /** Bytes that wait for it. */
  readonly waiting: number
}

export interface ChannelRow {
  readonly name: string
  readonly delivery: 'all' | 'latest' | 'live'
  /** Connections that hear it on this node. */
  readonly subscribers: number
  /** What this node heard of it so far. */
  readonly publications: number
}

/** Totals count from the start of the node. */
export interface Snapshot {
  /** The node's random name. */
  readonly node: string
  /** Null: the runtime has none. */
  readonly pid: number | null
  /** Bytes of the process; null: not known. */
  readonly memory: number | null
  /** The node's wall time, milliseconds since 1970. */
  readonly time: number
  /** Milliseconds since its start. */
  readonly up: number
  /** The most milliseconds that its event loop was late within the last second. */
  readonly lag: number
  /** Connections that are open now. */
  readonly open: Readonly<Record<Transport, number>>
  /** Connections that were opened. */
  readonly opened: Readonly<Record<Transport, number>>
  /** What it published. */
  readonly publications: number
  /** Events of channels that it wrote, each once for each connection. */
  readonly deliveries: number
  /** Those for which most waits first, then the oldest. */
  readonly connections: Head<ConnectionRow>
  /** Those that most hear first. */
  readonly channels: Head<ChannelRow>
}
