/** The hooks with the types of one server, so that components need no annotations. */
import type { Declares } from '@rt/protocol'
import type { ReactElement } from 'react'
import type { Client } from '../create-client'
import type { ChannelName, PresenceInputOf, PresenceOf, StateOf, TypedChannel } from '../types'
import { RealtimeProvider, type RealtimeProviderProps, useRealtime } from './provider'
import { type UseChannel, type UseChannelOptions, useChannel } from './use-channel'
import {
  type StatefulName,
  type UseChannelState,
  type UseChannelStateOptions,
  useChannelState,
} from './use-channel-state'
import { type UseConnection, useConnection } from './use-connection'
import { type PresentName, type UsePresence, usePresence } from './use-presence'

/** The hooks of this door, typed by one server: what {@link createHooks} returns. */
export interface Hooks<R extends Declares> {
  readonly RealtimeProvider: (props: RealtimeProviderProps<R>) => ReactElement
  readonly useRealtime: () => Client<R>
  readonly useChannel: <C extends ChannelName<R>>(
    name: C,
    options?: UseChannelOptions<TypedChannel<R, C>>,
  ) => UseChannel<TypedChannel<R, C>>
  readonly usePresence: <C extends PresentName<R>>(
    name: C,
    state?: PresenceInputOf<R, C>,
  ) => UsePresence<PresenceOf<R, C>, PresenceInputOf<R, C>>
  readonly useChannelState: <C extends StatefulName<R>>(
    name: C,
    options?: UseChannelStateOptions<StateOf<R, C>, TypedChannel<R, C> extends AsyncIterable<infer M> ? M : never>,
  ) => UseChannelState<StateOf<R, C>>
  readonly useConnection: () => UseConnection
}

/**
 * All hooks, typed by the server. Call it once, in a module of its own with `'use client'` at its top.
 *
 * @example
 * import type { Realtime } from './realtime'
 * export const { RealtimeProvider, useChannel, usePresence, useChannelState } = createHooks<Realtime>()
 */
export function createHooks<R extends Declares>(): Hooks<R> {
  const hooks = { RealtimeProvider, useRealtime, useChannel, usePresence, useChannelState, useConnection }
  // The same functions with `R` given: TypeScript has no way to give one of two type parameters.
  return hooks as unknown as Hooks<R>
}
