import type { ServerEvent } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { beforeEach, describe, expect, it } from 'vitest'
import type { OutItem } from '../ports/connection'
import type { ChannelRules, Hub, SubscriptionRequest } from '../ports/hub'
import { type SimulatedNode, SimulatedStore } from '../testing/simulated-store'
import { Counters } from './counters'
import { createHub, type HubOptions } from './hub'
import { Log } from './log'

const HEARTBEAT = 20_000
const rules = (delivery: ChannelRules['delivery'] = 'all'): ChannelRules => ({
  delivery,
  history: { size: 10, ttl: 60_000 },
})
const fresh = (channel: string, delivery?: ChannelRules['delivery'], last = 0): SubscriptionRequest => ({
  channel,
  rules: rules(delivery),
  fresh: true,
  last,
})
const turn = () => new Promise((resolve) => setImmediate(resolve))

let clock: FakeClock
let store: SimulatedStore
let node: SimulatedNode
let hub: Hub
let reported: unknown[]
let counters: Counters

beforeEach(() => {
  clock = new FakeClock()
  reported = []
  store = new SimulatedStore({ partitions: 1, clock: new FakeClock(), page: 10, partition: () => 0 })
  node = store.node()
  counters = new Counters()
  hub = createHub(options())
})

function options(): HubOptions {
  return {
    broker: node,
    clock,
    counters,
    log: new Log(null, clock),
    node: 'node',
    heartbeat: HEARTBEAT,
    life: 100 * HEARTBEAT,
    outboxBytes: 500,
    waitingBytes: 2 ** 28,
    pageBytes: 1000,
    ringBytes: 10_000,
    ringSize: 10,
    linger: 5_000,
    presence: { ttl: 60_000, grace: 10_000 },
    report: (error) => reported.push(error),
    defer: (run) => void setImmediate(run),
  }
}

/** Lets the store answer everything and the hub print everything. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) {
    for (const way of ['request', 'call', 'answer', 'arrival'] as const) while (node.step(way));
    await turn()
  }
}

let messages = 0
async function publish(channel: string, text = ''): Promise<void> {
  const done = node.publish({
    channel,
    messageId: `m${++messages}`,
    body: `"messageId":"m${messages}","data":"${text}"`,
    history: rules().history,
    dedupe: 1000,
  })
  await settle()
  await done
}

class TestWire {
  readonly events: ServerEvent[] = []
  readonly flushes: { readonly items: readonly OutItem[]; readonly cursor: string | null }[] = []
  writable = true
  ended: string | null | undefined
  caught = 0
  write(items: readonly OutItem[], cursor: string | null): boolean {
    this.flushes.push({ items, cursor })
    for (const { json } of items) this.events.push(JSON.parse(json) as ServerEvent)
    return this.writable
  }
  caughtUp(): void {
    this.caught++
  }
  close(error: { code: string } | null): void {
    this.ended = error?.code ?? null
  }
  types(): string[] {
    return this.events.map(({ type }) => type)
  }
}

function open(wire: TestWire, ...subscriptions: SubscriptionRequest[]) {
  return hub.open({ subscriptions, cursor: null, first: [] }, wire)
}

describe('a stream', () => {
  it('says hello at once, and a second frame without waiting for the broker', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'))
    expect(wire.types()).toEqual(['hello'])
    await turn()
    await turn()
    expect(wire.types()).toEqual(['hello', 'beat'])
  })

  it('is established with its cursor, then prints what is published, several events in one flush', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'), fresh('b'))
    await settle()
    expect(wire.events.filter(({ type }) => type === 'subscribed')).toMatchObject([
      { channel: 'a', cursor: expect.any(String) },
      { channel: 'b', cursor: expect.any(String) },
    ])
    const before = wire.flushes.length
    for (const channel of ['a', 'b'])
      void node.publish({
        channel,
        messageId: channel,
        body: `"messageId":"${channel}","data":1`,
        history: rules().history,
        dedupe: 1000,
      })
    node.step('call')
    node.step('call')
    node.step('arrival')
    node.step('arrival')
    await settle()
    expect(wire.flushes.slice(before).map(({ items }) => items.length)).toEqual([2])
  })

  it('tells the wire when it has caught up', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'))
    expect(wire.caught).toBe(0)
    await settle()
    expect(wire.caught).toBe(1)
  })

  it('shares one encoded event and one cursor with all others', async () => {
    const [one, two] = [new TestWire(), new TestWire()]
    open(one, fresh('a'))
    open(two, fresh('a'))
    await settle()
    await publish('a')
    expect(one.flushes.at(-1)?.items[0]).toBe(two.flushes.at(-1)?.items[0])
    expect(one.flushes.at(-1)?.cursor).toBe(two.flushes.at(-1)?.cursor)
  })

  it('moves a slow reader to the log: bounded, and complete when it wakes', async () => {
    const wire = new TestWire()
    const stream = open(wire, fresh('a'))
    await settle()
    wire.writable = false
    await publish('a', 'fills the wire')
    const flushes = wire.flushes.length
    for (let i = 0; i < 8; i++) await publish('a', 'x'.repeat(100))
    expect(wire.flushes.length).toBe(flushes)
    wire.writable = true
    stream.drained()
    await settle()
    expect(wire.events.filter(({ type }) => type === 'message')).toHaveLength(9)
    expect(wire.types()).not.toContain('gap')
  })

  it('moves those that do not keep up to the log when too much waits for all together', async () => {
    node = store.node()
    hub = createHub({ ...options(), waitingBytes: 700 })
    const slow = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const wire = new TestWire()
        const stream = open(wire, fresh('a'))
        await settle()
        wire.writable = false
        return { wire, stream }
      }),
    )
    const quick = new TestWire()
    open(quick, fresh('a'))
    await settle()
    const publications = (wire: TestWire) => wire.events.filter(({ type }) => type === 'message').length
    // For each by itself that is not too much.
    for (let i = 0; i < 4; i++) await publish('a', 'x'.repeat(30))
    expect(publications(quick)).toBe(4)
    expect(counters.overflows).toBeGreaterThan(0)
    for (const { wire, stream } of slow) {
      wire.writable = true
      stream.drained()
    }
    await settle()
    for (const { wire } of slow) {
      expect(publications(wire)).toBe(4)
      expect(wire.types()).not.toContain('gap')
    }
    // Who went away holds nothing: what waits is counted off.
    for (const { wire, stream } of slow) {
      wire.writable = false
      stream.drained()
    }
    await publish('a')
    await publish('a', 'x'.repeat(30))
    for (const { stream } of slow) stream.closed()
    const before = counters.overflows
    const late = new TestWire()
    open(late, fresh('a'))
    await settle()
    late.writable = false
    for (let i = 0; i < 3; i++) await publish('a', 'x'.repeat(30))
    expect(counters.overflows).toBe(before)
  })

  it('is given up when its wire takes nothing for three heartbeats', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'))
    await settle()
    wire.writable = false
    await publish('a')
    clock.advance(5 * HEARTBEAT)
    expect(wire.ended).toBe('timeout')
  })

  it('beats once a heartbeat', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'))
    await settle()
    const before = wire.types().filter((type) => type === 'beat').length
    clock.advance(30 * HEARTBEAT)
    const beats = wire.types().filter((type) => type === 'beat').length - before
    expect(beats).toBeGreaterThanOrEqual(27)
    expect(beats).toBeLessThanOrEqual(33)
  })

  it('beats every five seconds for a client that asks for more than the node gives', async () => {
    const wire = new TestWire()
    hub.open({ subscriptions: [fresh('a')], cursor: null, first: [], heartbeat: 7000 }, wire)
    await settle()
    expect(wire.events[0]).toMatchObject({ type: 'hello', heartbeat: 5000 })
    const before = wire.types().filter((type) => type === 'beat').length
    clock.advance(150_000)
    const beats = wire.types().filter((type) => type === 'beat').length - before
    expect(beats).toBeGreaterThanOrEqual(27)
    expect(beats).toBeLessThanOrEqual(33)
  })

  it('says in hello whom it takes the client for, if for anybody', async () => {
    const [ann, nobody] = [new TestWire(), new TestWire()]
    hub.open({ subscriptions: [fresh('a')], cursor: null, first: [], identity: 'ann' }, ann)
    hub.open({ subscriptions: [fresh('a')], cursor: null, first: [] }, nobody)
    await settle()
    expect(ann.events[0]).toMatchObject({ type: 'hello', identity: 'ann' })
    expect(nobody.events[0]).not.toHaveProperty('identity')
  })

  it('ends after its planned life', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'))
    clock.advance(200 * HEARTBEAT)
    expect(wire.ended).toBe('draining')
  })
})

describe('a wire that throws', () => {
  it('costs its own stream only', async () => {
    const broken = new TestWire()
    const healthy = new TestWire()
    open(broken, fresh('a'))
    open(healthy, fresh('a'))
    await settle()
    broken.write = () => {
      throw new RangeError('Invalid string length')
    }
    await publish('a')
    expect(broken.ended).toBe('internal')
    expect(reported).toHaveLength(1)
    await publish('a')
    clock.advance(5 * HEARTBEAT)
    expect(healthy.events.filter(({ type }) => type === 'message')).toHaveLength(2)
    expect(healthy.types().filter((type) => type === 'beat').length).toBeGreaterThan(2)
  })
})

describe('a node without its broker', () => {
  it('tells its streams when that lasts, and when it is over', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'))
    await settle()
    node.lose()
    expect(wire.types()).not.toContain('status')
    clock.advance(1000)
    await turn()
    node.connect()
    await settle()
    expect(wire.events.filter(({ type }) => type === 'status')).toEqual([
      { type: 'status', broker: 'degraded' },
      { type: 'status', broker: 'ok' },
    ])
  })

  it('says nothing of a blink', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'))
    await settle()
    node.lose()
    node.connect()
    clock.advance(10_000)
    await settle()
    expect(wire.types()).not.toContain('status')
  })

  it('tells a stream that is opened meanwhile', async () => {
    node.lose()
    clock.advance(1000)
    const wire = new TestWire()
    open(wire, fresh('a'))
    expect(wire.types()).toEqual(['hello', 'status'])
  })

  it('still delivers live messages on this node', async () => {
    node.lose()
    const wire = new TestWire()
    open(wire, fresh('l', 'live'))
    hub.publishLive('l', '"data":1')
    await turn()
    await turn()
    expect(wire.events).toContainEqual({ type: 'live', channel: 'l', source: 'node', seq: 1, data: 1 })
  })
})

describe('channels', () => {
  it('are subscribed once for all streams, and linger when the last one went', async () => {
    const wire = new TestWire()
    const streams = [open(wire, fresh('a')), open(new TestWire(), fresh('a'))]
    await settle()
    for (const stream of streams) stream.closed()
    clock.advance(4_000)
    const third = new TestWire()
    open(third, fresh('a'))
    await turn()
    await turn()
    // Still subscribed, and known from the first time: nothing had to be asked.
    expect(third.types()).toContain('subscribed')
  })

  it('bring their newest publications first when asked to', async () => {
    for (const text of ['one', 'two', 'three']) await publish('a', text)
    const wire = new TestWire()
    open(wire, fresh('a', 'all', 2))
    await settle()
    const [subscribed] = wire.events.filter((event) => event.type === 'subscribed')
    expect(subscribed?.history?.map(({ data }) => data)).toEqual(['two', 'three'])
  })

  it('are added and taken off in mid-stream', async () => {
    const wire = new TestWire()
    const stream = open(wire, fresh('a'))
    await settle()
    stream.subscribe(fresh('b'))
    await settle()
    await publish('b')
    stream.unsubscribe('b')
    await settle()
    await publish('b')
    expect(wire.events.filter((event) => 'channel' in event && event.channel === 'b').map(({ type }) => type)).toEqual([
      'subscribed',
      'message',
      'unsubscribed',
    ])
  })
})

describe('a hub that closes', () => {
  it('ends its streams as draining and leaves no timer', async () => {
    const wire = new TestWire()
    open(wire, fresh('a'))
    await settle()
    hub.close()
    expect(wire.ended).toBe('draining')
    expect(clock.pending).toBe(0)
  })
})
