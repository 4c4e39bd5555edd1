/** One node as a process; drains when it is told to end. */
import { createServer } from 'node:http'
import { parent, settings } from '@rt/e2e/processes/child.ts'
import { createApp } from './app.ts'

export interface NodeSettings {
  readonly redisUrl: string
  readonly port: number
}

export type NodeTold =
  | { readonly type: 'ready' }
  /** Bytes; streams that were moved to the log, since the start. */
  | { readonly type: 'looks'; readonly rss: number; readonly overflows: number }

export interface NodeAsked {
  readonly type: 'look'
}

const { redisUrl, port } = settings<NodeSettings>()
const rt = createApp(redisUrl)
const server = createServer()
rt.attach(server)

const { tell, leave } = parent<NodeTold, NodeAsked>(() =>
  tell({ type: 'looks', rss: process.memoryUsage().rss, overflows: rt.metrics().overflows }),
)

process.once('SIGTERM', async () => {
  server.close()
  await rt.close({ drain: '2s' })
  leave()
})

server.listen(port, '127.0.0.1', () => tell({ type: 'ready' }))
