import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, test } from 'vitest'
import { brokerContract } from '../../testing/broker-contract'
import { MemoryStore } from './broker'

for (const partitions of [1, 4]) {
  brokerContract({ describe, test }, `Memory with ${partitions} partition(s)`, {
    async create() {
      const clock = new FakeClock()
      const store = new MemoryStore({ partitions, clock })
      return { brokers: [store.node(), store.node()] as const, clock, close: async () => {} }
    },
    async elapse({ clock }, ms) {
      clock.advance(ms)
    },
  })
}
