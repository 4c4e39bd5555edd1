/** A server to render against, and a client whose WebSocket tells what went over it. Used by the tests of this folder. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Client, type ClientOptions, createClient, type Declares } from '@rt/client'
import type { NodeServer } from '@rt/server'
import { WebSocket } from 'ws'

export interface Host {
  readonly url: string
  close(): Promise<void>
}

export async function serve(rt: { attach(server: NodeServer): unknown; close(): Promise<void> }): Promise<Host> {
  const server: Server = createServer()
  rt.attach(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/rt`,
    async close() {
      await rt.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What the two sides said about subscriptions, as `+name`, `-name` (asked) and `=name` (the server has ended it). */
export interface Wire<R extends Declares> {
  readonly client: Client<R>
  readonly said: readonly string[]
  /** Resolves when something was said that fits. */
  heard(text: string): Promise<void>
}

const marks: Readonly<Record<string, string>> = { subscribe: '+', unsubscribe: '-' }

export function connect<R extends Declares>(url: string, options: ClientOptions = {}): Wire<R> {
  const said: string[] = []
  const waiting = new Map<string, () => void>()
  const note = (text: string) => {
    said.push(text)
    waiting.get(text)?.()
  }
  class Recorded extends WebSocket {
    constructor(address: string | URL, protocol: string) {
      super(address, protocol)
      this.on('message', (data) => {
        for (const event of eventsIn(String(data))) if (event.type === 'unsubscribed') note(`=${event.channel}`)
      })
    }
    override send(data: string): void {
      for (const command of eventsIn(data)) {
        const mark = marks[command.type]
        if (mark !== undefined) note(mark + command.channel)
      }
      super.send(data)
    }
  }
  const client = createClient<R>(url, {
    transports: ['websocket'],
    WebSocket: Recorded as unknown as NonNullable<ClientOptions['WebSocket']>,
    ...options,
  })
  return {
    client,
    said,
    heard: (text) => (said.includes(text) ? Promise.resolve() : new Promise((resolve) => waiting.set(text, resolve))),
  }
}

function eventsIn(text: string): { readonly type: string; readonly channel?: string }[] {
  const parsed: unknown = JSON.parse(text)
  return (Array.isArray(parsed) ? parsed : [parsed]) as { readonly type: string; readonly channel?: string }[]
}

/** Resolves when the client is connected. */
export function connected<R extends Declares>(client: Client<R>): Promise<void> {
  client.connect()
  if (client.status === 'connected') return Promise.resolve()
  return new Promise((resolve) => {
    const off = client.on('status', (status) => {
      if (status !== 'connected') return
      off()
      resolve()
    })
  })
}
