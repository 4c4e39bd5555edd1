/** One stream from its opening to its end, as the connection keeps book of it. */
import type { ByeEvent, ChannelRequest, Command, ServerEvent, WatchRequest } from '@rt/protocol'
import type { StreamState } from '../channels/subscriptions'
import { Watches, type WatchSide } from '../channels/watches'
import type { Link, ResumeRequest, Rung } from '../ports/transport'
import { NEVER } from './alarm'

/** Why a stream was opened: to get connected, for a better rung, because the application asked for this rung, or in place of the present one. */
export type Purpose = 'connect' | 'climb' | 'switch' | 'replace'

export interface Attempt {
  readonly rung: Rung
  purpose: Purpose
  /** It goes over another tab's connection. */
  readonly relayed: boolean
  /** It asks for nothing, and so only finds out whether the server is there. */
  readonly idle: boolean
  /** In place of one that would have lost something by taking over. */
  readonly again: boolean
  readonly stream: StreamState
  /** The token that it showed last. */
  token: string | undefined
  /** What it asks for. */
  readonly channels: readonly ChannelRequest[]
  readonly watched: readonly WatchRequest[]
  readonly watch: WatchSide
  /** The channels that it keeps this client present in; changed in place. */
  readonly entered: Set<string>
  /** The version of what is wanted that it asks for. */
  version: number
  link: Link
  /** Events that wait until the stream takes over; null: it is the one that the application hears. */
  held: ServerEvent[] | null
  hello: boolean
  /** `hello` and a further sign of life came through. */
  proven: boolean
  /** Monotonic, as all times here. */
  readonly openedAt: number
  provenAt: number
  helloAt: number
  heardAt: number
  heartbeat: number
  /** When it counts as failed unless something is heard. */
  deadline: number
  /** When to open its successor. */
  renewAt: number
  /** A channel was given up that it asked for: it may not take over. */
  outdated: boolean
  /** The node does not reach its broker. */
  degraded: boolean
  bye: ByeEvent | null
  /** Its one `beat` with `after` came. */
  spaced: boolean
  /** Commands about channels and members that wait for `hello`. */
  readonly outgoing: Command[]
}

/** A stream that is about to be opened. Times are monotonic milliseconds. */
export function createAttempt(
  facts: Pick<
    Attempt,
    'rung' | 'purpose' | 'relayed' | 'idle' | 'again' | 'stream' | 'token' | 'version' | 'held' | 'deadline'
  >,
  { channels, watch = [], entered = [] }: ResumeRequest,
  now: number,
): Attempt {
  return {
    ...facts,
    channels,
    watched: watch,
    watch: Watches.side(watch),
    entered: new Set(entered),
    link: { close() {} },
    hello: false,
    proven: false,
    openedAt: now,
    provenAt: now,
    helloAt: now,
    heardAt: now,
    heartbeat: 0,
    renewAt: NEVER,
    outdated: false,
    degraded: false,
    bye: null,
    spaced: false,
    outgoing: [],
  }
}
