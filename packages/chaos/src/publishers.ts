/** Publishers as a process: through `rt.publish` without any transport, or through clients, until each publication is stored. */
import { createClient, type TransportName } from '@rt/client'
import { parent, settings } from '@rt/e2e/processes/child.ts'
import { isRealtimeError } from '@rt/server'
import { type App, CHANNELS, createApp, log } from './app.ts'
import { historyFile, LAST } from './history.ts'
import { hashOf } from './payload.ts'

export interface PublishersSettings {
  readonly directory: string
  readonly name: string
  /** Where a worker finds its Redis; or the endpoint of clients. */
  readonly redisUrl?: string
  readonly url?: string
  /** Mean milliseconds between two publications of one publisher in one channel. */
  readonly pace: number
}

export type PublishersTold =
  | { readonly type: 'ready' }
  /** All that was begun is stored. */
  | { readonly type: 'finished'; readonly refused: Readonly<Record<string, number>> }
  | { readonly type: 'burst over' }
  | { readonly type: 'said the last' }

export type PublishersAsked =
  | { readonly type: 'finish' }
  /** Much at once, to fill the buffers of who does not read. */
  | { readonly type: 'burst' }
  | { readonly type: 'say the last' }
  | { readonly type: 'close' }

type Send = (
  channel: `log:${string}`,
  data: { publisher: string; sequence: number; text: string },
  messageId: string,
) => Promise<{ readonly id: string }>

const { directory, name, redisUrl, url, pace } = settings<PublishersSettings>()
const write = historyFile(directory, name)
const closing: (() => unknown)[] = []
const senders = redisUrl !== undefined ? [worker(redisUrl)] : (['websocket', 'sse'] as const).map(client)
const refused: Record<string, number> = {}
let finishing = false
let bursts = 0

const { tell, leave } = parent<PublishersTold, PublishersAsked>((asked) => {
  if (asked.type === 'finish') finishing = true
  else if (asked.type === 'burst') void burst()
  else if (asked.type === 'say the last') void sayTheLast()
  else void close()
})

function worker(redisUrl: string): Send {
  const rt = createApp(redisUrl)
  closing.push(() => rt.close())
  return (channel, data, messageId) => rt.publish(channel, data, { messageId })
}

/** One sends over its WebSocket, the other one by POST. */
function client(first: TransportName): Send {
  const client = createClient<App>(url as string, { transports: [first, 'long-poll'], timeout: 10_000 })
  closing.push(() => client.close())
  return (channel, data, messageId) => client.channel(channel).publish(data, { messageId })
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function publish(send: Send, channel: `log:${string}`, publisher: string, sequence: number, text: string) {
  const line = { channel, publisher, sequence }
  write({ kind: 'sent', ...line, hash: hashOf(publisher, sequence, text) })
  // Some are sent again though they are known to be stored.
  for (let times = Math.random() < 0.05 ? 2 : 1; times > 0; ) {
    try {
      const { id } = await send(channel, { publisher, sequence, text }, `${publisher}-${sequence}`)
      write({ kind: 'stored', ...line, id })
      times--
    } catch (error) {
      if (!isRealtimeError(error) || !error.retryable) throw error
      const why = `${error.code} ${error.outcome}`
      refused[why] = (refused[why] ?? 0) + 1
      await pause(50 + 100 * Math.random())
    }
  }
}

async function run(send: Send, n: number, publisher: string): Promise<void> {
  for (let sequence = 1; !finishing; sequence++) {
    await publish(send, log(n), publisher, sequence, 'x'.repeat(Math.random() < 0.05 ? 8000 : 100 * Math.random()))
    if (Math.random() < 0.5) await pause(4 * pace * Math.random())
  }
}

async function burst(): Promise<void> {
  const publisher = `${name}-burst-${++bursts}`
  const all = Array.from({ length: CHANNELS }, async (_, n) => {
    for (let sequence = 1; sequence <= 100; sequence++)
      await publish(senders[0] as Send, log(n), publisher, sequence, 'y'.repeat(30_000))
  })
  await Promise.all(all)
  tell({ type: 'burst over' })
}

async function sayTheLast(): Promise<void> {
  for (let n = 0; n < CHANNELS; n++) await publish(senders[0] as Send, log(n), LAST, n, '')
  tell({ type: 'said the last' })
}

async function close(): Promise<void> {
  for (const end of closing) await end()
  leave()
}

tell({ type: 'ready' })
const runs = senders.flatMap((send, s) => Array.from({ length: CHANNELS }, (_, n) => run(send, n, `${name}-${s}`)))
await Promise.all(runs)
tell({ type: 'finished', refused })
