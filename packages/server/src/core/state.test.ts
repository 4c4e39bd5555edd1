import type { Json } from '@rt/protocol'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { memory } from '../backends/memory/broker'
import type { RuleContext } from '../channel'
import type { BrokerListener } from '../ports/broker'
import { createNode, RecordingWire } from './node.fixture'

type Compute = (context: RuleContext) => unknown

/** A node whose channel `inbox:{id}` counts in a variable of the test. */
function setUp(state: Compute, subscribe: 'public' | (() => boolean) = 'public', broker = memory()) {
  const node = createNode({
    channels: { 'inbox:{id}': { message: z.object({ n: z.number() }), subscribe, state } },
    authenticate: () => ({ id: 'ada' }),
    broker,
  })
  const publish = async (n: number) => {
    const store = await node.publishing.prepare({ channel: 'inbox:7', data: { n }, publisher: { server: true } })
    await store()
  }
  const open = async (request: { cursor?: string | null; new?: boolean; last?: number } = {}) => {
    const wire = new RecordingWire()
    const { cursor = null, ...rest } = request
    const connection = await node.gateway.open(
      { transport: 'websocket', identity: { id: 'ada' }, channels: [{ channel: 'inbox:7', ...rest }], cursor },
      wire,
    )
    return { wire, connection }
  }
  return { ...node, publish, open }
}

function later<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

const numbers = (items: readonly { readonly data?: Json }[] | undefined) =>
  items?.map(({ data }) => (data as { n: number }).n)

describe('a channel with a state', () => {
  test('sends what it computed for this client with `subscribed`', async () => {
    const { open, hub } = setUp(({ identity, params, channel }) => ({ who: identity?.id, id: params['id'], channel }))
    const { wire } = await open()
    const { state, updates } = await wire.until('subscribed')
    expect(state).toEqual({ who: 'ada', id: '7', channel: 'inbox:7' })
    expect(updates).toEqual([])
    hub.close()
  })

  test('is positioned before it is computed: what is published meanwhile follows the state, once', async () => {
    const asked = later<void>()
    const answer = later<number>()
    const { open, publish, hub } = setUp(() => {
      asked.resolve()
      return answer.promise
    })
    await publish(1)
    const { wire } = await open({ last: 10 })
    await asked.promise
    await publish(2)
    await publish(3)
    expect(wire.events.some(({ type }) => type === 'subscribed' || type === 'message')).toBe(false)
    answer.resolve(1)
    const { state, history, updates } = await wire.until('subscribed')
    expect([state, numbers(history), numbers(updates)]).toEqual([1, [1], [2, 3]])
    await publish(4)
    await wire.until('message')
    expect(numbers(wire.events.filter((event) => event.type === 'message'))).toEqual([4])
    hub.close()
  })

  test('the cursor of `subscribed` stands behind the updates', async () => {
    const answer = later<number>()
    const asked = later<void>()
    const { open, publish, hub } = setUp(() => {
      asked.resolve()
      return answer.promise
    })
    const { wire } = await open()
    await asked.promise
    await publish(1)
    answer.resolve(0)
    const { cursor = null, updates } = await wire.until('subscribed')
    expect(numbers(updates)).toEqual([1])
    await publish(2)
    const again = await open({ cursor })
    await again.wire.until('message')
    expect(numbers(again.wire.events.filter((event) => event.type === 'message'))).toEqual([2])
    hub.close()
  })

  test('is not computed for who continues from a cursor', async () => {
    let asked = 0
    const { open, hub } = setUp(() => ++asked)
    const { wire } = await open()
    const { cursor = null } = await wire.until('subscribed')
    const { connection, wire: next } = await open({ cursor })
    await next.until('hello')
    connection.receive('{"type":"history","ref":1,"channel":"inbox:7","last":1}')
    await next.until('result')
    expect(asked).toBe(1)
    hub.close()
  })

  test('a state that fails refuses the channel for now, and is reported', async () => {
    const { open, hub, reported } = setUp(() => {
      throw new Error('database')
    })
    const { wire } = await open()
    const { error } = await wire.until('unsubscribed')
    expect(error).toMatchObject({ code: 'internal', retryable: true })
    expect(JSON.stringify(error)).not.toContain('database')
    expect(reported).toEqual([new Error('database')])
    hub.close()
  })

  test('a client that leaves while it is computed gets nothing of it', async () => {
    const asked = later<void>()
    const answer = later<number>()
    const { open, hub } = setUp(() => {
      asked.resolve()
      return answer.promise
    })
    const { wire, connection } = await open()
    await asked.promise
    connection.receive('{"type":"unsubscribe","channel":"inbox:7"}')
    await wire.until('unsubscribed')
    answer.resolve(1)
    connection.receive('{"type":"history","ref":1,"channel":"inbox:7","last":1}')
    await wire.until('result')
    expect(wire.events.some(({ type }) => type === 'subscribed')).toBe(false)
    hub.close()
  })

  test('asked anew on the same stream, it is computed anew', async () => {
    let asked = 0
    const { open, hub } = setUp(() => ++asked)
    const { wire, connection } = await open()
    await wire.until('subscribed')
    connection.receive('{"type":"subscribe","channel":"inbox:7"}')
    const { state } = await wire.until('subscribed', (event) => event.state === 2)
    expect(state).toBe(2)
    hub.close()
  })

  test('where the cursor is none of ours there is a gap alone, and the state when the channel is asked for anew', async () => {
    let asked = 0
    const { open, hub } = setUp(() => ++asked)
    const { wire, connection } = await open({ cursor: 'foreign' })
    await wire.until('gap')
    connection.receive('{"type":"subscribe","channel":"inbox:7"}')
    expect(await wire.until('subscribed')).toMatchObject({ state: 1 })
    expect([asked, wire.events.filter(({ type }) => type === 'subscribed').length]).toEqual([1, 1])
    hub.close()
  })

  test('when the link is lost meanwhile, it is computed again: nobody knows what came', async () => {
    const broker = memory()
    const link: BrokerListener[] = []
    const first = later<void>()
    const second = later<void>()
    const asked = [first, second]
    const answers = [later<string>(), later<string>()]
    const { open, publish, hub } = setUp(
      () => {
        asked.shift()?.resolve()
        return answers[1 - asked.length]?.promise
      },
      'public',
      {
        ...broker,
        start: (listener) => {
          link.push(listener)
          broker.start(listener)
        },
      },
    )
    const { wire } = await open()
    await first.promise
    link[0]?.down(0)
    await publish(1)
    link[0]?.up(0)
    answers[0]?.resolve('before 1')
    await second.promise
    answers[1]?.resolve('with 1')
    expect(await wire.until('subscribed')).toMatchObject({ state: 'with 1', updates: [] })
    hub.close()
  })
})
