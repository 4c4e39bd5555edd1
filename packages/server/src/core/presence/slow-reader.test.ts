import type { MembersEvent, ServerEvent } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../backends/memory/broker'
import type { OutItem } from '../../ports/connection'
import { Counters } from '../counters'
import { createHub } from '../hub'
import { Log } from '../log'
import { CHANNEL, GRACE, LINGER, TTL } from './presence.fixture'

/** A hub with little room for each reader, and a wire that is full when the test says so. */
async function setUp() {
  const clock = new FakeClock()
  const store = new MemoryStore({ clock })
  const other = store.node().presence
  const broker = store.node()
  await other.pulse(0, { epoch: null, ttl: TTL, gap: 5000 })
  const hub = createHub({
    broker,
    clock,
    counters: new Counters(),
    log: new Log(null, clock),
    node: 'node',
    heartbeat: 20_000,
    life: 2_000_000,
    outboxBytes: 1000,
    waitingBytes: 2 ** 28,
    pageBytes: 1000,
    ringBytes: 10_000,
    ringSize: 10,
    linger: LINGER,
    presence: { ttl: TTL, grace: GRACE },
    report: (error) => expect.unreachable(String(error)),
    defer: (run) => void clock.setTimeout(run, 0),
  })
  const events: ServerEvent[] = []
  const closed: unknown[] = []
  const wireState = { writable: true }
  const wire = {
    write(items: readonly OutItem[]): boolean {
      for (const { json } of items) events.push(JSON.parse(json) as ServerEvent)
      return wireState.writable
    },
    close: (error: unknown) => void closed.push(error),
  }
  const enter = async (member: string) => {
    const state = JSON.stringify('x'.repeat(50))
    await other.enter({ channel: CHANNEL, member, client: 'c', state, owner: 'o', ttl: 100 * TTL })
    await clock.advanceAsync(1)
  }
  return { clock, broker, hub, wire, wireState, events, closed, enter }
}

test('a reader that does not keep up is told the list once it does, and then changes again', async () => {
  const { clock, hub, wire, wireState, events, closed, enter } = await setUp()
  const stream = hub.open({ subscriptions: [], cursor: null, first: [], watch: [{ channel: CHANNEL }] }, wire)
  await clock.advanceAsync(1)
  expect(events.at(-1)).toMatchObject({ type: 'members', known: true, members: [] })

  // The write that carries the first change is the one that fills the wire.
  wireState.writable = false
  for (let i = 0; i < 100; i++) await enter(`m${i}`)
  const printed = events.length
  wireState.writable = true
  stream.drained()
  await clock.advanceAsync(1)
  await enter('last')

  const since = events.slice(printed)
  // Far fewer than a hundred waited in memory, in order; then everybody at once; then what is new.
  expect(since.length).toBeLessThan(20)
  expect(since.slice(0, -2).every(({ type }) => type === 'presence')).toBe(true)
  const list = since.at(-2) as MembersEvent
  expect(list).toMatchObject({ type: 'members', known: true })
  expect(list.members).toHaveLength(100)
  expect(since.at(-1)).toMatchObject({ type: 'presence', changes: [{ action: 'enter', member: 'last' }] })
  expect(closed).toEqual([])
  hub.close()
})

test('of changes that were dropped with publications no later one is told before the list', async () => {
  const { clock, broker, hub, wire, wireState, events, enter } = await setUp()
  const history = { size: 10, ttl: 60_000 }
  const subscription = { channel: 'log:1', rules: { delivery: 'all', history }, fresh: true, last: 0 } as const
  const watch = [{ channel: CHANNEL }]
  const stream = hub.open({ subscriptions: [subscription], cursor: null, first: [], watch }, wire)
  await clock.advanceAsync(1)
  const publish = async (n: number) => {
    const body = `"messageId":"m${n}","data":"${'x'.repeat(300)}"`
    await broker.publish({ channel: 'log:1', messageId: `m${n}`, body, history, dedupe: 60_000 })
    await clock.advanceAsync(1)
  }
  wireState.writable = false
  await publish(0)
  await enter('dropped')
  for (let n = 1; n <= 4; n++) await publish(n)
  await enter('later')
  const printed = events.length
  wireState.writable = true
  stream.drained()
  await clock.advanceAsync(1)
  const told = events.slice(printed).filter(({ type }) => type === 'presence' || type === 'members')
  expect(told).toMatchObject([{ type: 'members', members: [{ id: 'dropped' }, { id: 'later' }] }])
  hub.close()
})
