/** One node as a process: serves the app on a port, publishes when it is asked to. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isRealtimeError } from '@rt/server'
import { type App, createApp } from './app.ts'
import { parent, settings } from './child.ts'

export interface NodeSettings {
  /** For `redis()`. */
  readonly redis: Parameters<typeof createApp>[0]
  /** 0: a free one. */
  readonly port: number
}

type Drain = NonNullable<Parameters<App['close']>[0]>['drain'] & {}

export type NodeTold =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'published'; readonly sequence: number; readonly id: string | null }
  | { readonly type: 'refused'; readonly sequence: number; readonly code: string; readonly outcome: string | undefined }

export type NodeAsked =
  | { readonly type: 'publish'; readonly channel: Parameters<App['publish']>[0]; readonly sequence: number }
  /** With a drain it stops listening first, as the guides say. */
  | { readonly type: 'close'; readonly drain?: Drain }

const { redis, port } = settings<NodeSettings>()
const rt = createApp(redis)
const server = createServer()
rt.attach(server)

const { tell, leave } = parent<NodeTold, NodeAsked>((asked) => {
  if (asked.type === 'close') void close(asked.drain)
  else void publish(asked.channel, asked.sequence)
})

async function publish(channel: Parameters<App['publish']>[0], sequence: number): Promise<void> {
  try {
    const { id } = await rt.publish(channel, { publisher: 'node', sequence }, { messageId: `node-${sequence}` })
    tell({ type: 'published', sequence, id })
  } catch (error) {
    if (!isRealtimeError(error)) throw error
    tell({ type: 'refused', sequence, code: error.code, outcome: error.outcome })
  }
}

async function close(drain: Drain | undefined): Promise<void> {
  if (drain === undefined) {
    await rt.close()
    server.close()
  } else {
    server.close()
    await rt.close({ drain })
  }
  leave()
}

server.listen(port, '127.0.0.1', () => tell({ type: 'ready', port: (server.address() as AddressInfo).port }))
