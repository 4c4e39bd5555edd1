/** Many clients as a process, each on one transport: they hear a numbered channel each, and count what no restart of a node may show. */
import { createClient, type TransportName } from '@rt/client'
import { type App, log } from '../processes/app.ts'
import { parent, settings } from '../processes/child.ts'

export interface HerdSettings {
  readonly url: string
  /** How many on each transport. */
  readonly clients: Partial<Readonly<Record<TransportName, number>>>
  /** The clients take turns in hearing one of so many. */
  readonly channels: number
  /** Everybody is present in one channel, and somebody watches it. */
  readonly present: boolean
}

/** What the clients of one transport went through. */
export interface HerdCount {
  clients: number
  deliveries: number
  /** Each publication that is not the one behind the last, in words. */
  readonly wrong: string[]
  /** How often one was without a link. */
  reconnecting: number
  readonly errors: string[]
}

export type HerdTold =
  /** All are connected; present, where they shall be. */
  | { readonly type: 'ready' }
  /** All have heard up to what {@link HerdAsked} said. */
  | {
      readonly type: 'heard'
      readonly counts: Partial<Record<TransportName, HerdCount>>
      /** What the watcher was told of members after `ready`. */
      readonly presence: readonly string[]
    }

export type HerdAsked =
  /** `sequences`: the last publication of each channel; answered when all have it. */
  { readonly type: 'finish'; readonly sequences: readonly number[] } | { readonly type: 'close' }

/** Clients that connect at the same time. */
const TOGETHER = 50

const { url, clients: sizes, channels, present } = settings<HerdSettings>()
const counts: Partial<Record<TransportName, HerdCount>> = {}
const presence: string[] = []
const closing: (() => void)[] = []
/** The number of its channel and what it heard last, for each client. */
const heard: { readonly channel: number; last: number }[] = []
let sequences: readonly number[] | null = null

const { tell, leave } = parent<HerdTold, HerdAsked>((asked) => {
  if (asked.type === 'finish') {
    sequences = asked.sequences
    look()
  } else {
    for (const close of closing) close()
    leave()
  }
})

function look(): void {
  if (sequences === null || heard.some(({ channel, last }) => last < (sequences?.[channel] ?? 0))) return
  sequences = null
  tell({ type: 'heard', counts, presence })
}

function open(name: string, rung: TransportName, channel: number): Promise<unknown> {
  const count = counts[rung] ?? { clients: 0, deliveries: 0, wrong: [], reconnecting: 0, errors: [] }
  counts[rung] = count
  count.clients++
  const client = createClient<App>(url, { transports: [rung], token: name })
  closing.push(() => client.close())
  client.on('status', (status) => {
    if (status === 'reconnecting') count.reconnecting++
  })
  client.on('error', ({ code, message }) => count.errors.push(`${name}: ${code}: ${message}`))
  const own = { channel, last: 0 }
  heard.push(own)
  const numbered = client.channel(log(channel))
  numbered.on('gap', ({ reason }) => count.wrong.push(`${name}: a gap, ${reason}, behind ${own.last}`))
  numbered.subscribe(({ data: { sequence } }) => {
    if (sequence !== own.last + 1) count.wrong.push(`${name}: ${sequence} behind ${own.last}`)
    own.last = Math.max(own.last, sequence)
    count.deliveries++
    if (sequences !== null) look()
  })
  const subscribed = new Promise<void>((resolve) => numbered.on('subscribed', () => resolve()))
  return Promise.all([subscribed, present ? client.channel('here:1').presence.enter({}) : null])
}

const rungs = (['websocket', 'sse', 'long-poll', 'poll'] as const).flatMap((rung) =>
  Array.from({ length: sizes[rung] ?? 0 }, (_, i) => [`${rung}-${i + 1}`, rung] as const),
)
for (let at = 0; at < rungs.length; at += TOGETHER) {
  const some = rungs.slice(at, at + TOGETHER)
  await Promise.all(some.map(([name, rung], i) => open(name, rung, (at + i) % channels)))
}
if (present) {
  const watcher = createClient<App>(url)
  closing.push(() => watcher.close())
  await new Promise<void>((resolve) => {
    let all = false
    watcher.channel('here:1').presence.subscribe(({ members, known }, change) => {
      if (all)
        presence.push(change === null ? `${members.length}, known: ${known}` : `${change.action} ${change.member.id}`)
      all ||= known && members.length === rungs.length
      if (all) resolve()
    })
  })
}
tell({ type: 'ready' })
