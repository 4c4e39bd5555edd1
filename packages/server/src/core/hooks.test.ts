// Hooks on a node's core: when each is called and with what, and that one which fails hurts nobody.
import { FakeClock } from '@rt/protocol/fake-clock'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createNode, RecordingWire } from './node.fixture'

const channels = {
  news: { message: z.number(), subscribe: 'public' as const, publish: 'public' as const },
  secret: { message: z.number(), subscribe: () => false },
}
const ada = { id: 'ada' }

function setUp(fail = false) {
  const told: [hook: string, about: object][] = []
  const tell = (hook: string) => (about: object) => {
    told.push([hook, about])
    if (!fail) return undefined
    // One throws, the others reject.
    if (hook === 'connect') throw new Error('connect')
    return Promise.reject(new Error(hook))
  }
  const clock = new FakeClock()
  const hooks = { onConnect: tell('connect'), onDisconnect: tell('disconnect'), onSubscribe: tell('subscribe') }
  const node = createNode({ channels, authenticate: () => ada, clock, hooks })
  const open = async (wire: RecordingWire, names: string[], cursor: string | null = null) =>
    node.gateway.open(
      { transport: 'websocket', identity: ada, channels: names.map((channel) => ({ channel })), cursor },
      wire,
    )
  return { ...node, told, clock, open }
}

test('a connection is told when it begins, what it hears, and when and why it ended', async () => {
  const { open, told, clock } = setUp()
  const wire = new RecordingWire()
  const connection = await open(wire, ['news', 'secret'])
  const info = { id: connection.id, transport: 'websocket', identity: ada }
  await wire.until('subscribed')
  // The refused one is not heard.
  expect(told).toEqual([
    ['connect', info],
    ['subscribe', { ...info, channel: 'news' }],
  ])
  clock.advance(1500)
  connection.closed()
  connection.closed()
  expect(told.slice(2)).toEqual([['disconnect', { ...info, reason: 'closed', duration: 1500 }]])
})

test('an end by the server has its code, a later subscribe is told, one that continues is not', async () => {
  const { open, gateway, told } = setUp()
  const wire = new RecordingWire()
  const connection = await open(wire, [])
  connection.receive(JSON.stringify([{ type: 'subscribe', channel: 'news' }]))
  await wire.until('subscribed')
  expect(told.map(([hook]) => hook)).toEqual(['connect', 'subscribe'])
  gateway.revoke('ada', Date.now() + 10_000, false)
  expect(told[2]).toMatchObject(['disconnect', { reason: 'unauthenticated' }])

  told.length = 0
  const other = setUp()
  const again = new RecordingWire()
  await other.open(again, ['news'], 'whatever')
  await again.until('gap')
  expect(other.told.map(([hook]) => hook)).toEqual(['connect'])
})

test('hooks that throw or reject go to onError, and the connection knows nothing of it', async () => {
  const { open, reported, told, publishing } = setUp(true)
  const wire = new RecordingWire()
  const connection = await open(wire, ['news'])
  await wire.until('subscribed')
  const store = await publishing.prepare({ channel: 'news', data: 1, publisher: { server: true } })
  await store()
  await wire.until('message')
  connection.closed()
  await Promise.resolve()
  expect(told.map(([hook]) => hook)).toEqual(['connect', 'subscribe', 'disconnect'])
  expect(reported.map(String)).toEqual(['Error: connect', 'Error: subscribe', 'Error: disconnect'])
})
