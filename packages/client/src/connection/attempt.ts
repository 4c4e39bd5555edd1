/** One stream from its opening to its end, as the connection keeps book of it. */
import type { ByeEvent, ChannelRequest, Command, ServerEvent } from '@rt/protocol'
import type { StreamState } from '../channels/subscriptions'
import type { Link, Rung } from '../ports/transport'
import { NEVER } from './alarm'

/** Why a stream was opened: to get connected, for a better rung, because the application asked for this rung, or in place of the present one. */
export type Purpose = 'connect' | 'climb' | 'switch' | 'replace'

export interface Attempt {
  readonly rung: Rung
  purpose: Purpose
  readonly stream: StreamState
  /** The token that it showed. */
  readonly token: string | undefined
  /** What it asks for. */
  readonly channels: readonly ChannelRequest[]
  /** The version of the wanted channels that it asks for. */
  version: number
  link: Link
  /** Events that wait until the stream takes over; null: it is the one that the application hears. */
  held: ServerEvent[] | null
  hello: boolean
  /** `hello` and a further sign of life came through. */
  proven: boolean
  provenAt: number
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
  /** Commands about channels that wait for `hello`. */
  readonly outgoing: Command[]
}

/** A stream that is about to be opened. Times are monotonic milliseconds. */
export function createAttempt(
  facts: Pick<Attempt, 'rung' | 'purpose' | 'stream' | 'token' | 'channels' | 'version' | 'held' | 'deadline'>,
  now: number,
): Attempt {
  return {
    ...facts,
    link: { close() {} },
    hello: false,
    proven: false,
    provenAt: now,
    heardAt: now,
    heartbeat: 0,
    renewAt: NEVER,
    outdated: false,
    degraded: false,
    bye: null,
    outgoing: [],
  }
}
