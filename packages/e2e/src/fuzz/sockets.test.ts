// A node that is badly treated over real sockets, on every transport: it answers what is documented, holds nothing afterwards, and those beside it notice nothing.
import { createClient, type TransportName } from '@rt/client'
import { errorTable } from '@rt/protocol'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { ask } from '../plain-client'
import { Child } from '../processes/child.ts'
import { type Figures, ServerProcess } from '../server-process'
import type { AttackerAsked, AttackerSettings, AttackerTold, Way } from './attacker'

const seed = Number(process.env['RT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const WAYS: readonly Way[] = ['websocket', 'sse', 'long-poll', 'poll', 'post']
const TRANSPORTS: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
/** Rounds of good and of bad inputs by turns; bad ones on each way in all; publications beside each half at least. */
const size = full ? { rounds: 11, inputs: 5_000, beside: 300 } : { rounds: 5, inputs: 200, beside: 50 }
/** Bytes by which the heap may be larger afterwards: the log is in it, and what the engine keeps of code that ran. */
const HEAP = 8 * 2 ** 20

/** What Node says by itself: the parser, its time-outs, `Expect`, too many or too long headers. */
const NODE = ['400', '408', '417', '431']
/** Of a way that may break off: `closed` without a word, as after a reset. */
const FINE = ['200', '204', '304', 'gone', 'closed', 'not sent', 'event invalid_request']
const possible = Object.entries(errorTable).filter(([code]) => code !== 'internal' && code !== 'broker_unavailable')
/** RFC 6455 section 7.4.1, as docs/protocol.md lists them. */
const CLOSES = [1000, 1002, 1003, 1007, 1008, 1009, ...possible.map(([, { close }]) => close)]
const documented = new Set([
  ...FINE,
  ...NODE,
  ...possible.map(([code, { status }]) => `${status} ${code}`),
  ...possible.map(([code]) => `event ${code}`),
  ...CLOSES.map((code) => `close ${code}`),
])

let server: ServerProcess
let attacker: Child<AttackerTold, AttackerAsked>
const clients: { close(): void }[] = []
const heard = new Map<TransportName, number[]>()
let published = 0
/** Milliseconds from the call that publishes to the callback, over WebSocket. */
let times: number[] = []
let began = 0

beforeAll(async () => {
  server = await ServerProcess.start({
    options: { pollFloor: 200, pollHold: 1000, origins: ['https://app.example'] },
    // Who says that more will come, and then does not, is answered by the server.
    http: { headersTimeout: 1000, requestTimeout: 1500, connectionsCheckingInterval: 200 },
  })
  attacker = new Child<AttackerTold, AttackerAsked>(new URL('attacker.ts', import.meta.url), {
    port: server.port,
    seed,
  } satisfies AttackerSettings)
  await attacker.next('ready')
})

/** A client on each transport, which hears the same. */
async function connectAll(): Promise<void> {
  for (const transport of TRANSPORTS) {
    const client = createClient(`${server.origin}/rt`, { transports: [transport] })
    clients.push(client)
    const all: number[] = []
    heard.set(transport, all)
    const room = client.channel('room:healthy')
    room.subscribe(({ data }) => {
      if (transport === 'websocket') times.push(performance.now() - began)
      all.push((data as { n: number }).n)
      wake()
    })
    room.on('gap', () => all.push(Number.NaN))
    await new Promise<void>((resolve) => void room.on('subscribed', () => resolve()))
  }
}

function closeAll(): void {
  for (const client of clients.splice(0)) client.close()
}

afterAll(async () => {
  closeAll()
  await attacker?.kill()
  await server?.kill()
})

let wake = () => {}

async function publishOne(): Promise<void> {
  const n = ++published
  began = performance.now()
  const body = JSON.stringify([{ type: 'publish', ref: 1, channel: 'room:healthy', data: { n } }])
  const headers = { 'content-type': 'application/json' }
  const answer = ask(`${server.origin}/rt`, { method: 'POST', headers, body })
  while (heard.get('websocket')?.at(-1) !== n) await new Promise<void>((resolve) => (wake = resolve))
  expect((await answer).status).toBe(200)
}

/** Publishes one after the other until `over`, at least `least` times, and gives the 99th percentile. */
async function percentile(least: number, over: () => boolean): Promise<number> {
  times = []
  for (let n = 0; n < least || !over(); n++) await publishOne()
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] as number
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
    { timeout: 30_000, interval: 200 },
  )
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number

describe('a node that is badly treated', { timeout: full ? 1_800_000 : 120_000 }, () => {
  const answers: Record<string, number> = {}
  /** The 99th percentile of each half. */
  const beside: { readonly good: number[]; readonly bad: number[] } = { good: [], bad: [] }
  let before: Figures

  async function attack(inputs: number, bad = true): Promise<void> {
    const all = WAYS.map((way) => {
      const answered = attacker.next('answered', (told) => told.way === way)
      attacker.ask({ type: 'attack', way, inputs, bad })
      return answered
    })
    for (const told of await Promise.all(all))
      for (const [answer, count] of Object.entries(told.answers)) answers[answer] = (answers[answer] ?? 0) + count
  }

  beforeAll(
    async () => {
      // What is made once by the first of each kind is no growth.
      await connectAll()
      await attack(40)
      await attack(40, false)
      await percentile(20, () => true)
      closeAll()
      before = await settled({ connections: 0, subscriptions: 0, requests: 1 })
      for (const all of heard.values()) all.length = published = 0
      await connectAll()
      for (let round = 0; round < size.rounds; round++) {
        for (const kind of ['good', 'bad'] as const) {
          let over = false
          const attacking = attack(size.inputs / size.rounds, kind === 'bad').finally(() => {
            over = true
          })
          beside[kind].push(await percentile(size.beside, () => over))
          await attacking
        }
      }
    },
    full ? 1_800_000 : 120_000,
  )

  it('answers what is documented', () => {
    console.log(`bad inputs over sockets, seed ${seed}: ${JSON.stringify(answers)}`)
    expect(Object.keys(answers).filter((answer) => !documented.has(answer))).toEqual([])
    expect(Object.values(answers).reduce((sum, n) => sum + n)).toBeGreaterThan(size.inputs * WAYS.length)
  })

  it('lives, and nothing went past its handlers', async () => {
    expect(server.running).toBe(true)
    expect(server.stderr).toBe('')
    expect((await ask(`${server.origin}/prototype`)).text).toBe('[]')
  })

  it('loses nothing of those beside it, on any transport', async () => {
    for (const [transport, all] of heard) {
      await expect.poll(() => all.length, { timeout: 20_000 }).toBe(published)
      expect(all, transport).toEqual(Array.from({ length: published }, (_, i) => i + 1))
    }
  })

  it('costs those beside it about what as much good input costs: their 99th percentile is at most twice as high', () => {
    const ms = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(', ')
    console.log(
      `p99 of ${published} publications: beside good input ${ms(beside.good)} ms, beside bad ${ms(beside.bad)} ms`,
    )
    expect(median(beside.bad)).toBeLessThanOrEqual(2 * median(beside.good))
  })

  it('holds nothing of it afterwards', async () => {
    closeAll()
    // What the node does by itself comes and goes.
    const most = { ...before, timers: before.timers + 5, resources: before.resources + 5, sockets: before.sockets + 5 }
    const after = await settled({ ...most, heap: before.heap + HEAP })
    console.log(`before ${JSON.stringify(before)}\nafter  ${JSON.stringify(after)}`)
  })
})
