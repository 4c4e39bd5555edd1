/** One node of the bench as a process: serves the app on a port until it is told to close. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parent, settings } from '../processes/child.ts'
import { type AppSettings, createApp } from './app.ts'

export interface NodeSettings extends AppSettings {
  /** 0: a free one. */
  readonly port: number
}

export interface NodeTold {
  readonly type: 'ready'
  readonly port: number
}

export interface NodeAsked {
  readonly type: 'close'
}

const { port, ...app } = settings<NodeSettings>()
const rt = createApp(app)
const server = createServer()
rt.attach(server)

const { tell, leave } = parent<NodeTold, NodeAsked>(() => void close())

async function close(): Promise<void> {
  await rt.close()
  server.close()
  leave()
}

server.listen(port, '127.0.0.1', () => tell({ type: 'ready', port: (server.address() as AddressInfo).port }))
