import { systemClock } from '@rt/protocol'
import { describe, expect, it } from 'vitest'
import { memory } from '../backends/memory/broker'
import { createNode } from './node.fixture'
import { type Order, Orders } from './orders'

interface Heard {
  readonly order: Order
  readonly past: boolean
}

function node() {
  const broker = memory()
  const { hub } = createNode({ channels: {}, broker })
  const heard: Heard[] = []
  const waiting = new Set<() => void>()
  const orders = new Orders({
    hub,
    broker,
    clock: systemClock,
    heard(order, time, past) {
      expect(Math.abs(Date.now() - time)).toBeLessThan(10_000)
      heard.push({ order, past })
      for (const look of [...waiting]) look()
    },
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
  return { hub, orders, heard, until }
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
