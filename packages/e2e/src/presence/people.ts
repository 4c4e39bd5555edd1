/** Members, or watchers, as a process: tabs that enter a room, or that write down each word of the callback; started by faults.test.ts. */
import { type Client, createClient, type TransportName } from '@rt/client'
import { parent, settings } from '../processes/child.ts'
import type { Heard } from './checker.ts'

export const ROOM = 'lobby:1'

/** One client. */
export interface Tab {
  readonly member: string
  readonly url: string
  readonly rung: TransportName
}

export interface PeopleSettings {
  readonly members: readonly Tab[]
  /** Here `member` only names who says what. */
  readonly watchers: readonly Tab[]
}

export type PeopleTold =
  /** Each tab has entered, each watcher got a list. */
  | { readonly type: 'there' }
  | { readonly type: 'heard'; readonly heard: Heard }
  | { readonly type: 'refused'; readonly member: string; readonly reason: string }

const { members, watchers } = settings<PeopleSettings>()
const clients: Client[] = []
let closing = false
const { tell, leave } = parent<PeopleTold, { readonly type: 'close' }>(() => {
  closing = true
  for (const client of clients) client.close()
  leave()
})

function open({ member, url, rung }: Tab): Client {
  const client = createClient(url, { token: `user:${member}`, transports: [rung] })
  client.on('error', ({ code }) => tell({ type: 'refused', member, reason: code }))
  clients.push(client)
  return client
}

async function enter(tab: Tab): Promise<void> {
  try {
    await open(tab).channel(ROOM).presence.enter({ name: tab.member })
  } catch (error) {
    tell({ type: 'refused', member: tab.member, reason: String(error) })
  }
}

function watch(tab: Tab): Promise<void> {
  return new Promise((resolve) => {
    open(tab)
      .channel(ROOM)
      .presence.subscribe(({ members, known }, change) => {
        // A client that is closed knows nothing any more.
        if (closing) return
        const said = change === null ? null : { action: change.action, member: change.member.id }
        const heard = { watcher: tab.member, at: Date.now(), known, members: members.map(({ id }) => id), change: said }
        tell({ type: 'heard', heard })
        if (known) resolve()
      })
  })
}

await Promise.all([...members.map(enter), ...watchers.map(watch)])
tell({ type: 'there' })
