/** The client of a tree of components: given once by RealtimeProvider, read by every hook. */
import type { Declares } from '@rt/protocol'
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useMemo,
  useRef,
  useState,
} from 'react'
import type { Client } from '../create-client'
import type { Undeclared } from '../types'
import type { AnyClient } from './status'

const Context = createContext<(() => AnyClient) | null>(null)

/** What {@link RealtimeProvider} takes. */
export interface RealtimeProviderProps<R extends Declares> {
  /** A client, or a function that makes it: called once, and never while a server renders, where a relative URL means nothing. */
  readonly client: Client<R> | (() => Client<R>)
  readonly children?: ReactNode
}

/**
 * Gives the hooks below it their client.
 *
 * @example
 * <RealtimeProvider client={() => createClient<Realtime>('/rt')}>…</RealtimeProvider>
 */
export function RealtimeProvider<R extends Declares = Undeclared>({
  client,
  children,
}: RealtimeProviderProps<R>): ReactElement {
  // A function that is written in place is another one at each rendering; the client is the one that was made first.
  const [made] = useState<{ client?: Client<R> }>(() => ({}))
  const given = typeof client === 'function' ? null : client
  const make = useRef(client)
  const get = useMemo(
    () => () => {
      const { current } = make
      if (given === null && made.client === undefined && typeof current === 'function') made.client = current()
      return (given ?? made.client) as unknown as AnyClient
    },
    [given, made],
  )
  return createElement(Context.Provider, { value: get }, children)
}

/** How hooks reach the client, when they need it: on a server never. */
export function useGetClient(): () => AnyClient {
  const get = useContext(Context)
  if (get === null) throw new Error('There is no <RealtimeProvider> around this component.')
  return get
}

/** The client itself, for what is no hook. */
export function useRealtime<R extends Declares = Undeclared>(): Client<R> {
  return useGetClient()() as unknown as Client<R>
}
