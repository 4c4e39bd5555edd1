// Clients that stop reading, on real sockets, while a channel goes on: the others notice nothing, the node holds what its limits say, and those who wake read on from the log.
import { createClient, type TransportName } from '@rt/client'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { type Events, openSse, openWebSocket } from '../plain-client'
import { Child } from '../processes/child.ts'
import type { App, NodeAsked, NodeTold } from './node.ts'

/** Clients that stop, half of them on each transport, and messages: more than the buffers of the operating system take in. */
const size = full ? { stopped: 100, messages: 5_000 } : { stopped: 10, messages: 4_500 }
const CHARACTERS = 1024
const TRANSPORTS: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

/** The limits: what waits for each in rt, and in its socket (docs/limits.md); one more flush goes into a socket that is nearly full. */
const outboxBytes = 64 * 1024
const SOCKET = 64 * 1024
const SUM = size.stopped * (outboxBytes + SOCKET + outboxBytes)
/** What the engine holds a little more of or less, in the heap and its buffers, and in pages that it keeps for later. */
const SLACK = { used: 4 * 2 ** 20, rss: 64 * 2 ** 20 }

interface Stopped {
  readonly events: Events
  resume(): void
  close(): void
}

let node: Child<NodeTold, NodeAsked>
let url = ''
const stopped: Stopped[] = []
const clients: { close(): void }[] = []
const heard = new Map<TransportName, number[]>()

async function connect(transport: TransportName): Promise<void> {
  const client = createClient<App>(url, { transports: [transport] })
  clients.push(client)
  const all: number[] = []
  heard.set(transport, all)
  const numbers = client.channel('numbers')
  numbers.subscribe(({ data }) => void all.push(data.n))
  numbers.on('gap', () => all.push(Number.NaN))
  await new Promise<void>((resolve) => void numbers.on('subscribed', () => resolve()))
}

/** Opens a connection that does not read any more once it is open. */
async function stop(transport: 'websocket' | 'sse'): Promise<void> {
  if (transport === 'websocket') {
    const { ws, events } = await openWebSocket(`${url}?channels=numbers`)
    await events.next('hello')
    ws.pause()
    stopped.push({ events, resume: () => ws.resume(), close: () => ws.terminate() })
  } else {
    const { answer, events, close } = await openSse(`${url}?channels=numbers`)
    await events.next('hello')
    answer.pause()
    stopped.push({ events, resume: () => void answer.resume(), close })
  }
}

async function publish(upTo: number): Promise<void> {
  const published = node.next('published')
  node.ask({ type: 'publish', upTo, size: CHARACTERS })
  await published
  const lasts = () => [...heard.values()].map((all) => all.at(-1))
  await vi.waitFor(() => expect(lasts()).toEqual(Array(4).fill(upTo)), { timeout: 30_000, interval: 20 })
}

async function memory(): Promise<{ readonly used: number; readonly rss: number }> {
  const told = node.next('memory')
  node.ask({ type: 'memory' })
  const { heap, external, rss } = await told
  return { used: heap + external, rss }
}

async function overflows(): Promise<number> {
  const told = node.next('metrics')
  node.ask({ type: 'metrics' })
  return (await told).metrics.overflows
}

const numbers = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

afterAll(async () => {
  for (const one of [...clients, ...stopped]) one.close()
  await node?.kill()
})

describe('clients that stop reading', { timeout: full ? 300_000 : 60_000 }, () => {
  const { messages } = size

  beforeAll(async () => {
    node = new Child(
      new URL('./node.ts', import.meta.url),
      { options: { outboxBytes, pollFloor: 200, overload: false, heartbeat: '60s' } },
      ['--expose-gc'],
    )
    url = `http://127.0.0.1:${(await node.next('ready')).port}/rt`
    for (const transport of TRANSPORTS) await connect(transport)
    await publish(100)
  }, 60_000)

  it('cost the node no more than its limits say', async () => {
    const begin = await memory()
    await publish(100 + messages)
    // What the log takes, and those who read.
    const control = await memory()
    await Promise.all(numbers(1, size.stopped).map((n) => stop(n % 2 === 0 ? 'websocket' : 'sse')))
    const before = await overflows()
    await publish(100 + 2 * messages)
    const after = await memory()
    const times = (await overflows()) - before
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
    console.log(
      `${size.stopped} stopped, ${times} overflows; MiB used ${[begin, control, after].map(({ used }) => mib(used)).join(' → ')}, RSS ${[begin, control, after].map(({ rss }) => mib(rss)).join(' → ')}, limits ${mib(SUM)}`,
    )
    const log = control.used - begin.used
    expect(times).toBeGreaterThanOrEqual(size.stopped)
    expect(after.used).toBeLessThanOrEqual(control.used + log + SUM + SLACK.used)
    expect(after.rss).toBeLessThanOrEqual(control.rss + log + SUM + SLACK.rss)
  })

  it('cost those who read not a message, on any transport', () => {
    for (const [transport, all] of heard) expect(all, transport).toEqual(numbers(1, 100 + 2 * messages))
  })

  it('get each message once and in order when they wake', async () => {
    const last = 100 + 2 * messages
    for (const one of stopped) one.resume()
    await Promise.all(
      stopped.map(({ events }) => events.next('message', ({ data }) => (data as { n: number }).n === last)),
    )
    for (const { events } of stopped) {
      expect(events.all.filter(({ type }) => type === 'gap')).toEqual([])
      const got = events.all.flatMap((event) => (event.type === 'message' ? [(event.data as { n: number }).n] : []))
      expect(got).toEqual(numbers(101 + messages, last))
    }
    expect(node.stderr).toBe('')
  })
})
