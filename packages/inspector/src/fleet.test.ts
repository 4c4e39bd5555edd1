import { expect, it } from 'vitest'
import { Fleet } from './fleet'
import type { Snapshot } from './snapshot'

const none = { websocket: 0, sse: 0, 'long-poll': 0, poll: 0 }
const snapshot = (given: Partial<Snapshot>): Snapshot => ({
  node: 'a',
  pid: 1,
  memory: 1,
  time: 0,
  up: 0,
  lag: 0,
  open: none,
  opened: none,
  publications: 0,
  deliveries: 0,
  connections: { total: 0, head: [] },
  channels: { total: 0, head: [] },
  ...given,
})
const channels = (...head: Snapshot['channels']['head']) => ({ total: head.length, head })
const row = (name: string, subscribers: number, publications: number) =>
  ({ name, delivery: 'all', subscribers, publications }) as const

it('takes rates from two snapshots of a node, over the time that lies between them on that node', () => {
  const fleet = new Fleet()
  fleet.hear(snapshot({ up: 1000, publications: 100, deliveries: 1000 }), 0)
  expect(fleet.nodes(0)[0]?.rates).toEqual({ publications: 0, deliveries: 0, polls: 0 })
  // One was lost on the way: it is two seconds.
  fleet.hear(snapshot({ up: 3000, publications: 120, deliveries: 1300, opened: { ...none, poll: 8 } }), 1000)
  expect(fleet.nodes(1000)[0]?.rates).toEqual({ publications: 10, deliveries: 150, polls: 4 })
  // Late, and older than what is known.
  fleet.hear(snapshot({ up: 2000, publications: 1, deliveries: 1 }), 1001)
  expect(fleet.nodes(1001)[0]?.snapshot.up).toBe(3000)
})

it('adds up who hears a channel on all nodes, and counts a publication that both heard once', () => {
  const fleet = new Fleet()
  for (const node of ['a', 'b']) fleet.hear(snapshot({ node, up: 1000, channels: channels(row('x', 1, 5)) }), 0)
  fleet.hear(snapshot({ node: 'a', up: 2000, channels: channels(row('x', 2, 9), row('y', 5, 7)) }), 1000)
  fleet.hear(snapshot({ node: 'b', up: 2000, channels: channels(row('x', 4, 8)) }), 1000)
  expect(fleet.channels()).toEqual([
    { name: 'x', delivery: 'all', subscribers: 6, rate: 4 },
    { name: 'y', delivery: 'all', subscribers: 5, rate: 0 },
  ])
})

it('shows a node that says nothing as silent, and forgets it', () => {
  const fleet = new Fleet()
  fleet.hear(snapshot({ node: 'a', up: 9000 }), 0)
  fleet.hear(snapshot({ node: 'b', up: 1000 }), 2000)
  const state = (now: number) => fleet.nodes(now).map(({ snapshot: { node }, silent }) => `${node} ${silent}`)
  expect(state(2500)).toEqual(['a false', 'b false'])
  expect(state(2501)).toEqual(['a true', 'b false'])
  fleet.forget(5000)
  expect(state(5000)).toEqual(['a true', 'b true'])
  fleet.forget(5001)
  expect(state(5001)).toEqual(['b true'])
})
