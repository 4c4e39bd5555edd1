import { type Command, compareIds, type ResultEvent } from '@rt/protocol'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createNode, RecordingWire } from './node.fixture'

const message = z.object({ n: z.number() })
const me = { id: 'me' }

function setUp() {
  return createNode({
    channels: {
      'chat:{room}': {
        message: message.loose(),
        subscribe: ({ identity }) => identity !== null,
        publish: ({ identity }) => identity !== null,
      },
      // The first publication takes the longest to be judged.
      'slow:{room}': {
        message: message.refine(async ({ n }) => {
          for (let i = n; i < 10; i++) await new Promise(setImmediate)
          return true
        }),
        subscribe: 'public',
        publish: 'public',
      },
      'cursor:{doc}': { message, delivery: 'live', subscribe: 'public' },
      'private:{x}': { message },
      // Slow to be judged, so that whoever does not wait is first.
      'room:{id}': {
        message,
        subscribe: 'public',
        presence: z.object({ name: z.string() }).refine(async () => {
          for (let i = 0; i < 10; i++) await new Promise(setImmediate)
          return true
        }),
      },
    },
  })
}

const post = async (node: ReturnType<typeof setUp>, commands: unknown[], identity: { id: string } | null = me) =>
  node.gateway.execute(JSON.stringify(commands), identity, null)
const publish = (ref: number, channel: string, n: unknown, messageId?: string) => ({
  type: 'publish',
  ref,
  channel,
  data: { n },
  ...(messageId !== undefined && { messageId }),
})
const errorOf = (event: ResultEvent | undefined) => (event !== undefined && 'error' in event ? event.error : undefined)

describe('publish', () => {
  it('is answered with the id, and again with the same id for the same messageId', async () => {
    const node = setUp()
    const [first] = await post(node, [publish(1, 'chat:1', 1, 'm')])
    const [again] = await post(node, [publish(2, 'chat:1', 1, 'm')])
    expect(first).toEqual({
      type: 'result',
      ref: 1,
      value: { id: expect.stringMatching(/^\d+-\d+$/), duplicate: false },
    })
    expect(again).toEqual({ ...first, ref: 2, value: { ...(first as { value: object }).value, duplicate: true } })
  })

  it('keeps the order of one channel, however long each takes to be judged', async () => {
    const node = setUp()
    const results = await post(
      node,
      [0, 5, 9].map((n) => publish(n, 'slow:1', n)),
    )
    const ids = results.map((event) => ('value' in event ? (event.value as { id: string }).id : ''))
    expect(ids).toEqual(ids.toSorted(compareIds))
    const [history] = await post(node, [{ type: 'history', ref: 1, channel: 'slow:1', last: 10 }])
    expect(history).toMatchObject({ value: [{ data: { n: 0 } }, { data: { n: 5 } }, { data: { n: 9 } }] })
  })

  it('is refused with an error that says that nothing happened', async () => {
    const [schema, rule, nobody] = await Promise.all([
      post(setUp(), [publish(1, 'chat:1', 'x')]),
      post(setUp(), [publish(1, 'private:1', 1)]),
      post(setUp(), [publish(1, 'chat:1', 1)], null),
    ])
    expect(errorOf(schema[0])).toMatchObject({ code: 'invalid_message', outcome: 'failed', issues: [{ path: ['n'] }] })
    expect(errorOf(rule[0])).toMatchObject({ code: 'forbidden', outcome: 'failed' })
    expect(errorOf(nobody[0])).toMatchObject({ code: 'unauthenticated', outcome: 'failed' })
  })
})

describe('history', () => {
  it('answers with the newest publications, oldest first', async () => {
    const node = setUp()
    await post(
      node,
      [1, 2, 3].map((n) => publish(n, 'chat:1', n, `m${n}`)),
    )
    const [result] = await post(node, [{ type: 'history', ref: 7, channel: 'chat:1', last: 2 }])
    expect(result).toEqual({
      type: 'result',
      ref: 7,
      value: [2, 3].map((n) => ({ id: expect.any(String), messageId: `m${n}`, from: 'me', data: { n } })),
    })
  })

  it.each([
    ['private:1', 'forbidden'],
    ['nope', 'unknown_channel'],
    ['cursor:1', 'unsupported'],
  ])('of %s is refused with %s', async (channel, code) => {
    const [result] = await post(setUp(), [{ type: 'history', ref: 1, channel, last: 1 }])
    expect(errorOf(result)).toMatchObject({ code })
  })
})

describe('a POST', () => {
  it('answers each command in order, bad ones beside good ones', async () => {
    const results = await post(setUp(), [
      publish(3, 'chat:1', 1),
      { type: 'publish', ref: 2, channel: 'a b', data: 1 },
      publish(1, 'chat:2', 2),
    ])
    expect(results.map(({ ref }) => ref)).toEqual([3, 2, 1])
    expect(results.map((event) => errorOf(event)?.code)).toEqual([undefined, 'invalid_request', undefined])
  })

  it.each<[string, unknown[]]>([
    ['no ref to answer to', [publish(1, 'chat:1', 1), { type: 'publish', channel: 'chat:1', data: 1 }]],
    ['subscribe', [publish(1, 'chat:1', 1), { type: 'subscribe', channel: 'chat:1' }]],
  ])('is turned away as a whole for %s, before anything is done', async (_, commands) => {
    const node = setUp()
    await expect(post(node, commands)).rejects.toMatchObject({ code: 'invalid_request' })
    expect(await post(node, [{ type: 'history', ref: 1, channel: 'chat:1', last: 9 }])).toMatchObject([{ value: [] }])
  })
})

/** Publishes 1 MB to `chat:big`. */
async function fill(node: ReturnType<typeof setUp>) {
  const filler = 'x'.repeat(50_000)
  for (let n = 0; n < 20; n++) {
    const draft = { channel: 'chat:big', data: { n, filler }, publisher: { server: true } as const }
    await (await node.publishing.prepare(draft))()
  }
}
const histories = Array.from({ length: 100 }, (_, ref) => ({ type: 'history', ref, channel: 'chat:big', last: 100 }))

/** Counts how many histories are read at the same time. */
function watchHistory(node: ReturnType<typeof setUp>) {
  const history = node.hub.history.bind(node.hub)
  const seen = { now: 0, most: 0, all: 0 }
  node.hub.history = async (...args) => {
    seen.all++
    seen.most = Math.max(seen.most, ++seen.now)
    return history(...args).finally(() => {
      seen.now--
    })
  }
  return seen
}

describe('answers that are long', () => {
  it('are read one by one for a POST, and no more of them than it shall hold', async () => {
    const node = setUp()
    await fill(node)
    const seen = watchHistory(node)
    const results = await post(node, [...histories, publish(100, 'chat:1', 1)].slice(1))
    expect(seen.most).toBe(1)
    expect(JSON.stringify(results).length).toBeLessThan(6 * 2 ** 20)
    expect(results).toHaveLength(100)
    expect(results[0]).toHaveProperty('value')
    expect(errorOf(results[98])).toMatchObject({ code: 'rate_limited', retryAfter: 1000 })
    // It is the long answers that are too much.
    expect(results[99]).toHaveProperty('value')
  })
})

describe('on a WebSocket', () => {
  async function connect(identity: { id: string } | null = me) {
    const node = setUp()
    const wire = new RecordingWire()
    const connection = await node.gateway.open({ transport: 'websocket', identity, channels: [], cursor: null }, wire)
    const send = (...commands: (Command | object)[]) => connection.receive(JSON.stringify(commands))
    return { ...node, wire, connection, send }
  }

  it('subscribe establishes the channel, and publications come', async () => {
    const { wire, send } = await connect()
    send({ type: 'subscribe', channel: 'chat:1' })
    await wire.until('subscribed')
    send(publish(1, 'chat:1', 1))
    expect(await wire.until('message')).toMatchObject({ channel: 'chat:1', from: 'me', data: { n: 1 } })
    expect(await wire.until('result')).toMatchObject({ ref: 1, value: { duplicate: false } })
  })

  it('subscribe is refused with unsubscribed and the reason', async () => {
    const { wire, send } = await connect(null)
    send({ type: 'subscribe', channel: 'chat:1' }, { type: 'subscribe', channel: 'nope' })
    const refusal = async (channel: string) =>
      (await wire.until('unsubscribed', (event) => event.channel === channel)).error?.code
    expect(await refusal('chat:1')).toBe('unauthenticated')
    expect(await refusal('nope')).toBe('unknown_channel')
  })

  it('unsubscribe behind subscribe wins, and nothing comes any more', async () => {
    const { wire, send } = await connect()
    send({ type: 'subscribe', channel: 'chat:1' }, { type: 'unsubscribe', channel: 'chat:1' })
    expect(await wire.until('unsubscribed')).toEqual({ type: 'unsubscribed', channel: 'chat:1' })
    send({ type: 'subscribe', channel: 'chat:2' })
    await wire.until('subscribed', ({ channel }) => channel === 'chat:2')
    send(publish(1, 'chat:1', 1), publish(2, 'chat:2', 2))
    expect(await wire.until('message')).toMatchObject({ channel: 'chat:2' })
    await wire.until('result', ({ ref }) => ref === 1)
    expect(wire.events.filter(({ type }) => type === 'message')).toHaveLength(1)
  })

  it('a stream holds 128 channels and no more; one that is left makes room', async () => {
    const { wire, send } = await connect()
    send(...Array.from({ length: 128 }, (_, i) => ({ type: 'subscribe', channel: `chat:${i}` })))
    await wire.until('subscribed', ({ channel }) => channel === 'chat:127')
    send({ type: 'subscribe', channel: 'chat:128' })
    expect((await wire.until('unsubscribed')).error?.code).toBe('too_many_channels')
    send({ type: 'unsubscribe', channel: 'chat:0' })
    await wire.until('unsubscribed', ({ channel }) => channel === 'chat:0')
    send({ type: 'subscribe', channel: 'chat:129' })
    await wire.until('subscribed', ({ channel }) => channel === 'chat:129')
  })

  it('a frame that can not be read is answered with error, and the connection goes on', async () => {
    const { wire, send, connection } = await connect()
    connection.receive('[{')
    expect((await wire.until('error')).error.code).toBe('invalid_request')
    send(publish(1, 'chat:1', 1))
    await wire.until('result')
  })

  it('a client that sends more than it may have unanswered is told to wait', async () => {
    const { wire, send } = await connect()
    const data = { n: 0, filler: 'x'.repeat(60_000) }
    for (let ref = 0; ref < 40; ref++) send({ type: 'publish', ref, channel: 'slow:1', data })
    const { error } = (await wire.until('result', (event) => 'error' in event)) as Extract<
      ResultEvent,
      { error: unknown }
    >
    expect(error).toMatchObject({ code: 'rate_limited', outcome: 'failed', retryAfter: expect.any(Number) })
    await wire.until('result', (event) => 'value' in event)
  })

  it('histories are read one by one, and refused while the client does not take what waits', async () => {
    const node = setUp()
    await fill(node)
    const seen = watchHistory(node)
    const results: ResultEvent[] = []
    const open = node.hub.open.bind(node.hub)
    const answered = new Promise<void>((resolve) => {
      node.hub.open = (...args) => {
        const stream = open(...args)
        const send = stream.send.bind(stream)
        stream.send = (event) => {
          send(event)
          if (event.type === 'result' && results.push(event) === histories.length) resolve()
        }
        return stream
      }
    })
    // It takes the first answer, and nothing more.
    const wire = new RecordingWire()
    const write = wire.write.bind(wire)
    wire.write = (items) => write(items) && !items.some(({ json }) => json.startsWith('{"type":"result"'))
    const connection = await node.gateway.open(
      { transport: 'websocket', identity: me, channels: [], cursor: null },
      wire,
    )
    connection.receive(JSON.stringify(histories))
    await answered
    expect(seen.most).toBe(1)
    expect(seen.all).toBeLessThan(6)
    expect(results[0]).toHaveProperty('value')
    expect(errorOf(results.at(-1))).toMatchObject({ code: 'rate_limited', retryAfter: 1000 })
    connection.closed()
  })

  it('nothing is printed for what is answered after the connection closed', async () => {
    const { wire, send, connection, gateway } = await connect()
    send(publish(1, 'slow:1', 0))
    connection.closed()
    const printed = wire.events.length
    await gateway.execute(JSON.stringify([publish(2, 'slow:1', 0)]), me, null)
    expect(wire.events).toHaveLength(printed)
  })
})

describe('list', () => {
  it('holds what the same caller said of itself before', async () => {
    const node = setUp()
    const enter = { type: 'enter', ref: 1, channel: 'room:1', client: 'a', state: { name: 'Me' } }
    const results = await post(node, [enter, { type: 'list', ref: 2, channel: 'room:1' }])
    expect(results).toEqual([
      { type: 'result', ref: 1, value: null },
      { type: 'result', ref: 2, value: { members: [{ id: 'me', state: { name: 'Me' } }], known: true } },
    ])
    node.hub.close()
  })
})
