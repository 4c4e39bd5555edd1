/** rt for the components of the page: its hooks, with the types of our channels, and the one client that they share. */
'use client'
import { createClient } from '@rt/client'
import { createHooks } from '@rt/client/react'
import type { ReactNode } from 'react'
import type { Realtime } from '../lib/realtime'

const { RealtimeProvider, useChannelState, useConnection } = createHooks<Realtime>()

export { useChannelState, useConnection }

export function Live({ websocket, children }: { readonly websocket: boolean; readonly children: ReactNode }) {
  // `next start` and hosts like it have no WebSocket; the client would find out by itself, a quarter of a second later.
  const options = websocket ? {} : { transports: ['sse', 'long-poll', 'poll'] as const }
  return <RealtimeProvider client={() => createClient<Realtime>('/rt', options)}>{children}</RealtimeProvider>
}
