/** What the tabs of a group say to each other over BroadcastChannels: types and the ports that they go by; used by all of this folder. */
import type { Json, ServerEvent } from '@rt/protocol'
import type { Standing } from '../connection/connection'

/** What of a BroadcastChannel is used. */
export interface Line {
  onmessage: ((event: MessageEvent) => void) | null
  postMessage(message: unknown): void
  close(): void
}

/** Opens the line of this name. */
export type OpenLine = (name: string) => Line

/** What of the Web Locks is used. */
export type Locks = Pick<LockManager, 'request'>

/** Asks the leader for a link, on the line of the group. */
export interface Join {
  readonly type: 'join'
  /** The leader. */
  readonly to: string
  readonly tab: string
  /** The name of the line for it. */
  readonly line: string
  readonly channels: readonly string[]
  readonly watched: readonly string[]
  readonly entered: readonly (readonly [channel: string, state: Json])[]
}

/** On the line of the group. */
export type GroupMessage =
  | { readonly type: 'who' }
  /** `live`: it has a stream. */
  | { readonly type: 'lead'; readonly tab: string; readonly live: boolean }
  | Join

/** On the line of a link, to the leader. */
export type Up =
  | { readonly type: 'frame'; readonly text: string }
  | { readonly type: 'ping' }
  | { readonly type: 'close' }

/** On the line of a link, from the leader. */
export type Down =
  | { readonly type: 'alive' }
  /** From here on all that concerns the link is told. */
  | { readonly type: 'ready'; readonly standing: Standing }
  | { readonly type: 'events'; readonly events: readonly ServerEvent[] }
  /** The leader's stream is gone, and no other took its place. */
  | { readonly type: 'lost' }
  /** The server does not let the leader have what this link is for. */
  | { readonly type: 'refused' }
