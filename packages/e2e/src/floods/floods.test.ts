// Floods from one address, in every way at once, at a node over real sockets: it slows or refuses each, those at another address lose nothing, and nothing stays in the node. Prints what it cost them in time.
import { createClient, type TransportName } from '@rt/client'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { Child } from '../processes/child.ts'
import { type Figures, ServerProcess } from '../server-process'
import type { FlooderAsked, FlooderSettings, FlooderTold, Way } from './flooder'

const TRANSPORTS: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
/** Rounds of calm and of flood by turns, and publications in each half. */
const size = full ? { rounds: 11, publications: 500 } : { rounds: 3, publications: 80 }
/** Milliseconds between two publications: their bursts are within what one connection may send. */
const PACE = 15
/** What one address may do on this node, and how much the flood does of each kind of request. */
const commands = 100
const perAddress = { requests: 100, connections: 40 }
const requests = 300
/** Bytes by which the heap may be larger afterwards: the log is in it, and what the engine keeps of code that ran. */
const HEAP = 8 * 2 ** 20

let server: ServerProcess
let flooder: Child<FlooderTold, FlooderAsked>
const answers: Partial<Record<Way, Record<string, number>>> = {}

const clients: { close(): void }[] = []
/** What was heard on each transport, and how many milliseconds each took in this half. */
const heard = new Map<TransportName, number[]>()
const times = new Map<TransportName, number[]>()
let began: number[] = []
let published = 0
let publish: (n: number) => Promise<unknown>

async function connectAll(): Promise<void> {
  published = 0
  for (const transport of TRANSPORTS) {
    const client = createClient(`${server.origin}/rt`, { transports: [transport] })
    clients.push(client)
    const all: number[] = []
    heard.set(transport, all)
    const room = client.channel('room:healthy')
    room.subscribe(({ data }) => {
      const { n } = data as { n: number }
      times.get(transport)?.push(performance.now() - (began[n] as number))
      all.push(n)
    })
    room.on('gap', () => all.push(Number.NaN))
    await new Promise<void>((resolve) => void room.on('subscribed', () => resolve()))
  }
  const publisher = createClient(`${server.origin}/rt`, { transports: ['websocket'] })
  clients.push(publisher)
  publish = (n) => publisher.channel('room:healthy').publish({ n })
}

function closeAll(): void {
  for (const client of clients.splice(0)) client.close()
}

/** Publishes at a steady pace, whatever is heard, until all have heard it, and gives the 99th percentile of each transport. */
async function half(publications: number): Promise<Map<TransportName, number>> {
  for (const transport of TRANSPORTS) times.set(transport, [])
  began = []
  const start = performance.now()
  const sent: Promise<unknown>[] = []
  for (let i = 0; i < publications; i++) {
    const wait = start + i * PACE - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    const n = ++published
    began[n] = performance.now()
    sent.push(publish(n))
  }
  await Promise.all(sent)
  await vi.waitFor(() => expect([...times.values()].map(({ length }) => length)).toEqual(Array(4).fill(publications)), {
    timeout: 20_000,
    interval: 20,
  })
  const p99 = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length * 0.99)] as number
  return new Map([...times].map(([transport, values]) => [transport, p99(values)]))
}

async function flood<T>(beside: () => Promise<T>): Promise<T> {
  const started = flooder.next('started')
  flooder.ask({ type: 'start' })
  await started
  const result = await beside()
  const stopped = flooder.next('stopped')
  flooder.ask({ type: 'stop' })
  for (const [way, counts] of Object.entries((await stopped).answers)) {
    answers[way as Way] ??= {}
    const all = answers[way as Way] as Record<string, number>
    for (const [answer, count] of Object.entries(counts)) all[answer] = (all[answer] ?? 0) + count
  }
  return result
}

/** What the node holds when those who were reset are gone, and what was kept alive: no more than `most`. */
function settled(most: Partial<Figures>): Promise<Figures> {
  return vi.waitFor(
    async () => {
      const figures = await server.figures()
      for (const [thing, count] of Object.entries(most))
        expect(figures[thing as keyof Figures], thing).toBeLessThanOrEqual(count)
      return figures
    },
    { timeout: 40_000, interval: 200 },
  )
}

async function startFlooder(): Promise<void> {
  flooder = new Child<FlooderTold, FlooderAsked>(new URL('flooder.ts', import.meta.url), {
    port: server.port,
    address: '127.0.0.2',
    requests,
    sockets: 1,
  } satisfies FlooderSettings)
  await flooder.next('ready')
}

afterAll(async () => {
  closeAll()
  await flooder?.kill()
  await server?.kill()
})

describe('floods from one address', { timeout: full ? 600_000 : 120_000 }, () => {
  /** The 99th percentiles of each half. */
  const calm: Map<TransportName, number>[] = []
  const flooded: Map<TransportName, number>[] = []
  /** Of things before anybody came; of the heap after a first flood. */
  let first: Figures
  let before: Figures
  let seconds = 0

  beforeAll(
    async () => {
      server = await ServerProcess.start({
        // The socket's own address counts, as private as it is. Nobody is sent away because the machine is busy with other things.
        options: { trustedProxies: 0, limits: { commands, perAddress }, overload: false, pollFloor: 200 },
        // As docs/limits.md has it for servers on the net, only shorter.
        http: { headersTimeout: 1000, requestTimeout: 1500, connectionsCheckingInterval: 200, keepAliveTimeout: 1000 },
      })
      first = await server.figures()
      // What is made once by the first of each kind is no growth.
      await connectAll()
      await startFlooder()
      await flood(() => half(size.publications))
      closeAll()
      before = await settled({ connections: 0, subscriptions: 0, webSockets: 0 })
      for (const counts of Object.values(answers)) for (const answer of Object.keys(counts)) delete counts[answer]

      await connectAll()
      for (let round = 0; round < size.rounds; round++) {
        calm.push(await half(size.publications))
        const start = performance.now()
        flooded.push(await flood(() => half(size.publications)))
        seconds += (performance.now() - start) / 1000
        // What it had is gone before the next calm begins.
        await settled({ connections: clients.length, webSockets: 2 })
      }
      for (const transport of TRANSPORTS) {
        const p99 = (halves: readonly Map<TransportName, number>[]) =>
          halves.map((half) => half.get(transport)?.toFixed(1)).join(', ')
        console.log(`p99 on ${transport}: calm ${p99(calm)} ms, beside the flood ${p99(flooded)} ms`)
      }
    },
    full ? 600_000 : 120_000,
  )

  it('are answered as documented', () => {
    console.log(`floods of ${seconds.toFixed(1)} s: ${JSON.stringify(answers)}`)
    const kinds = (way: Way) => Object.keys(answers[way] ?? {}).filter((answer) => answer !== 'closed')
    const refused = (way: Way, answer: string) => answers[way]?.[answer] ?? 0
    expect(kinds('websocket').filter((answer) => !['101', '101 rate_limited'].includes(answer))).toEqual([])
    expect(kinds('sse').filter((answer) => !['200', '200 rate_limited', '429 rate_limited'].includes(answer))).toEqual(
      [],
    )
    expect(kinds('login').filter((answer) => !['401 unauthenticated', '429 rate_limited'].includes(answer))).toEqual([])
    expect(kinds('many headers')).toEqual(['431 headers_too_large'])
    expect(kinds('slow header').filter((answer) => answer !== '408')).toEqual([])
    // It is more than one address may do.
    expect(refused('websocket', '101 rate_limited')).toBeGreaterThan(0)
    expect(refused('sse', '200 rate_limited') + refused('sse', '429 rate_limited')).toBeGreaterThan(0)
    expect(refused('login', '429 rate_limited')).toBeGreaterThan(0)
    // Who sends frames is slowed down, not cut.
    for (const way of ['subscribe', 'ping', 'fragments'] as const) {
      expect(Object.keys(answers[way] ?? {}), way).toEqual(['frame'])
      expect(refused(way, 'frame'), way).toBeGreaterThan(0)
    }
  })

  it('cost nobody at another address a message, on any transport', () => {
    for (const [transport, all] of heard)
      expect(all, transport).toEqual(Array.from({ length: published }, (_, i) => i + 1))
    expect(server.running).toBe(true)
    expect(server.stderr).toBe('')
  })

  it('leave nothing behind', async () => {
    closeAll()
    // What the node does by itself comes and goes.
    const most = { ...first, timers: first.timers + 10, resources: first.resources + 5, sockets: first.sockets + 5 }
    // Channels linger for some seconds.
    const after = await settled({ ...most, channels: 6, heap: before.heap + HEAP })
    console.log(`first ${JSON.stringify({ ...first, heap: before.heap })}\nafter ${JSON.stringify(after)}`)
  })
})
