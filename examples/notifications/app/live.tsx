/** The page's one client of rt, for every component below. */
'use client'
import { type Client, createClient } from '@rt/client'
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import type { Realtime } from '../lib/realtime'

const Context = createContext<Client<Realtime> | null>(null)

export const useClient = () => useContext(Context)

export function Live({ websocket, children }: { readonly websocket: boolean; readonly children: ReactNode }) {
  const [client, setClient] = useState<Client<Realtime> | null>(null)
  useEffect(() => {
    const made = createClient<Realtime>('/rt', websocket ? {} : { transports: ['sse', 'long-poll', 'poll'] })
    setClient(made)
    return () => made.close()
  }, [websocket])
  return <Context value={client}>{children}</Context>
}
