import { limits } from '@rt/protocol'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bytes } from '../bytes'
import { createNode } from './node.fixture'
import type { Draft } from './publishing'

const text = z.object({ text: z.string().trim().min(1) })
const server = { server: true } as const
const client = (id: string) => ({ client: { id } })

function setUp() {
  const node = createNode({
    channels: {
      'chat:{room}': {
        message: text,
        subscribe: 'public',
        publish: ({ identity, params }) => identity?.id !== params.room,
      },
      'slow:{room}': {
        message: v.pipeAsync(
          v.number(),
          v.transformAsync(async (n) => n * 2),
        ),
        subscribe: 'public',
      },
      'any:{what}': { message: z.unknown(), publish: 'public' },
      'doc:{id}': { message: bytes(), publish: 'public' },
      broken: { message: z.string().transform(() => JSON.parse('{')), publish: 'public' },
      'cursor:{doc}': { message: z.number(), delivery: 'live', publish: 'public' },
    },
  })
  const publish = async (draft: Draft) => (await node.publishing.prepare(draft))()
  const stored = async (channel: string) => {
    const rules = { delivery: 'all', history: { size: 100, ttl: 300_000 } } as const
    return (await node.hub.history(channel, rules, 100)).map((json) => JSON.parse(json) as Record<string, unknown>)
  }
  return { ...node, publish, stored }
}

const refused = (code: string) => expect.objectContaining({ code, outcome: 'failed' })

describe('what is stored', () => {
  it("is the schema's output, with the publisher's identity and messageId", async () => {
    const { publish, stored } = setUp()
    const { id, duplicate } = await publish({
      channel: 'chat:1',
      data: { text: ' hi ' },
      messageId: 'm1',
      publisher: client('u"1'),
    })
    expect(duplicate).toBe(false)
    expect(await stored('chat:1')).toEqual([{ id, messageId: 'm1', from: 'u"1', data: { text: 'hi' } }])
  })

  it('is base64 where the schema gives bytes', async () => {
    const { publish, stored } = setUp()
    await publish({ channel: 'doc:1', data: new Uint8Array([1, 2, 3]), publisher: server })
    await publish({ channel: 'doc:1', data: Buffer.from('ab'), publisher: server })
    expect((await stored('doc:1')).map(({ bytes }) => bytes)).toEqual(['AQID', 'YWI='])
    const refusal = { code: 'invalid_message', issues: [{ message: 'Expected bytes (a Uint8Array).' }] }
    await expect(publish({ channel: 'doc:1', data: 'AQID', publisher: server })).rejects.toMatchObject(refusal)
    const much = new Uint8Array(limits.frameBytes)
    const tooMuch = publish({ channel: 'doc:1', data: much, publisher: server })
    await expect(tooMuch).rejects.toMatchObject({ code: 'payload_too_large' })
  })

  it('has no `from` when the server or nobody published', async () => {
    const { publish, stored } = setUp()
    await publish({ channel: 'chat:1', data: { text: 'a' }, publisher: server })
    await publish({ channel: 'chat:1', data: { text: 'b' }, publisher: { client: null } })
    await publish({ channel: 'chat:1', data: { text: 'c' }, publisher: { server: true, from: 'bot' } })
    expect((await stored('chat:1')).map(({ from }) => from)).toEqual([undefined, undefined, 'bot'])
  })

  it('is what an asynchronous schema resolves with', async () => {
    const { publish, stored } = setUp()
    await publish({ channel: 'slow:1', data: 21, publisher: server })
    expect(await stored('slow:1')).toMatchObject([{ data: 42 }])
  })

  it('gets a random messageId when it has none', async () => {
    const { publish, stored } = setUp()
    await publish({ channel: 'chat:1', data: { text: 'a' }, publisher: server })
    await publish({ channel: 'chat:1', data: { text: 'a' }, publisher: server })
    const [a, b] = await stored('chat:1')
    expect(a?.['messageId']).toMatch(/^[\w-]{20,64}$/)
    expect(a?.['messageId']).not.toBe(b?.['messageId'])
  })
})

describe('the same messageId again', () => {
  it('is stored once per publisher, and answered with the same id', async () => {
    const { publish, stored } = setUp()
    const draft = { channel: 'chat:1', data: { text: 'a' }, messageId: 'm' }
    const first = await publish({ ...draft, publisher: client('a') })
    expect(await publish({ ...draft, publisher: client('a') })).toEqual({ id: first.id, duplicate: true })
    expect(await stored('chat:1')).toHaveLength(1)
  })

  it('of another identity, of nobody, or of the server, is another publication', async () => {
    const { publish, stored } = setUp()
    const draft = { channel: 'any:1', data: 1, messageId: 'm' }
    // The last two would meet the ones before if keys were merely joined.
    const publishers = [client('a'), client('b'), { client: null }, server, client('b:any'), client('a@b')]
    for (const publisher of publishers)
      expect(await publish({ ...draft, publisher })).toMatchObject({ duplicate: false })
    expect(await stored('any:1')).toHaveLength(publishers.length)
  })
})

describe('nothing is stored', () => {
  it('on a channel that is not declared', async () => {
    await expect(setUp().publish({ channel: 'nope', data: 1, publisher: server })).rejects.toEqual(
      refused('unknown_channel'),
    )
  })

  it('when the rule says no; the server is not asked', async () => {
    const { publish, stored } = setUp()
    const draft = { channel: 'chat:1', data: { text: 'a' } }
    await expect(publish({ ...draft, publisher: client('1') })).rejects.toEqual(refused('forbidden'))
    await expect(publish({ channel: 'slow:1', data: 1, publisher: client('1') })).rejects.toEqual(refused('forbidden'))
    expect(await stored('chat:1')).toEqual([])
    await publish({ ...draft, publisher: server })
  })

  it('when the schema says no, and the issues tell where', async () => {
    const publishing = setUp().publish({ channel: 'chat:1', data: { text: 1 }, publisher: server })
    await expect(publishing).rejects.toEqual(refused('invalid_message'))
    await expect(publishing).rejects.toMatchObject({ issues: [{ path: ['text'], message: expect.any(String) }] })
  })

  it('when the schema throws; the client sees no more than that, the app is told', async () => {
    const { publish, reported } = setUp()
    await expect(publish({ channel: 'broken', data: 'x', publisher: server })).rejects.toEqual(refused('internal'))
    expect(reported).toEqual([expect.any(SyntaxError)])
  })

  it.each([[undefined], [1n], [() => 1]])('when the output is no JSON', async (data) => {
    await expect(setUp().publish({ channel: 'any:1', data, publisher: server })).rejects.toEqual(
      refused('invalid_message'),
    )
  })

  it('when it is too large, counted in bytes of UTF-8', async () => {
    const { publish } = setUp()
    const fits = 'ä'.repeat(limits.frameBytes / 2 - 1)
    await publish({ channel: 'any:1', data: fits, publisher: server })
    await expect(publish({ channel: 'any:1', data: `${fits}a`, publisher: server })).rejects.toEqual(
      refused('payload_too_large'),
    )
  })

  it.each(['', 'a b', 'a:b', 'a'.repeat(65)])('when the messageId is %j', async (messageId) => {
    await expect(setUp().publish({ channel: 'any:1', data: 1, messageId, publisher: server })).rejects.toEqual(
      refused('invalid_request'),
    )
  })
})

it('sends on live channels without storing', async () => {
  const { publish, stored } = setUp()
  expect(await publish({ channel: 'cursor:1', data: 1, publisher: client('a') })).toEqual({
    id: null,
    duplicate: false,
  })
  expect(await stored('cursor:1')).toEqual([])
})
