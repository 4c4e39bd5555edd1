// Real processes, real Redis, real kills: what clients heard is checked by a judge that shares nothing with the library (I1 to I4).
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RedisServer } from '@rt/server/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { Balancer } from './balancer.ts'
import { check, type Verdict } from './checker.ts'
import { Child } from './child.ts'
import type { ClientCounts, ClientsAsked, ClientsTold } from './clients.ts'
import type { NodeAsked, NodeTold } from './node.ts'
import type { PublisherAsked, PublisherTold } from './publisher.ts'

const size = full ? { publications: 2000, kills: 3, pace: 80 } : { publications: 500, kills: 1, pace: 60 }
const channels = 20
const each = 6
const publishers = 4

/** Each client walks from its own transport through the three others and back, in the middle of these parts of the publications. */
const moves = 4
const script = (name: string) => new URL(`${name}.ts`, import.meta.url)

class Node {
  child: Child<NodeTold, NodeAsked>
  readonly port: number
  readonly #redisUrl: string

  private constructor(child: Child<NodeTold, NodeAsked>, port: number, redisUrl: string) {
    this.child = child
    this.port = port
    this.#redisUrl = redisUrl
  }

  static async start(redisUrl: string): Promise<Node> {
    const child = spawn<NodeTold, NodeAsked>('node', { redis: redisUrl, port: 0 })
    const { port } = await child.next('ready')
    return new Node(child, port, redisUrl)
  }

  async restart(): Promise<void> {
    this.child = spawn('node', { redis: this.#redisUrl, port: this.port })
    await this.child.next('ready')
  }
}

const undo: (() => unknown)[] = []
const directory = mkdtempSync(join(tmpdir(), 'rt-processes-'))
const heard = join(directory, 'clients')
const stored = join(directory, 'publishers')

function spawn<Told extends { readonly type: string }, Asked>(name: string, settings: unknown): Child<Told, Asked> {
  const child = new Child<Told, Asked>(script(name), settings)
  undo.push(() => child.kill())
  return child
}

/** What really struck, counted. */
const faults = { nodeKills: 0, pubsubStrikes: 0, pubsubLinksClosed: 0, commandLinksClosed: 0 }
let verdict: Verdict
let counts: ClientCounts
let published = { retried: 0, unknown: 0 }
let balancer: Balancer
const exits: unknown[] = []

beforeAll(async () => {
  mkdirSync(heard)
  mkdirSync(stored)
  const redis = await RedisServer.start()
  undo.push(() => redis.close())
  const nodes = await Promise.all([Node.start(redis.url), Node.start(redis.url)])
  balancer = await Balancer.start(nodes.map(({ port }) => port))
  undo.push(() => balancer.close())

  const clients = spawn<ClientsTold, ClientsAsked>('clients', {
    url: balancer.url,
    directory: heard,
    channels,
    each,
    pinned: 10,
    free: 4,
  })
  const common = { redisUrl: redis.url, count: size.publications / publishers, channels, pace: size.pace }
  const [worker, sender] = (['worker', 'client'] as const).map((kind) =>
    spawn<PublisherTold, PublisherAsked>('publisher', {
      ...common,
      url: kind === 'client' ? balancer.url : null,
      publishers: [`${kind}-1`, `${kind}-2`],
      file: join(stored, `${kind}.jsonl`),
    }),
  ) as [Child<PublisherTold, PublisherAsked>, Child<PublisherTold, PublisherAsked>]
  await Promise.all([clients.next('subscribed'), worker.next('ready'), sender.next('ready')])

  // Faults come with the progress of the publications, so that none of them comes too late.
  const acknowledged = new Map<unknown, number>()
  const reached = new Set<() => void>()
  const progress = (share: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        const sum = [...acknowledged.values()].reduce((a, b) => a + b, 0)
        if (sum < share * size.publications) return
        reached.delete(look)
        resolve()
      }
      reached.add(look)
      look()
    })
  for (const child of [worker, sender]) {
    child.on((told) => {
      if (told.type !== 'acknowledged') return
      acknowledged.set(child, told.count)
      for (const look of [...reached]) look()
    })
  }
  let strike = 0
  const strikes = setInterval(async () => {
    // Every other time the connections that publish go too: whoever waits for an answer can't know whether it was stored.
    const commands = strike++ % 2 === 1
    const closed = Number(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub'))
    if (closed > 0) faults.pubsubStrikes++
    faults.pubsubLinksClosed += closed
    if (commands) faults.commandLinksClosed += Number(await redis.command('CLIENT', 'KILL', 'TYPE', 'normal'))
  }, 2000)
  undo.push(() => clearInterval(strikes))
  const kills = (async () => {
    for (let kill = 0; kill < size.kills; kill++) {
      await progress((kill + 1) / (size.kills + 1))
      const node = nodes[kill % 2] as Node
      const { signal } = await node.child.kill()
      if (signal === 'SIGKILL') faults.nodeKills++
      await node.restart()
    }
  })()

  const finished = clients.next('finished').catch(() => {})
  const done = Promise.all([worker.next('done'), sender.next('done')])
  for (let move = 0; move <= moves; move++) {
    // What comes last shows that all have recovered.
    if (move === moves) await kills
    for (const child of [worker, sender]) child.ask({ type: 'go', upTo: (move + 1) / (moves + 1) })
    if (move === moves) break
    await progress((move + 0.5) / (moves + 1))
    const moved = clients.next('moved')
    clients.ask({ type: 'move' })
    await moved
  }
  const both = await done
  published = {
    retried: both[0].retried + both[1].retried,
    unknown: both[0].unknown + both[1].unknown,
  }
  const marked = worker.next('marked')
  worker.ask({ type: 'mark' })
  await marked
  // When something was lost the last publication of a channel may not come: the judge names what is missing.
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, 60_000)
  })
  await Promise.race([finished, patience])
  clearTimeout(timer)
  clearInterval(strikes)

  const counted = clients.next('counts')
  clients.ask({ type: 'count' })
  counts = await counted
  for (const child of [clients, worker, sender, ...nodes.map((node) => node.child)]) {
    child.ask({ type: 'close' })
    exits.push({ ...(await child.exited), stderr: child.stderr })
  }
  verdict = check(stored, heard)
  const { acknowledged: stores, deliveries, lost, doubled, reordered, gaps, invented } = verdict
  console.log(
    [
      `faults: ${JSON.stringify(faults)}`,
      `balancer: ${JSON.stringify({ connections: balancer.connections, passedOver: balancer.passedOver })}`,
      `clients: ${JSON.stringify(counts)}`,
      `publishers: ${JSON.stringify({ acknowledged: stores, ...published })}`,
      `verdict: ${deliveries} deliveries, ${lost.length} lost, ${doubled.length} doubled, ${reordered.length} reordered, ${gaps.length} unexplained gaps, ${invented.length} invented`,
    ].join('\n'),
  )
}, 300_000)

afterAll(async () => {
  for (const run of undo.reverse()) await run()
  // Evidence stays.
  const { lost = [], doubled = [], reordered = [], gaps = [], invented = [] } = verdict ?? {}
  if (verdict !== undefined && lost.length + doubled.length + reordered.length + gaps.length + invented.length === 0) {
    rmSync(directory, { recursive: true, force: true })
  } else console.log(`What was heard and stored is in ${directory}`)
})

describe.skipIf(!process.env['REDIS_SERVER'])(
  'two nodes, one Redis, 34 clients, publishers with and without transports, under kills',
  () => {
    it('lost nothing', () => expect(verdict.lost).toEqual([]))
    it('doubled nothing', () => expect(verdict.doubled).toEqual([]))
    it('reordered nothing', () => expect(verdict.reordered).toEqual([]))
    it('told no gap, for nothing was taken away', () => expect(verdict.gaps).toEqual([]))
    it('delivered each under the id that its publisher was told', () => expect(verdict.invented).toEqual([]))

    it('acknowledged every publication, and every client heard all of its channels', () => {
      expect(verdict.acknowledged).toBe(size.publications + channels)
      expect(readdirSync(heard)).toHaveLength(34)
      expect(counts.clients).toBe(34)
      expect(counts.errors).toEqual([])
    })

    it('was really struck by every kind of fault', () => {
      expect(faults.nodeKills).toBe(size.kills)
      expect(faults.pubsubStrikes).toBeGreaterThan(size.kills)
      expect(faults.pubsubLinksClosed).toBeGreaterThan(faults.pubsubStrikes)
      expect(faults.commandLinksClosed).toBeGreaterThan(0)
      expect(counts.reconnects).toBeGreaterThan(0)
      expect(balancer.passedOver).toBeGreaterThan(0)
      for (const connections of balancer.connections) expect(connections).toBeGreaterThan(0)
      // To its own at first, through the three others, and back.
      expect(counts.switches).toBeGreaterThanOrEqual(30 * (1 + moves) + 4 * moves)
      expect(Object.keys(counts.byTransport).sort()).toEqual(
        expect.arrayContaining(['long-poll', 'poll', 'sse', 'websocket']),
      )
    })

    it('left processes that end by themselves once they are closed, with nothing on stderr', () => {
      expect(exits).toEqual(Array.from({ length: 5 }, () => ({ code: 0, signal: null, stderr: '' })))
    })
  },
)

describe.skipIf(!process.env['REDIS_SERVER'])('the judge', () => {
  /** The files of the clients, one of them changed; the change gets the message lines of one channel. */
  function falsified(change: (lines: string[], messages: number[]) => void): Verdict {
    const copy = mkdtempSync(join(directory, 'falsified-'))
    cpSync(heard, copy, { recursive: true })
    const file = join(copy, readdirSync(copy)[0] as string)
    const lines = readFileSync(file, 'utf8').split('\n')
    const channel = /"channel":"[^"]*"/.exec(lines[0] as string)?.[0] as string
    const messages = [...lines.keys()].filter((i) => lines[i]?.includes('"message"') && lines[i]?.includes(channel))
    change(lines, messages)
    writeFileSync(file, lines.join('\n'))
    return check(stored, copy)
  }

  it('sees one lost line', () => {
    const { lost, doubled, reordered } = falsified((lines, [, second]) => lines.splice(second as number, 1))
    expect([lost.length, doubled.length, reordered.length]).toEqual([1, 0, 0])
  })

  it('sees one doubled line', () => {
    const { lost, doubled, reordered } = falsified((lines, [, second]) =>
      lines.splice(second as number, 0, lines[second as number] as string),
    )
    expect([lost.length, doubled.length, reordered.length]).toEqual([0, 1, 0])
  })

  it('sees two swapped lines', () => {
    const { lost, doubled, reordered } = falsified((lines, [, second, third]) => {
      const [a, b] = [lines[second as number] as string, lines[third as number] as string]
      lines[second as number] = b
      lines[third as number] = a
    })
    expect([lost.length, doubled.length, reordered.length]).toEqual([0, 0, 1])
  })

  it('sees a gap, and a publication that no publisher knows', () => {
    const { gaps, invented } = falsified((lines, [, second, third]) => {
      lines[second as number] = (lines[second as number] as string).replace('"message"', '"gap"')
      lines[third as number] = (lines[third as number] as string).replace(/"sequence":\d+/, '"sequence":999999')
    })
    expect([gaps.length, invented.length]).toEqual([1, 1])
  })
})
