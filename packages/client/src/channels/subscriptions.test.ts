// The bookkeeping of channels over streams. Whole schedules of it run in packages/e2e/property.
import { expect, it } from 'vitest'
import { Subscriptions } from './subscriptions'

it('asks for a live channel as new only until it was established once: a held poll would end for it each time', () => {
  const subscriptions = new Subscriptions()
  subscriptions.add('room:1', 0)
  subscriptions.add('typing:1', 0)
  const first = subscriptions.open()
  expect(subscriptions.request().channels).toEqual([
    { channel: 'room:1', new: true },
    { channel: 'typing:1', new: true },
  ])

  subscriptions.accept(first, { type: 'hello', version: 1, node: 'a', heartbeat: 20_000 })
  subscriptions.accept(first, { type: 'subscribed', channel: 'typing:1' })
  subscriptions.accept(first, { type: 'subscribed', channel: 'room:1', id: '5-0', epoch: '1-0', cursor: 'c5' })
  expect(subscriptions.request()).toEqual({ channels: [{ channel: 'room:1' }, { channel: 'typing:1' }], cursor: 'c5' })

  const next = subscriptions.open()
  subscriptions.accept(next, { type: 'hello', version: 1, node: 'b', heartbeat: 20_000 })
  const told = subscriptions.accept(next, { type: 'live', channel: 'typing:1', source: 'b', seq: 1, data: 1 })
  expect(told).toHaveLength(1)

  subscriptions.remove('typing:1')
  subscriptions.add('typing:1', 0)
  expect(subscriptions.request().channels).toContainEqual({ channel: 'typing:1', new: true })
})

it('tells the state, then what came while it was computed, then that the channel is established', () => {
  const subscriptions = new Subscriptions()
  subscriptions.add('a', 2)
  const stream = subscriptions.open()
  const item = (n: number) => ({ id: `5-${n}`, messageId: `m${n}`, data: n })
  subscriptions.accept(stream, { type: 'hello', version: 1, node: 'a', heartbeat: 20_000 })
  const told = subscriptions.accept(stream, {
    type: 'subscribed',
    channel: 'a',
    id: '5-4',
    epoch: '1-0',
    history: [item(1), item(2)],
    state: 'sum 3',
    updates: [item(3), item(4)],
    cursor: 'c4',
  })
  expect(told).toMatchObject([
    { kind: 'message', message: { data: 1 } },
    { kind: 'message', message: { data: 2 } },
    { kind: 'state', state: 'sum 3', id: '5-2' },
    { kind: 'message', message: { data: 3 } },
    { kind: 'message', message: { data: 4 } },
    { kind: 'subscribed', id: '5-4' },
  ])
  expect(subscriptions.request()).toEqual({ channels: [{ channel: 'a' }], cursor: 'c4' })
})

it('after a gap a channel with a state is new again, and what was heard is heard behind the new state', () => {
  const subscriptions = new Subscriptions()
  subscriptions.add('a', 2)
  const stream = subscriptions.open()
  const item = (n: number) => ({ id: `5-${n}`, messageId: `m${n}`, data: n })
  const subscribed = { type: 'subscribed', channel: 'a', id: '5-1', epoch: '1-0', state: null, cursor: 'c1' } as const
  subscriptions.accept(stream, { type: 'hello', version: 1, node: 'a', heartbeat: 20_000 })
  subscriptions.accept(stream, subscribed)
  subscriptions.accept(stream, { type: 'message', channel: 'a', ...item(2) })
  expect(subscriptions.accept(stream, { type: 'gap', channel: 'a', reason: 'history' })).toHaveLength(1)
  expect(subscriptions.isAnew('a')).toBe(true)
  expect(subscriptions.accept(stream, { type: 'message', channel: 'a', ...item(3) })).toEqual([])
  expect(subscriptions.accept(stream, { type: 'gap', channel: 'a', reason: 'history' })).toEqual([])
  expect(subscriptions.request().channels).toEqual([{ channel: 'a', new: true }])
  const told = subscriptions.accept(stream, { ...subscribed, id: '5-3', state: 1, updates: [item(2), item(3)] })
  expect(told.map(({ kind }) => kind)).toEqual(['state', 'message', 'message', 'subscribed'])
  expect(subscriptions.isAnew('a')).toBe(false)
})
