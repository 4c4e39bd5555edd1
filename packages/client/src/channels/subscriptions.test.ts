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
