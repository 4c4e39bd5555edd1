/** What the app's hooks are told. */
import type { ErrorCode } from '@rt/protocol'
import type { Identity, TransportName } from './connection'

/** A connection. A poll is one while it is held. */
export interface ConnectionInfo<I extends Identity = Identity> {
  /** Random id, the same in all that is told of this connection. */
  readonly id: string
  /** How it came. */
  readonly transport: TransportName
  /** What `authenticate` returned; null for nobody in particular. */
  readonly identity: I | null
}

/** A connection that ended. */
export interface Disconnection<I extends Identity = Identity> extends ConnectionInfo<I> {
  /** `closed`: by the client, the network, or the answer to a poll; else the code of the error that it was ended with. */
  readonly reason: ErrorCode
  /** Milliseconds that it was open. */
  readonly duration: number
}

/** A channel that a connection begins to hear. */
export interface Subscribed<I extends Identity = Identity> extends ConnectionInfo<I> {
  /** The whole name, such as `chat:42`. */
  readonly channel: string
}
