/** One node as a process, for the tests that ask too much of it: publishes, is made to lag, and says how much memory it takes. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRealtime, type Metrics, RealtimeError } from '@rt/server'
import { z } from 'zod'
import { parent, settings } from '../processes/child.ts'

export interface NodeSettings {
  /** Plain options of createRealtime. */
  readonly options: Readonly<Record<string, unknown>>
}

export type NodeTold =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'published'; readonly upTo: number }
  /** Bytes; `external`: those of buffers. */
  | { readonly type: 'memory'; readonly rss: number; readonly heap: number; readonly external: number }
  | { readonly type: 'metrics'; readonly metrics: Metrics }

export type NodeAsked =
  /** Numbers from the last one to this one, each with so many characters beside. */
  | { readonly type: 'publish'; readonly upTo: number; readonly size?: number }
  /** Blocks the event loop for so long again and again; 0: not any more. */
  | { readonly type: 'lag'; readonly ms: number }
  /** After a collection of garbage. */
  | { readonly type: 'memory' }
  | { readonly type: 'metrics' }

/** Milliseconds that it is free between two blocks. */
const FREE = 15

const rt = createRealtime({
  ...settings<NodeSettings>().options,
  authenticate(request) {
    const token = request.headers.get('authorization')
    if (token === null) return null
    const [, id] = /^Bearer user:(\w+)$/.exec(token) ?? []
    if (id === undefined) throw new RealtimeError('unauthenticated', 'This token is none of ours.')
    return { id }
  },
  channels: {
    numbers: {
      message: z.object({ n: z.number(), at: z.number(), text: z.string() }),
      history: { size: 10_000 },
      subscribe: 'public',
      publish: 'public',
    },
  },
})
export type App = typeof rt

const server = createServer()
rt.attach(server)

let last = 0
let blocking: NodeJS.Timeout | undefined

const { tell } = parent<NodeTold, NodeAsked>((asked) => {
  switch (asked.type) {
    case 'publish':
      void publish(asked.upTo, asked.size ?? 0)
      return
    case 'lag':
      clearInterval(blocking)
      if (asked.ms > 0) blocking = setInterval(() => block(asked.ms), FREE)
      return
    case 'memory': {
      globalThis.gc?.()
      const { rss, heapUsed, external } = process.memoryUsage()
      tell({ type: 'memory', rss, heap: heapUsed, external })
      return
    }
    case 'metrics':
      tell({ type: 'metrics', metrics: rt.metrics() })
  }
})

function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

async function publish(upTo: number, size: number): Promise<void> {
  const text = 'x'.repeat(size)
  while (last < upTo) await rt.publish('numbers', { n: ++last, at: Date.now(), text })
  tell({ type: 'published', upTo })
}

server.listen(0, '127.0.0.1', () => tell({ type: 'ready', port: (server.address() as AddressInfo).port }))
