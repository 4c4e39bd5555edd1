/** The stores of a channel's members and of this client's own membership. Used by usePresence. */
import type { RealtimeError } from '@rt/protocol'
import type { PresenceList } from '../types'
import type { AnyClient } from './status'
import type { Source } from './store'

export interface Members extends PresenceList {
  readonly error: RealtimeError | null
}

export const nobody: Members = { members: [], known: false, error: null }

export const memberKey = (name: string) => `members ${name}`

export function memberSource(client: AnyClient, name: string, changed: () => void): Source<Members> {
  const channel = client.channel(name)
  let error: RealtimeError | null = null
  const set = (next: RealtimeError | null) => {
    error = next
    changed()
  }
  const offs = [channel.presence.subscribe(() => set(null)), channel.on('error', set)]
  return {
    read: () => ({ ...channel.presence.list, error }),
    stop() {
      for (const off of offs) off()
    },
  }
}

export interface Seat {
  /** What this client said last, once the server has stored it; null before. */
  readonly self: unknown
  readonly error: RealtimeError | null
}

export interface SeatSource extends Source<Seat> {
  /** Enters, or changes the state; does nothing when the same was said before. */
  say(state: unknown): void
  /** The same, whatever was said before, and tells how it went. */
  put(state: unknown): Promise<void>
}

export const noSeat: Seat = { self: null, error: null }

export const seatKey = (name: string) => `seat ${name}`

/** Entered with the first `say`; left when the store stops, which is a moment after the last component went. */
export function seatSource(client: AnyClient, name: string, changed: () => void): SeatSource {
  const { presence } = client.channel(name)
  let seat = noSeat
  let said: string | undefined
  const put = async (state: unknown) => {
    const json = JSON.stringify(state)
    said = json
    try {
      // Not `update`, which wants that entering has worked.
      await presence.enter(state)
      if (said === json) seat = { self: state, error: null }
    } catch (error) {
      if (said === json) {
        said = undefined
        seat = { ...seat, error: error as RealtimeError }
      }
      throw error
    } finally {
      changed()
    }
  }
  return {
    say(state) {
      if (JSON.stringify(state) !== said) put(state).catch(() => {})
    },
    put,
    read: () => seat,
    stop() {
      // A client that is closed or cut has nobody to tell; the server finds out by itself.
      if (said !== undefined) presence.leave().catch(() => {})
    },
  }
}
