/** A user's inbox: as the server rendered it, then as rt tells. */
'use client'
import type { Rung, Status } from '@rt/client'
import { useEffect, useReducer, useState } from 'react'
import { apply, type Inbox } from '../lib/inbox'
import { useClient } from './live'

export function useInbox(user: string, initial: Inbox) {
  const client = useClient()
  const [inbox, change] = useReducer(apply, initial)
  const [status, setStatus] = useState<Status>('connecting')
  const [transport, setTransport] = useState<Rung | null>(null)
  useEffect(() => {
    if (client === null) return
    const undo = [
      client.on('status', setStatus),
      client.on('transport', setTransport),
      client.channel(`user:${user}:notifications`).subscribe(({ data }) => change(data), { last: 50 }),
    ]
    return () => {
      for (const run of undo) run()
    }
  }, [client, user])
  return { inbox, status, transport }
}
