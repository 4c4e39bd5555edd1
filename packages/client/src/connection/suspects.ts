/**
 * The channels of a first request that was refused as a whole with "who are you?", which may mean them or the client: a stream without them tells.
 * Owned by the connection.
 */
import type { ChannelRequest, RealtimeError, WatchRequest } from '@rt/protocol'
import type { Attempt } from './attempt'

interface Suspicion {
  readonly channels: readonly ChannelRequest[]
  readonly watched: readonly WatchRequest[]
  readonly error: RealtimeError
}

export class Suspects {
  #suspicion: Suspicion | null = null

  /** Streams are to be opened without channels. */
  get any(): boolean {
    return this.#suspicion !== null
  }

  /** Suspects the channels of a stream that was refused; false where only the client can be meant. On WebSocket channels are refused one by one. */
  suspect({ rung, hello, channels, watched }: Attempt, error: RealtimeError): boolean {
    if (this.any || rung === 'websocket' || hello) return false
    if (channels.length + watched.length === 0) return false
    if (!channels.every((request) => request.new) || !watched.every(({ since }) => since === undefined)) return false
    this.#suspicion = { channels, watched, error }
    return true
  }

  /** Returns who was suspected, and suspects nobody any more. */
  take(): Suspicion | null {
    const suspicion = this.#suspicion
    this.#suspicion = null
    return suspicion
  }
}
