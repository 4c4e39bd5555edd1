/** Who is to blame when a stream or a request did not work, which decides what to do next. Pure; asked by the connection and the courier. */
import type { RealtimeError } from '@rt/protocol'

export type Blame =
  /** The way there: try another rung. */
  | 'path'
  /** The server, for the moment: come back later. */
  | 'server'
  /** The token: fetch a new one. */
  | 'token'
  /** The channels that were asked for. */
  | 'channels'
  /** We: another try changes nothing. */
  | 'client'

/** `error`: what our server said, null when it did not speak. `hello`: the stream had begun. */
export function blameOf(error: RealtimeError | null, hello: boolean): Blame {
  switch (error?.code) {
    case undefined:
    case 'unsupported':
    case 'not_acceptable':
    case 'method_not_allowed':
    case 'unsupported_media_type':
      return 'path'
    case 'unauthenticated':
    case 'token_expired':
      return 'token'
    case 'forbidden':
    case 'unknown_channel':
    case 'too_many_channels':
      return hello ? 'client' : 'channels'
    default:
      return error?.retryable === true ? 'server' : 'client'
  }
}
