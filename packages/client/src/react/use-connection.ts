/** useConnection: how the client's connection stands, for a badge or a banner. */
import { useCallback, useSyncExternalStore } from 'react'
import type { Client } from '../create-client'
import { useGetClient } from './provider'

/** What {@link useConnection} gives. */
export type UseConnection = Pick<Client, 'status' | 'transport'>

const idle: UseConnection = { status: 'idle', transport: null }
const newest = new WeakMap<object, UseConnection>()

/** The same object until something changes. */
function read(client: Client): UseConnection {
  const { status, transport } = client
  const known = newest.get(client) ?? idle
  if (known.status === status && known.transport === transport) return known
  const next = { status, transport }
  newest.set(client, next)
  return next
}

/**
 * The status of the connection and the transport in use.
 *
 * @example
 * const { status, transport } = useConnection()
 */
export function useConnection(): UseConnection {
  const get = useGetClient()
  const subscribe = useCallback(
    (listener: () => void) => {
      const offs = [get().on('status', listener), get().on('transport', listener)]
      return () => {
        for (const off of offs) off()
      }
    },
    [get],
  )
  return useSyncExternalStore(
    subscribe,
    () => read(get()),
    () => idle,
  )
}
