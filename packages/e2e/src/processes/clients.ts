/** Many clients as a process: each hears several channels, walks through all transports, and writes down what its callbacks got, a file each. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient, type TransportName } from '@rt/client'
import { isRealtimeError } from '@rt/server'
import { type App, log } from './app.ts'
import { parent, settings } from './child.ts'

export interface ClientsSettings {
  readonly url: string
  /** Where the files go. */
  readonly directory: string
  readonly channels: number
  /** Channels of each client. */
  readonly each: number
  /** How many are held on each of WebSocket, SSE and long poll, and how many are left to the ladder. */
  readonly pinned: number
  readonly free: number
}

export interface ClientCounts {
  readonly clients: number
  readonly deliveries: number
  /** By the transport over which they came. */
  readonly byTransport: Readonly<Record<string, number>>
  readonly switches: number
  /** Why switches did not work, and how often; each was tried again until it did. */
  readonly refused: Readonly<Record<string, number>>
  /** How often a client had no stream. */
  readonly reconnects: number
  readonly errors: readonly string[]
}

export type ClientsTold =
  | { readonly type: 'subscribed' }
  | { readonly type: 'moved' }
  | ({ readonly type: 'counts' } & ClientCounts)
  | { readonly type: 'finished' }

export type ClientsAsked =
  /** Every client moves to its next transport. */
  { readonly type: 'move' } | { readonly type: 'count' } | { readonly type: 'close' }

const { url, directory, channels, each, pinned, free } = settings<ClientsSettings>()
const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

const closing: (() => void)[] = []
const byTransport: Record<string, number> = {}
const refused: Record<string, number> = {}
const errors: string[] = []
let clients = 0
let deliveries = 0
let switches = 0
let reconnects = 0

const { tell, leave } = parent<ClientsTold, ClientsAsked>((asked) => {
  if (asked.type === 'move') void Promise.all(runs.map(({ move }) => move())).then(() => tell({ type: 'moved' }))
  else if (asked.type === 'count') {
    tell({ type: 'counts', clients, deliveries, byTransport, switches, refused, reconnects, errors })
  } else {
    for (const end of closing) end()
    leave()
  }
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

interface Run {
  /** All its channels are established, on its own transport. */
  readonly subscribed: Promise<unknown>
  /** Each of its channels has brought its last publication. */
  readonly finished: Promise<unknown>
  move(): Promise<void>
}

function run(name: string, own: TransportName | null): Run {
  const order = own === null ? rungs : [own, ...rungs.filter((rung) => rung !== own)]
  const client = createClient<App>(url, { transports: order })
  const index = clients++
  closing.push(() => client.close())
  const file = join(directory, `${name}.jsonl`)
  const write = (line: object) => appendFileSync(file, `${JSON.stringify({ client: name, ...line })}\n`)

  client.on('status', (status) => {
    if (status === 'reconnecting') reconnects++
  })
  client.on('error', (error) => errors.push(`${name}: ${error.code}: ${error.message}`))

  async function moveTo(rung: TransportName): Promise<void> {
    for (;;) {
      try {
        await client.switchTo(rung)
        switches++
        return
      } catch (error) {
        if (!isRealtimeError(error) || client.status === 'closed') throw error
        refused[error.message] = (refused[error.message] ?? 0) + 1
        await pause(100)
      }
    }
  }
  let at = 0
  async function move(): Promise<void> {
    at = (at + 1) % order.length
    await pause(Math.random() * 500)
    await moveTo(order[at] as TransportName)
  }

  const established: Promise<unknown>[] = []
  const ended: Promise<unknown>[] = []
  for (let k = 0; k < each; k++) {
    const name = log((index + k * 3) % channels)
    const channel = client.channel(name)
    established.push(
      new Promise<void>((resolve) => {
        channel.on('subscribed', () => {
          write({ kind: 'subscribed', channel: name })
          resolve()
        })
      }),
    )
    channel.on('gap', ({ reason }) => write({ kind: 'gap', channel: name, reason }))
    channel.on('error', (error) => errors.push(`${name}: ${error.code}: ${error.message}`))
    ended.push(
      new Promise<void>((resolve) => {
        channel.subscribe(({ id, data: { publisher, sequence } }) => {
          write({ kind: 'message', channel: name, id, publisher, sequence })
          deliveries++
          const over = client.transport ?? 'none'
          byTransport[over] = (byTransport[over] ?? 0) + 1
          if (publisher === 'end') resolve()
        })
      }),
    )
  }
  const pinned = own === null ? null : moveTo(own)
  return { subscribed: Promise.all([...established, pinned]), finished: Promise.all(ended), move }
}

const runs = [...rungs.slice(0, 3), null].flatMap((own) =>
  Array.from({ length: own === null ? free : pinned }, (_, i) => run(`${own ?? 'ladder'}-${i + 1}`, own)),
)
await Promise.all(runs.map(({ subscribed }) => subscribed))
tell({ type: 'subscribed' })
await Promise.all(runs.map(({ finished }) => finished))
tell({ type: 'finished' })
