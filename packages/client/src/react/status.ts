/** How a subscription stands, as components show it. Used by the stores of messages and of state. */
import type { RealtimeError } from '@rt/protocol'
import type { Client } from '../create-client'
import type { Gap, Message, TypedChannel, Undeclared } from '../types'

/** A client and a channel of any server: the types are the hooks' business. */
export type AnyClient = Client
export type AnyChannel = TypedChannel<Undeclared, string>

/**
 * `connecting`: nothing is known yet. `live`: every publication arrives. `gap`: the same, but some may be missing in what is shown.
 * `reconnecting`: cut or standing still; it resumes by itself. `error`: refused. `closed`: the client has ended, or was refused as a whole.
 */
export type ChannelStatus = 'connecting' | 'live' | 'gap' | 'reconnecting' | 'error' | 'closed'

/** What all hooks of a channel tell. */
export interface Standing {
  readonly status: ChannelStatus
  /** Why the server refused, or what could not be read; null while all is well. */
  readonly error: RealtimeError | null
  /** Something may be missing in what is shown. */
  readonly gap: Gap | null
}

export const unknown: Standing = { status: 'connecting', error: null, gap: null }

/** Subscribes, and follows how the subscription stands. */
export function follow(
  client: AnyClient,
  channel: AnyChannel,
  last: number,
  receive: (message: Message<unknown>) => void,
  changed: () => void,
) {
  let error: RealtimeError | null = null
  /** The channel may have ended our subscription. */
  let ended = false
  let off = channel.subscribe(receive, last > 0 ? { last } : {})
  const set = (next: RealtimeError | null) => {
    error = next
    changed()
  }
  const offs = [
    channel.on('subscribed', () => {
      if (ended) {
        // Somebody subscribed again after a refusal, and we join; first the new one, so that there is always one.
        const old = off
        off = channel.subscribe(receive)
        old()
        ended = false
      }
      set(null)
    }),
    channel.on('error', (next) => {
      ended ||= !channel.established
      set(next)
    }),
    client.on('status', changed),
  ]
  return {
    fail: set,
    /** `ready`: what was asked for first is here. */
    read(ready: boolean, gap: Gap | null): Standing {
      const { status: link } = client
      const { established } = channel
      const status =
        link === 'closed' || link === 'failed'
          ? 'closed'
          : !established
            ? error === null
              ? 'connecting'
              : 'error'
            : !ready
              ? 'connecting'
              : link !== 'connected'
                ? 'reconnecting'
                : gap !== null
                  ? 'gap'
                  : 'live'
      return { status, error, gap }
    },
    stop() {
      off()
      for (const undo of offs) undo()
    },
  }
}
