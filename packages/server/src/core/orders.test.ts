import { type Clock, systemClock } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, expect, it } from 'vitest'
import { memory } from '../backends/memory/broker'
import type { Broker } from '../ports/broker'
import { SimulatedStore } from '../testing/simulated-store'
import { createNode } from './node.fixture'
import { type Order, Orders } from './orders'

interface Heard {
  readonly order: Order
  readonly past: boolean
}

function node(clock: Clock = systemClock, broker: Broker = memory({ clock })) {
  const { hub } = createNode({ channels: {}, broker, clock })
  const heard: Heard[] = []
  const reported: unknown[] = []
  const waiting = new Set<() => void>()
  const orders = new Orders({
    hub,
    broker,
    clock,
    heard(order, time, past) {
      if (order.type !== 'revoke' && order.type !== 'recheck') throw new Error((order as Order).type)
      expect(Math.abs(clock.now() - time)).toBeLessThan(10_000)
      heard.push({ order, past })
      for (const look of [...waiting]) look()
    },
    report: (error) => reported.push(error),
  })
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (heard.length < count) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  return { hub, orders, heard, reported, until }
}

const revoke = (id: string): Order => ({ type: 'revoke', ids: [id] })

describe('orders', () => {
  it('are heard by who listens, in order, those given before as past', async () => {
    const { orders, heard, until } = node()
    await orders.give(revoke('a'))
    await orders.give({ type: 'recheck', channel: 'x' })
    orders.listen()
    orders.listen()
    await until(2)
    await orders.give(revoke('b'))
    await until(3)
    expect(heard).toEqual([
      { order: revoke('a'), past: true },
      { order: { type: 'recheck', channel: 'x' }, past: true },
      { order: revoke('b'), past: false },
    ])
  })

  it('of the past that ask the same again are heard once', async () => {
    const { orders, heard, until } = node()
    for (const channel of ['x', 'y', 'x', 'x']) await orders.give({ type: 'recheck', channel })
    await orders.give(revoke('a'))
    orders.listen()
    await until(3)
    expect(heard.map(({ order }) => order)).toEqual([
      { type: 'recheck', channel: 'x' },
      { type: 'recheck', channel: 'y' },
      revoke('a'),
    ])
  })

  it('are heard to the end of a drain, which does not wait for that', async () => {
    const { hub, orders, heard, until } = node()
    orders.listen()
    await orders.give(revoke('a'))
    await until(1)
    await hub.drain(60_000)
    await orders.give(revoke('b'))
    await until(2)
    expect(heard.map(({ order }) => order)).toEqual([revoke('a'), revoke('b')])
  })

  it('are heard for longer than a stream lives', async () => {
    const clock = new FakeClock(1_700_000_000_000)
    const { hub, orders, heard } = node(clock)
    orders.listen()
    // Streams of the fixture live for 30 min.
    for (let i = 0; i < 4; i++) {
      await clock.advanceAsync(40 * 60_000)
      await orders.give(revoke(`${i}`))
      await clock.advanceAsync(0)
      expect(heard.at(-1)).toEqual({ order: revoke(`${i}`), past: false })
    }
    expect(heard).toHaveLength(4)
    orders.close()
    hub.close()
  })

  it.each([
    ['goes on', 0],
    ['is behind its old one', -5000],
  ])(
    'that were given while a node was cut off are heard when the store lost data, and its clock %s',
    async (_, step) => {
      const clock = new FakeClock(1_700_000_000_000)
      const storeClock = new FakeClock(1_700_000_000_000)
      const store = new SimulatedStore({ partitions: 1, clock: storeClock, page: 10, partition: () => 0 })
      const broker = store.node()
      const other = store.node()
      other.start({ publication() {}, live() {}, presence() {}, up() {}, down() {} })
      store.save()
      const { hub, orders, heard } = node(clock, broker)
      const settle = async () => {
        for (let i = 0; i < 20; i++) {
          for (const way of ['request', 'call', 'answer', 'arrival'] as const) while (broker.step(way));
          await clock.advanceAsync(0)
        }
      }
      const giveElsewhere = async (id: string) => {
        const given = new Orders({ hub, broker: other, clock, heard: () => {}, report: () => {} }).give(revoke(id))
        for (const way of ['call', 'answer'] as const) while (other.step(way));
        await given
      }
      orders.listen()
      await settle()
      storeClock.advance(5000)
      await giveElsewhere('a')
      await settle()
      expect(heard).toEqual([{ order: revoke('a'), past: false }])
      broker.lose()
      store.restart(true)
      storeClock.step(step)
      other.connect()
      await giveElsewhere('b')
      broker.connect()
      await settle()
      expect(heard.slice(1).map(({ order }) => order)).toEqual([revoke('b')])
      await giveElsewhere('c')
      await settle()
      expect(heard.at(-1)).toEqual({ order: revoke('c'), past: false })
      orders.close()
      hub.close()
    },
  )

  it('that make no sense are reported, and the next ones heard', async () => {
    const { orders, heard, reported, until } = node()
    const senseless = { type: 'dance' } as unknown as Order
    for (const order of [senseless, revoke('a')]) await orders.give(order)
    orders.listen()
    await until(1)
    for (const order of [senseless, revoke('b')]) await orders.give(order)
    await until(2)
    expect(heard.map(({ order }) => order)).toEqual([revoke('a'), revoke('b')])
    expect(reported).toMatchObject([{ message: 'dance' }, { message: 'dance' }])
  })

  it('are not heard any more once it is closed', async () => {
    const { hub, orders, heard, until } = node()
    orders.listen()
    await orders.give(revoke('a'))
    await until(1)
    orders.close()
    hub.close()
    await orders.give(revoke('b'))
    expect(heard).toHaveLength(1)
  })
})
