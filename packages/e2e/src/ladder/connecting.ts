/** How long it takes from nothing to the first message, for this client and for bare ones through the same kind of proxy; measured by connecting.test.ts. */
import { createClient, type TransportName } from '@rt/client'
import { WebSocket } from 'ws'
import type { App } from './app.ts'
import { type Fault, FaultProxy } from './fault-proxy.ts'
import { down } from './names.ts'

export interface Network {
  readonly ports: readonly number[]
  readonly fault: Fault | null
}

/** Each through a proxy of its own, so that no connection and no memory is left of the one before. Milliseconds. */
export async function apart(network: Network, measure: (url: string) => Promise<number>): Promise<number> {
  const proxy = await FaultProxy.start(network.ports)
  proxy.fault = network.fault
  try {
    return await measure(proxy.url)
  } finally {
    await proxy.close()
  }
}

/** Where the newest publication of this run is the first message. */
const query = (run: string) => `?channels=${down(run)}&last=1`

export async function bareWebSocket(url: string, run: string): Promise<number> {
  const from = performance.now()
  const socket = new WebSocket(url.replace(/^http/, 'ws') + query(run), 'rt.v1')
  try {
    return await new Promise((resolve, reject) => {
      socket.on('error', reject)
      socket.on('message', (text) => {
        if (String(text).includes('"sequence"')) resolve(performance.now() - from)
      })
    })
  } finally {
    socket.terminate()
  }
}

export async function bareFetch(url: string, run: string): Promise<number> {
  const from = performance.now()
  const abort = new AbortController()
  const { body } = await fetch(url + query(run), { headers: { accept: 'text/event-stream' }, signal: abort.signal })
  let text = ''
  for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(bytes).toString()
    if (text.includes('"sequence"')) break
  }
  const took = performance.now() - from
  abort.abort()
  return took
}

/** @param first The transport that it begins with; undefined: its own order. @param stay Milliseconds for which it is there afterwards. */
export async function ourClient(url: string, run: string, first?: TransportName, stay = 0): Promise<number> {
  const others = (['websocket', 'sse', 'long-poll', 'poll'] as const).filter((name) => name !== first)
  const from = performance.now()
  const client = createClient<App>(url, first === undefined ? {} : { transports: [first, ...others] })
  try {
    return await new Promise((resolve) => {
      client.channel(down(run)).subscribe(() => resolve(performance.now() - from), { last: 1 })
    })
  } finally {
    setTimeout(() => client.close(), stay)
  }
}

/** The value that this share of the values is below. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length * share)] as number
}
