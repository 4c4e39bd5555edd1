import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, test } from 'vitest'
import { presenceContract } from '../../testing/presence-contract'
import { MemoryStore } from './broker'

for (const partitions of [1, 4]) {
  presenceContract({ describe, test }, `Memory with ${partitions} partition(s)`, {
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
