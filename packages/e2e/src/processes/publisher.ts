/** Publishers as a process: through `rt.publish` without any transport, or through clients. Each line of its file is an acknowledged publication. */
import { appendFileSync } from 'node:fs'
import { createClient, type TransportName } from '@rt/client'
import { isRealtimeError } from '@rt/server'
import { type App, createApp, log } from './app.ts'
import { parent, settings } from './child.ts'

export interface PublisherSettings {
  /** With a `url` through clients of it, else as a worker on this Redis. */
  readonly redisUrl: string
  readonly url: string | null
  readonly publishers: readonly string[]
  /** Publications of each publisher. */
  readonly count: number
  readonly channels: number
  /** Mean milliseconds from one publication of a publisher to its next. */
  readonly pace: number
  readonly file: string
}

export type PublisherTold =
  | { readonly type: 'ready' }
  | { readonly type: 'acknowledged'; readonly count: number }
  | { readonly type: 'done'; readonly retried: number; readonly unknown: number }
  | { readonly type: 'marked' }

export type PublisherAsked =
  /** Publish up to this part of all. */
  | { readonly type: 'go'; readonly upTo: number }
  /** Publish the last publication of each channel. */
  | { readonly type: 'mark' }
  | { readonly type: 'close' }

type Send = (channel: `log:${string}`, publisher: string, sequence: number, messageId: string) => Promise<string>

const { redisUrl, url, publishers, count, channels, pace, file } = settings<PublisherSettings>()
const { tell, leave } = parent<PublisherTold, PublisherAsked>((asked) => {
  if (asked.type === 'go') go(asked.upTo)
  else if (asked.type === 'mark') void mark()
  else void close()
})

const closing: (() => unknown)[] = []
const senders = url === null ? asWorker() : asClients(url)
let acknowledged = 0
let retried = 0
let unknown = 0

function asWorker(): Send[] {
  const rt = createApp(redisUrl)
  closing.push(() => rt.close())
  return publishers.map(
    () => async (channel, publisher, sequence, messageId) =>
      (await rt.publish(channel, { publisher, sequence }, { messageId })).id,
  )
}

function asClients(url: string): Send[] {
  // One sends over its WebSocket, the next one by POST.
  const orders: TransportName[][] = [
    ['websocket', 'sse'],
    ['sse', 'long-poll'],
  ]
  return publishers.map((_, i) => {
    const client = createClient<App>(url, { transports: orders[i % orders.length] as TransportName[] })
    closing.push(() => client.close())
    return async (channel, publisher, sequence, messageId) =>
      (await client.channel(channel).publish({ publisher, sequence }, { messageId })).id
  })
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Again with the same `messageId` until it is stored. */
async function publish(send: Send, channel: `log:${string}`, publisher: string, sequence: number): Promise<void> {
  for (;;) {
    try {
      const id = await send(channel, publisher, sequence, `${publisher}-${sequence}`)
      appendFileSync(file, `${JSON.stringify({ channel, id, publisher, sequence })}\n`)
      tell({ type: 'acknowledged', count: ++acknowledged })
      return
    } catch (error) {
      if (!isRealtimeError(error) || !error.retryable) throw error
      retried++
      if (error.outcome !== 'failed') unknown++
      await pause(50)
    }
  }
}

let allowed = 0
const waiting: (() => void)[] = []
function go(upTo: number): void {
  allowed = Math.ceil(upTo * count)
  for (const run of waiting.splice(0)) run()
}

async function run(): Promise<void> {
  const all = publishers.map(async (publisher, p) => {
    // One after the other on a channel, so that their order is known; side by side on different ones.
    const ends = new Map<string, Promise<void>>()
    for (let sequence = 1; sequence <= count; sequence++) {
      if (sequence > allowed) await new Promise<void>((resolve) => waiting.push(resolve))
      const channel = log((sequence * 7 + Math.floor(sequence / channels) + p) % channels)
      const before = ends.get(channel)
      const run = async () => {
        await before
        await publish(senders[p] as Send, channel, publisher, sequence)
      }
      ends.set(channel, run())
      // Often several in one turn, at times none for a while.
      if (Math.random() < 0.4) await pause(Math.random() * 5 * pace)
    }
    await Promise.all(ends.values())
  })
  await Promise.all(all)
  tell({ type: 'done', retried, unknown })
}

async function mark(): Promise<void> {
  for (let n = 0; n < channels; n++) await publish(senders[0] as Send, log(n), 'end', n)
  tell({ type: 'marked' })
}

async function close(): Promise<void> {
  for (const end of closing) await end()
  leave()
}

void run()
tell({ type: 'ready' })
