// Bad commands by the thousand, made from good ones: each is answered with what is documented, and nothing is left behind.
import { decodeCommands, decodeOpen, errorTable, isRealtimeError, type ServerEvent } from '@rt/protocol'
import { commandFrames, Mutator, openFrames, readCorpus } from '@rt/protocol/fuzz'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ChannelOptions } from '../channel'
import type { Identity } from '../ports/connection'
import { createNode, RecordingWire } from './node.fixture'

const full = process.env['RT_TEST_SIZE'] === 'full'
/** Of commands and of `open`, each. */
const inputs = full ? 100_000 : 1_500
const seed = Number(process.env['RT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** A connection ends behind so many frames, as one does. */
const PER_CONNECTION = 100

const channels: Record<string, ChannelOptions> = {
  'room:{id}': { message: z.object({ n: z.number() }), subscribe: 'public', publish: 'public' },
  'any:{id}': { message: z.unknown(), subscribe: 'public', publish: 'public' },
  'typing:{id}': { message: z.unknown(), delivery: 'live', subscribe: 'public', publish: 'public' },
  'score:{id}': { message: z.unknown(), state: () => ({ n: 3 }), subscribe: 'public', publish: 'public' },
  'lobby:{id}': { message: z.unknown(), presence: z.object({ name: z.string() }), subscribe: 'public' },
  'user:{id}:inbox': { message: z.unknown(), subscribe: ({ identity, params }) => identity?.id === params['id'] },
  'closed:{id}': { message: z.unknown() },
}
const identities: readonly (Identity | null)[] = [null, { id: '8' }]

/** What bad input can lead to: neither `internal`, nor what only the broker or the clock brings about. */
const possible = new Set(
  Object.keys(errorTable).filter((code) => !['internal', 'broker_unavailable', 'timeout', 'draining'].includes(code)),
)

function expectDocumented(event: ServerEvent): void {
  if (!('error' in event) || event.error === undefined) return
  expect(possible).toContain(event.error.code)
  expect(event.error.message.length).toBeLessThan(1000)
}

const setup = () =>
  createNode({ channels, limits: { commands: Number.MAX_SAFE_INTEGER, connections: Number.MAX_SAFE_INTEGER } })

/** Runs one input; a failure says how to run it again. */
async function each(text: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (cause) {
    throw new Error(`RT_SEED=${seed}, the input was ${JSON.stringify(text.slice(0, 2000))}`, { cause })
  }
}

function* mutations(frames: readonly string[], salt: number): Generator<string> {
  const mutator = new Mutator(seed + salt)
  for (let n = 0; n < inputs; n++) yield mutator.mutate(mutator.pick(frames), frames)
}

afterEach(() => {
  const found: string[] = []
  for (const key in {}) found.push(key)
  expect(found).toEqual([])
})

/** Sends a frame and waits until all of it is answered: whatever has a `ref` with a result, the rest of what is bad with an error. */
async function converse(node: ReturnType<typeof setup>, texts: Iterable<string>): Promise<number> {
  let n = 0
  let wire = new RecordingWire()
  let connection: Awaited<ReturnType<typeof node.gateway.open>> | null = null
  for (const text of texts) {
    if (n++ % PER_CONNECTION === 0) {
      connection?.closed()
      wire = new RecordingWire()
      const identity = identities[(n / PER_CONNECTION) & 1] as Identity | null
      connection = await node.gateway.open({ transport: 'websocket', identity, channels: [], cursor: null }, wire)
    }
    await each(text, async () => {
      wire.events.length = 0
      connection?.receive(text)
      const wanted = answersTo(text)
      const marker = Number.MAX_SAFE_INTEGER
      if (!wanted.results.includes(marker))
        connection?.receive(JSON.stringify({ type: 'history', ref: marker, channel: 'any:end', last: 0 }))
      await wire.until('result', ({ ref }) => ref === marker)
      for (const ref of wanted.results) await wire.until('result', (event) => event.ref === ref)
      if (wanted.errors > 0) await wire.until('error')
      expect(wire.events.filter(({ type }) => type === 'error')).toHaveLength(wanted.errors)
      for (const event of wire.events) expectDocumented(event)
      expect(wire.closedWith).toBeUndefined()
      expect(node.reported).toEqual([])
    })
  }
  connection?.closed()
  return n
}

/** How many of each a frame is to be answered with, by the protocol. */
function answersTo(text: string): { results: number[]; errors: number } {
  const results: number[] = []
  let errors = 0
  try {
    for (const decoded of decodeCommands(text)) {
      if ('error' in decoded) decoded.ref === null ? errors++ : results.push(decoded.ref)
      else if ('ref' in decoded.command) results.push(decoded.command.ref)
    }
  } catch {
    errors = 1
  }
  return { results, errors }
}

async function post(node: ReturnType<typeof setup>, texts: Iterable<string>): Promise<void> {
  let n = 0
  for (const text of texts) {
    await each(text, async () => {
      try {
        const results = await node.gateway.execute(text, identities[n++ & 1] as Identity | null, null)
        expect(results.map(({ ref }) => ref)).toEqual(answersTo(text).results)
        for (const event of results) expectDocumented(event)
      } catch (error) {
        if (!isRealtimeError(error)) throw error
        expect(error.code).toBe('invalid_request')
      }
      expect(node.reported).toEqual([])
    })
  }
}

async function open(node: ReturnType<typeof setup>, texts: Iterable<string>): Promise<number> {
  let opened = 0
  let n = 0
  for (const text of texts) {
    await each(text, async () => {
      const wire = new RecordingWire()
      const identity = identities[n++ & 1] as Identity | null
      try {
        const transport = (['websocket', 'sse', 'poll'] as const)[n % 3] as 'websocket' | 'sse' | 'poll'
        const request = { cursor: null, ...decodeOpen(text) }
        const connection = await node.gateway.open({ transport, identity, ...request }, wire)
        opened++
        await wire.until('hello')
        connection.closed()
      } catch (error) {
        if (!isRealtimeError(error)) throw error
        expect(possible).toContain(error.code)
      }
      for (const event of wire.events) expectDocumented(event)
      expect(node.reported).toEqual([])
    })
  }
  return opened
}

describe('bad commands', { timeout: full ? 1_800_000 : 30_000 }, () => {
  it('of the corpus are answered in frames and in bodies', async () => {
    const node = setup()
    const texts = readCorpus('commands').map(({ text }) => text)
    expect(await converse(node, texts)).toBeGreaterThan(20)
    await post(node, texts)
  })

  it('by the thousand are answered in frames', async () => {
    expect(await converse(setup(), mutations(commandFrames, 1))).toBe(inputs)
  })

  it('by the thousand are answered in bodies', async () => {
    await post(setup(), mutations(commandFrames, 2))
  })
})

describe('bad streams', { timeout: full ? 1_800_000 : 30_000 }, () => {
  it('of the corpus are opened or refused', async () => {
    expect(
      await open(
        setup(),
        readCorpus('open').map(({ text }) => text),
      ),
    ).toBeGreaterThan(0)
  })

  it('by the thousand are opened or refused', async () => {
    expect(await open(setup(), mutations(openFrames, 3))).toBeGreaterThan(inputs / 20)
  })
})
