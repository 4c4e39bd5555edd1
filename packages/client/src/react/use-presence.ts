/** usePresence: who is in a channel, and being there oneself while the component is mounted. */
import type { ChannelNames, ContractOf, Declares, RealtimeError } from '@rt/protocol'
import { useCallback, useEffect, useMemo, useRef } from 'react'
import type { ChannelName, PresenceInputOf, PresenceList, PresenceOf, Undeclared } from '../types'
import {
  type Members,
  memberKey,
  memberSource,
  nobody,
  noSeat,
  type Seat,
  type SeatSource,
  seatKey,
  seatSource,
} from './presence'
import { find, type Source } from './store'
import { useStore } from './use-store'

/** The names of channels that declare `presence`. */
export type PresentName<R extends Declares> = ChannelNames<{
  readonly [P in keyof ContractOf<R> as ContractOf<R>[P] extends { readonly presence: infer S }
    ? [S] extends [never]
      ? never
      : P
    : never]: ContractOf<R>[P]
}> &
  ChannelName<R>

export interface UsePresence<State, Input> extends PresenceList<State> {
  /** What this page said last, once the server has stored it: null means that it is not present. */
  readonly self: Input | null
  /** Why entering failed, or why the members can't be told; null while all is well. */
  readonly error: RealtimeError | null
  /** Says something else than the given `state`, until that changes. Rejects as `presence.enter` does. */
  update(state: Input): Promise<void>
}

/**
 * The members of a channel. With a `state` this page is one of them while some component that gives one is mounted; without it only looks.
 *
 * @example
 * const { members, known } = usePresence('doc:7', { name: 'Ada' })
 */
export function usePresence<R extends Declares = Undeclared, C extends PresentName<R> = PresentName<R>>(
  name: C,
  state?: PresenceInputOf<R, C>,
): UsePresence<PresenceOf<R, C>, PresenceInputOf<R, C>>
export function usePresence(name: string, state?: unknown): UsePresence<unknown, unknown> {
  const json = JSON.stringify(state)
  const key = seatKey(name)
  const [list, client] = useStore<Members, Source<Members>>(
    memberKey(name),
    (client, changed) => memberSource(client, name, changed),
    nobody,
  )
  const [seat] = useStore<Seat, SeatSource>(
    json === undefined ? null : key,
    (client, changed) => seatSource(client, name, changed),
    noSeat,
  )
  // A new object with the same content is no change: `json` decides.
  const latest = useRef(state)
  useEffect(() => {
    latest.current = state
  })
  useEffect(() => {
    if (json !== undefined) find<Seat, SeatSource>(client(), key)?.source.say(latest.current)
  }, [client, key, json])
  const update = useCallback(
    (next: unknown) =>
      find<Seat, SeatSource>(client(), key)?.source.put(next) ?? client().channel(name).presence.update(next),
    [client, key, name],
  )
  return useMemo(
    () => ({ members: list.members, known: list.known, self: seat.self, error: seat.error ?? list.error, update }),
    [list, seat, update],
  )
}
