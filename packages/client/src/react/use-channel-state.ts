/** useChannelState: what the server computed for a channel, kept up to date by its messages. */
import type { ChannelNames, ContractOf, Declares } from '@rt/protocol'
import { useEffect, useMemo } from 'react'
import type { ChannelName, StateOf, TypedChannel, Undeclared } from '../types'
import { type ChannelState, nothing, type Reduce, type StateSource, stateKey, stateSource } from './state'
import type { Standing } from './status'
import { find } from './store'
import { useStore } from './use-store'

/** The names of channels that declare `state`. */
export type StatefulName<R extends Declares> = ChannelNames<{
  readonly [P in keyof ContractOf<R> as ContractOf<R>[P] extends { readonly state: infer S }
    ? [S] extends [never]
      ? never
      : P
    : never]: ContractOf<R>[P]
}> &
  ChannelName<R>

type MessageIn<T> = T extends AsyncIterable<infer M> ? M : never

/** What {@link useChannelState} takes. */
export interface UseChannelStateOptions<State, M> {
  /** What the server rendered: the result of `rt.state`. Shown until the subscription brings a newer one. */
  readonly initial?: State
  /**
   * The state after a message. The server may have known of the message when it computed the state: twice must be the same as once. All components
   * of a channel share one value, so they give the same function.
   */
  readonly reduce?: (state: State, message: M) => State
}

/** What {@link useChannelState} gives. */
export interface UseChannelState<State> extends Standing {
  /** Undefined only before the first one came, when there is no `initial`. */
  readonly state: State | undefined
}

/**
 * Subscribes to a channel while the component is mounted, for its state.
 *
 * @example
 * const { state } = useChannelState('doc:7', { reduce: (doc, { data }) => ({ ...doc, [data.field]: data.value }) })
 */
export function useChannelState<R extends Declares = Undeclared, C extends StatefulName<R> = StatefulName<R>>(
  name: C,
  options?: UseChannelStateOptions<StateOf<R, C>, MessageIn<TypedChannel<R, C>>>,
): UseChannelState<StateOf<R, C>>
export function useChannelState(
  name: string,
  { initial, reduce }: { readonly initial?: unknown; readonly reduce?: Reduce } = {},
): UseChannelState<unknown> {
  const key = stateKey(name)
  const [snapshot, client] = useStore<ChannelState, StateSource>(
    key,
    (client, changed) => stateSource(client, name, changed),
    nothing,
  )
  useEffect(() => {
    if (reduce !== undefined) find<ChannelState, StateSource>(client(), key)?.source.reduceBy(reduce)
  }, [client, key, reduce])
  const value = reduce === undefined ? snapshot.state : snapshot.reduced
  const state = value === undefined ? initial : value
  const { status, error, gap } = snapshot
  return useMemo(() => ({ state, status, error, gap }), [state, status, error, gap])
}
