/** Subscribers, watchers of a room and members of it as a process: each writes down what its callbacks got. */
import { type Client, createClient, type TransportName } from '@rt/client'
import { parent, settings } from '@rt/e2e/processes/child.ts'
import { isRealtimeError } from '@rt/server'
import { type App, CHANNELS, log, ROOM } from './app.ts'
import { historyFile, LAST } from './history.ts'
import { hashOf } from './payload.ts'

export interface ClientsSettings {
  readonly directory: string
  readonly name: string
  readonly url: string
  /** The rung that each begins on; null: the ladder decides. */
  readonly subscribers: readonly (TransportName | null)[]
  readonly watchers: readonly TransportName[]
  /** By name. */
  readonly members: Readonly<Record<string, TransportName>>
}

export type ClientsTold =
  | { readonly type: 'there' }
  | { readonly type: 'switched'; readonly count: number }
  | { readonly type: 'heard'; readonly count: number }
  | { readonly type: 'heard the last' }
  | { readonly type: 'agreed' }
  | { readonly type: 'state'; readonly errors: readonly string[]; readonly reconnects: number }

export type ClientsAsked =
  /** Each subscriber with a number below 1 here moves to the rung of that number. */
  | { readonly type: 'switch'; readonly to: readonly (TransportName | null)[] }
  /** Tell when every watcher is sure of exactly these. */
  | { readonly type: 'await'; readonly members: readonly string[] }
  | { readonly type: 'state' }
  | { readonly type: 'close' }

const { directory, name, url, subscribers, watchers, members } = settings<ClientsSettings>()
const write = historyFile(directory, name)
const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
const errors: string[] = []
const newest = new Map<string, string | null>()
let awaited: string | null = null
let reconnects = 0
let heard = 0
let closing = false

const { tell, leave } = parent<ClientsTold, ClientsAsked>((asked) => {
  if (asked.type === 'switch') void switchTo(asked.to)
  else if (asked.type === 'state') tell({ type: 'state', errors, reconnects })
  else if (asked.type === 'await') {
    awaited = [...asked.members].sort().join()
    compare()
  } else {
    closing = true
    for (const client of all) client.close()
    leave()
  }
})

const all: Client<App>[] = []
function open(who: string, first: TransportName | null, token?: string): Client<App> {
  const transports = first === null ? rungs : [first, ...rungs.filter((rung) => rung !== first)]
  const client = createClient<App>(url, { transports, ...(token === undefined ? {} : { token }) })
  client.on('status', (status) => {
    if (status === 'reconnecting') reconnects++
  })
  client.on('error', ({ code, message }) => errors.push(`${who}: ${code}: ${message}`))
  all.push(client)
  return client
}

/** Resolves when all its channels are established; `last` when each has brought its last publication. */
function subscribe(index: number, first: TransportName | null) {
  const who = `${name}-${index}`
  const client = open(who, first)
  const established: Promise<void>[] = []
  const last: Promise<void>[] = []
  for (let k = 0; k < CHANNELS - 1; k++) {
    const channel = client.channel(log((index + k) % CHANNELS))
    const line = { client: who, channel: channel.name }
    channel.on('gap', ({ reason }) => write({ kind: 'gap', ...line, reason }))
    channel.on('error', ({ code, message }) => errors.push(`${who}: ${code}: ${message}`))
    established.push(
      new Promise((resolve) => {
        const off = channel.on('subscribed', () => {
          off()
          write({ kind: 'subscribed', ...line })
          resolve()
        })
      }),
    )
    last.push(
      new Promise((resolve) => {
        channel.subscribe(({ id, data: { publisher, sequence, text } }) => {
          write({ kind: 'heard', ...line, id, publisher, sequence, hash: hashOf(publisher, sequence, text) })
          if (++heard % 20 === 0) tell({ type: 'heard', count: heard })
          if (publisher === LAST) resolve()
        })
      }),
    )
  }
  return { client, established: Promise.all(established), last: Promise.all(last) }
}

function watch(index: number, first: TransportName): Promise<void> {
  const watcher = `${name}-watcher-${index}`
  newest.set(watcher, null)
  return new Promise((resolve) => {
    open(watcher, first)
      .channel(ROOM)
      .presence.subscribe(({ members, known }) => {
        // A client that is closed knows nothing any more.
        if (closing) return
        const ids = members.map(({ id }) => id)
        write({ kind: 'members', watcher, known, members: ids })
        newest.set(watcher, known ? ids.sort().join() : null)
        compare()
        if (known) resolve()
      })
  })
}

function compare(): void {
  if (awaited === null || [...newest.values()].some((said) => said !== awaited)) return
  awaited = null
  tell({ type: 'agreed' })
}

async function enter(member: string, rung: TransportName): Promise<void> {
  const { presence } = open(member, rung, member).channel(ROOM)
  for (;;) {
    try {
      await presence.enter({})
      break
    } catch (error) {
      if (!isRealtimeError(error) || !error.retryable) throw error
    }
  }
  write({ kind: 'entered', member })
}

async function switchTo(to: readonly (TransportName | null)[]): Promise<void> {
  const moves = to.map((rung, i) => {
    if (rung === null) return false
    return streams[i]?.client.switchTo(rung).then(
      () => true,
      () => false,
    )
  })
  const done = await Promise.all(moves)
  tell({ type: 'switched', count: done.filter((moved) => moved === true).length })
}

const streams = subscribers.map((first, index) => subscribe(index, first))
await Promise.all([
  ...streams.map(({ established }) => established),
  ...watchers.map((first, index) => watch(index, first)),
  ...Object.entries(members).map(([member, rung]) => enter(member, rung)),
])
tell({ type: 'there' })
if (streams.length > 0) {
  await Promise.all(streams.map(({ last }) => last))
  tell({ type: 'heard the last' })
}
