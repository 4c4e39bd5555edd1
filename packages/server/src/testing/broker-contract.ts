/** The contract suite of the broker port: every sentence of ports/broker.ts as a test; backends, also those of others, run it. */
import assert from 'node:assert/strict'
import { compareIds, type Id, isId, isRealtimeError, laterId, timeOfId } from '@rt/protocol'
import {
  type Broker,
  type BrokerListener,
  type Entry,
  type History,
  lifeOfLast,
  type Publication,
  type Published,
  type ReadAnswer,
  type ReadRequest,
  type ReadResult,
} from '../ports/broker'

/** What the suite needs of a test runner: vitest, node:test, Jest and Mocha have it. */
export interface TestRunner {
  describe(name: string, define: () => void): unknown
  test(name: string, run: () => Promise<void>): unknown
}

/** Two nodes on one empty store. */
export interface BrokerStore {
  /** Not started yet; the suite starts and closes them. */
  readonly brokers: readonly [Broker, Broker]
  /** Called at the end of each test, after both brokers were closed. */
  close(): Promise<void>
}

/** Makes the stores to test. Every hook that is there adds its tests. */
export interface BrokerFactory<Store extends BrokerStore> {
  /** Two nodes on one empty store, for one test. */
  create(): Promise<Store>
  /** Lets this much time pass for the store, in milliseconds; absent: the suite waits for real time. */
  elapse?(store: Store, ms: number): Promise<void>
  /** Cuts both nodes' links once; they come back by themselves, and nothing stored is lost. */
  cut?(store: Store): Promise<void>
  /** Takes a snapshot; with {@link rollback} only. */
  save?(store: Store): Promise<void>
  /** Brings the store back to the last snapshot, as a restart or a failover does. The links are lost by it. */
  rollback?(store: Store): Promise<void>
  /** Empties the store, as a restart without persistence does. The links are lost by it. */
  wipe?(store: Store): Promise<void>
}

const HISTORY: History = { size: 100, ttl: 60_000 }
const DEDUPE = 60_000

/**
 * Defines the suite.
 *
 * @example
 * import { describe, test } from 'vitest'
 * brokerContract({ describe, test }, 'my broker', { create: async () => ({ brokers: [a, b], close: async () => {} }) })
 */
export function brokerContract<Store extends BrokerStore>(
  { describe, test }: TestRunner,
  name: string,
  factory: BrokerFactory<Store>,
): void {
  /** A test with two started nodes whose links are up. */
  const withNodes = (title: string, run: (a: Node, b: Node, store: Store) => Promise<void>) =>
    test(title, async () => {
      const store = await factory.create()
      const [a, b] = store.brokers.map((broker) => new Node(broker)) as [Node, Node]
      try {
        await Promise.all([a.ready(), b.ready()])
        await run(a, b, store)
      } finally {
        await Promise.all([a.broker.close(), b.broker.close()])
        await store.close()
      }
    })

  describe(`${name} keeps the contract of a broker`, () => {
    describe('what is kept', () => {
      withNodes('is taken once, by whichever node asks first', async ({ broker: a }, { broker: b }) => {
        await a.keep('first', 'one ✓', 60_000)
        await a.keep('second', 'two', 60_000)
        assert.equal(await b.take('first'), 'one ✓')
        assert.equal(await a.take('first'), null)
        const taken = await Promise.all([a, b, a, b].map((broker) => broker.take('second')))
        assert.deepEqual(
          taken.filter((text) => text !== null),
          ['two'],
        )
        assert.equal(await b.take('never'), null)
      })

      withNodes('is gone when its time is over', async ({ broker: a }, { broker: b }, store) => {
        await a.keep('short', 'x', 200)
        await a.keep('long', 'y', 60_000)
        if (factory.elapse === undefined) await new Promise((resolve) => setTimeout(resolve, 400))
        else await factory.elapse(store, 400)
        assert.equal(await b.take('short'), null)
        assert.equal(await b.take('long'), 'y')
      })
    })

    describe('partitions', () => {
      withNodes('every channel has one partition, the same on every node', async (a, b) => {
        assert.ok(Number.isInteger(a.broker.partitions) && a.broker.partitions >= 1)
        assert.equal(a.broker.partitions, b.broker.partitions)
        for (const channel of Array.from({ length: 200 }, (_, i) => `chat:${i}`)) {
          const partition = a.broker.partition(channel)
          assert.ok(Number.isInteger(partition) && partition >= 0 && partition < a.broker.partitions)
          assert.equal(b.broker.partition(channel), partition)
        }
      })

      withNodes('the link to every partition is reported up, once', async (a) => {
        for (let partition = 0; partition < a.broker.partitions; partition++)
          assert.deepEqual(a.links(partition), ['up'])
      })
    })

    describe('the clock', () => {
      withNodes('ids increase over all channels of a partition, whichever node publishes', async (a, b) => {
        const ids: Id[] = []
        for (let i = 0; i < 60; i++) {
          const { id } = await (i % 2 === 0 ? a : b).publish(a.channel(`c${i % 5}`))
          ids.push(id)
        }
        assert.ok(ids.every(isId))
        assertIncreasing(ids)
      })

      withNodes('ids of publications that are stamped at once are different', async (a, b) => {
        const all = await Promise.all(
          Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? a : b).publish(a.channel(`c${i % 7}`))),
        )
        assert.equal(new Set(all.map(({ id }) => id)).size, 200)
      })

      withNodes(
        'concurrent publications of one node to one channel are stored in the order of the calls',
        async (a) => {
          const channel = a.channel('c')
          const all = await Promise.all(Array.from({ length: 50 }, (_, i) => a.publish(channel, `"data":${i}`)))
          assertIncreasing(all.map(({ id }) => id))
        },
      )
    })

    describe('dedupe', () => {
      withNodes('a messageId is stored once, and every retry by any node is answered with its id', async (a, b) => {
        const channel = a.channel('c')
        const first = await a.publish(channel, '"data":1', { messageId: 'm1' })
        assert.equal(first.duplicate, false)
        for (const node of [a, b, a]) {
          assert.deepEqual(await node.publish(channel, '"data":1', { messageId: 'm1' }), {
            id: first.id,
            duplicate: true,
          })
        }
        assert.deepEqual(
          (await a.entries(channel)).map(({ id }) => id),
          [first.id],
        )
      })

      withNodes('of retries that run at once one is stored', async (a, b) => {
        const channel = a.channel('c')
        const all = await Promise.all(
          [a, b, a, b].map((node) => node.publish(channel, '"data":1', { messageId: 'm1' })),
        )
        assert.equal(new Set(all.map(({ id }) => id)).size, 1)
        assert.equal(all.filter(({ duplicate }) => !duplicate).length, 1)
      })

      withNodes('a duplicate is not announced', async (a, b) => {
        const channel = a.channel('c')
        await b.subscribe(channel)
        const first = await a.publish(channel, '"data":1', { messageId: 'm1' })
        await a.publish(channel, '"data":1', { messageId: 'm1' })
        const second = await a.publish(channel, '"data":2')
        await b.hears(channel, second.id)
        assert.deepEqual(b.heard(channel), [first.id, second.id])
      })

      withNodes('the same messageId on another channel is another publication', async (a) => {
        const first = await a.publish(a.channel('c'), '"data":1', { messageId: 'm1' })
        const second = await a.publish(a.channel('d'), '"data":1', { messageId: 'm1' })
        assert.equal(second.duplicate, false)
        assert.notEqual(first.id, second.id)
      })

      withNodes('a messageId is forgotten after the time that the publish asked for', async (a, _b, store) => {
        const channel = a.channel('c')
        const first = await a.publish(channel, '"data":1', { messageId: 'm1', dedupe: 500 })
        const later = await after(store, 501, async () => {
          const again = await a.publish(channel, '"data":1', { messageId: 'm1', dedupe: 500 })
          return again.duplicate ? null : again
        })
        assert.ok(compareIds(first.id, later.id) < 0)
      })
    })

    describe('prev', () => {
      withNodes('each publication names the one before it in its channel', async (a, b) => {
        const [c, d] = [a.channel('c'), a.channel('d')]
        const ids: Id[] = []
        for (let i = 0; i < 10; i++) {
          ids.push((await (i % 2 === 0 ? a : b).publish(c)).id)
          await a.publish(d)
        }
        const entries = await a.entries(c)
        assert.deepEqual(
          entries.map(({ id }) => id),
          ids,
        )
        assert.deepEqual(
          entries.slice(1).map(({ prev }) => prev),
          ids.slice(0, -1),
        )
      })

      withNodes(
        'the first publication of a channel names the id that a stored `last` could not be older than',
        async (a) => {
          const channel = a.channel('c')
          const { id } = await a.publish(channel)
          const [entry] = await a.entries(channel)
          assert.ok(entry !== undefined && isId(entry.prev))
          const age = timeOfId(id) - timeOfId(entry.prev)
          assert.ok(Math.abs(age - lifeOfLast(HISTORY)) <= 1000, `prev is ${age} ms old`)
        },
      )

      withNodes('an announcement carries id, prev, epoch and body as a read returns them', async (a, b) => {
        const channel = a.channel('c')
        await b.subscribe(channel)
        await a.publish(channel, '"messageId":"x","data":"\\u0000 ü 😀 \\n"')
        const { id } = await a.publish(channel, '"messageId":"y","data":{"a":[1,2]}')
        await b.hears(channel, id)
        const { epoch, answers } = await a.read([newest(channel, 10)])
        const entries = only(answers).entries
        assert.equal(entries.length, 2)
        assert.deepEqual(
          b.publications.filter((publication) => publication.channel === channel),
          entries.map((entry) => ({ partition: a.partition, channel, epoch, ...entry })),
        )
      })
    })

    describe('reads', () => {
      withNodes('`after` gives what is newer, oldest first', async (a, b) => {
        const channel = a.channel('c')
        const ids = await publishMany(a, channel, 10)
        const answer = await b.readOne({ channel, after: ids[3] as Id, last: 0, life: 0 })
        assert.deepEqual(
          answer.entries.map(({ id }) => id),
          ids.slice(4),
        )
        assert.equal(answer.more, false)
        assert.equal(answer.last, ids[9])
      })

      withNodes('`after` the newest id, or any later one, gives nothing', async (a) => {
        const channel = a.channel('c')
        const [id] = (await publishMany(a, channel, 1)) as [Id]
        for (const position of [id, `${timeOfId(id) + 1000}-0`]) {
          const answer = await a.readOne({ channel, after: position, last: 0, life: 0 })
          assert.deepEqual(answer, { entries: [], more: false, last: id })
        }
      })

      withNodes('`last` gives the newest, oldest first', async (a) => {
        const channel = a.channel('c')
        const ids = await publishMany(a, channel, 10)
        const answer = await a.readOne(newest(channel, 3))
        assert.deepEqual(
          answer.entries.map(({ id }) => id),
          ids.slice(7),
        )
        assert.equal(answer.last, ids[9])
        assert.deepEqual(await a.readOne(newest(channel, 0)), { entries: [], more: false, last: ids[9] })
        assert.equal((await a.readOne(newest(channel, 1000))).entries.length, 10)
      })

      withNodes('pages reach the end of a log that one answer does not hold', async (a) => {
        const [channel, big] = [a.channel('c'), a.channel('big')]
        const ids = await publishMany(a, channel, 1500, { size: 2000, ttl: 60_000 })
        const body = `"data":"${'x'.repeat(60_000)}"`
        const bigIds: Id[] = []
        for (let i = 0; i < 40; i++) bigIds.push((await a.publish(big, body)).id)
        for (const [name, expected] of [
          [channel, ids],
          [big, bigIds],
        ] as const) {
          const got: Entry[] = []
          for (let position = '0-0', more = true; more; ) {
            const answer = await a.readOne({ channel: name, after: position, last: 0, life: 0 })
            if (answer.more) assert.ok(answer.entries.length > 0)
            got.push(...answer.entries)
            position = answer.entries.at(-1)?.id ?? position
            more = answer.more
          }
          assert.deepEqual(
            got.map(({ id }) => id),
            expected,
          )
        }
      })

      withNodes(
        'a channel without any publication has a `last` that is `life` old, and not beyond the head',
        async (a) => {
          await a.publish(a.channel('other'))
          const life = 5000
          const { head, answers } = await a.read([
            { channel: a.channel('c'), after: null, last: 10, life },
            { channel: a.channel('c'), after: '0-0', last: 0, life },
          ])
          assert.equal(answers?.length, 2)
          for (const answer of answers ?? []) {
            assert.deepEqual(answer.entries, [])
            assert.equal(answer.more, false)
            assert.ok(timeOfId(answer.last) >= timeOfId(head) - life)
            assert.ok(compareIds(answer.last, head) <= 0)
          }
        },
      )

      withNodes('the head is the newest id of the partition, whichever channel has it', async (a) => {
        const [c, d] = [a.channel('c'), a.channel('d')]
        await a.publish(c)
        const { id } = await a.publish(d)
        assert.equal((await a.read([newest(c, 1)])).head, id)
        assert.equal((await a.broker.read(a.partition, null, [])).head, id)
      })

      withNodes('answers stand in the order of the requests', async (a) => {
        const [c, d] = [a.channel('c'), a.channel('d')]
        const [first] = (await publishMany(a, c, 1)) as [Id]
        const [second] = (await publishMany(a, d, 1)) as [Id]
        const { answers } = await a.read([newest(d, 1), newest(c, 1), newest(d, 0)])
        assert.deepEqual(
          answers?.map(({ last }) => last),
          [second, first, second],
        )
      })

      withNodes('all requests of one call see one moment', async (a, b) => {
        const [c, d] = [a.channel('c'), a.channel('d')]
        let writing = true
        const writer = (async () => {
          while (writing) {
            await b.publish(c)
            await b.publish(d)
          }
        })()
        try {
          for (let i = 0; i < 50; i++) {
            const { head, answers } = await a.read([newest(c, 1), newest(d, 1), newest(c, 1)])
            const [first, second, third] = answers as [ReadAnswer, ReadAnswer, ReadAnswer]
            assert.equal(first.last, third.last)
            assert.equal(first.entries.at(-1)?.id, third.entries.at(-1)?.id)
            // The newest id of the partition is the newest of its only two channels.
            if (second.entries.length > 0) assert.equal(laterId(first.last, second.last), head)
          }
        } finally {
          writing = false
          await writer
        }
      })

      withNodes('an epoch is an id, the same on both nodes, not newer than what it stamped', async (a, b) => {
        const { epoch, past } = await a.broker.read(a.partition, null, [])
        const { id } = await b.publish(a.channel('c'))
        assert.ok(isId(epoch))
        assert.ok(compareIds(epoch, id) <= 0)
        assert.deepEqual(past, [])
        assert.equal((await b.broker.read(a.partition, epoch, [])).epoch, epoch)
      })

      withNodes('nothing is read when the caller expects another epoch, or knows none', async (a) => {
        const channel = a.channel('c')
        await publishMany(a, channel, 3)
        const { epoch, head } = await a.broker.read(a.partition, null, [])
        for (const expected of ['1-0', null]) {
          const other = await a.broker.read(a.partition, expected, [newest(channel, 3)])
          assert.deepEqual(other, { epoch, past: [], head, answers: null })
        }
        assert.equal((await a.broker.read(a.partition, epoch, [newest(channel, 3)])).answers?.[0]?.entries.length, 3)
      })
    })

    describe('history', () => {
      withNodes('at least the newest `size` are kept, and not much more', async (a) => {
        const channel = a.channel('c')
        const ids = await publishMany(a, channel, 600, { size: 10, ttl: 60_000 })
        const kept = await a.entries(channel)
        assert.ok(kept.length >= 10 && kept.length < 300, `${kept.length} of 600 are kept`)
        assert.deepEqual(
          kept.map(({ id }) => id),
          ids.slice(-kept.length),
        )
        // What was trimmed shows: the first that is left names one that is not.
        assert.equal(kept[0]?.prev, ids.at(-kept.length - 1))
      })

      withNodes('a log that has passed its `ttl` is gone, and its newest id is not', async (a, _b, store) => {
        const channel = a.channel('c')
        const history = { size: 100, ttl: 1000 }
        const ids = await publishMany(a, channel, 3, history)
        const answer = await after(store, 1001, async () => {
          const found = await a.readOne({ channel, after: '0-0', last: 0, life: lifeOfLast(history) })
          return found.entries.length === 0 ? found : null
        })
        assert.equal(answer.last, ids[2])
        const { id } = await a.publish(channel, '"data":4', { history })
        assert.deepEqual(
          (await a.entries(channel)).map(({ prev }) => prev),
          [ids[2]],
        )
        assert.equal((await a.readOne(newest(channel, 1))).last, id)
      })
    })

    describe('announcements', () => {
      withNodes('reach a node in the order of their ids, from all channels of a partition', async (a, b) => {
        const channels = Array.from({ length: 5 }, (_, i) => a.channel(`c${i}`))
        await b.subscribe(...channels)
        const all = await Promise.all(
          Array.from({ length: 200 }, (_, i) => (i % 3 === 0 ? b : a).publish(channels[i % 5] as string)),
        )
        const ids = all.map(({ id }) => id).sort(compareIds)
        for (const channel of channels) await b.hears(channel, newestOf(all, channels, channel))
        assert.deepEqual(
          b.publications.map(({ id }) => id),
          ids,
        )
      })

      withNodes('reach the publishing node too', async (a) => {
        const channel = a.channel('c')
        await a.subscribe(channel)
        const { id } = await a.publish(channel)
        await a.hears(channel, id)
      })

      withNodes('reach only nodes that subscribed to the channel', async (a, b) => {
        const [c, d] = [a.channel('c'), a.channel('d')]
        await a.subscribe(c, d)
        await b.subscribe(d)
        await a.publish(c)
        const { id } = await a.publish(d)
        await Promise.all([a.hears(d, id), b.hears(d, id)])
        assert.deepEqual(b.heard(c), [])
        assert.equal(a.heard(c).length, 1)
      })

      withNodes('never miss a publication that was stamped after `subscribe` resolved', async (a, b) => {
        for (let i = 0; i < 100; i++) {
          const channel = a.channel(`c${i}`)
          await b.subscribe(channel)
          const { id } = await a.publish(channel)
          await b.hears(channel, id)
        }
      })

      withNodes('come once when a channel was subscribed to twice', async (a, b) => {
        const channel = a.channel('c')
        await b.subscribe(channel)
        await Promise.all([b.subscribe(channel), b.subscribe(channel, channel)])
        await a.publish(channel)
        const { id } = await a.publish(channel)
        await b.hears(channel, id)
        assert.equal(b.heard(channel).length, 2)
      })

      withNodes('go on when a later `subscribe` overtakes an `unsubscribe`', async (a, b) => {
        const channel = a.channel('c')
        await b.subscribe(channel)
        for (let i = 0; i < 20; i++) {
          b.broker.unsubscribe(a.partition, [channel])
          await b.subscribe(channel)
          const { id } = await a.publish(channel)
          await b.hears(channel, id)
        }
      })

      withNodes('of thousands of channels are confirmed by one call', async (a, b) => {
        const channels = Array.from({ length: 2500 }, (_, i) => a.channel(`c${i}`))
        await b.subscribe(...channels)
        for (const channel of [channels[0], channels[1001], channels.at(-1)] as string[]) {
          const { id } = await a.publish(channel)
          await b.hears(channel, id)
        }
        b.broker.unsubscribe(a.partition, channels)
      })

      withNodes('subscribing to nothing resolves', async (a) => {
        await a.broker.subscribe(a.partition, [])
        a.broker.unsubscribe(a.partition, [])
      })
    })

    describe('live messages', () => {
      withNodes('reach the other nodes in order, once, and never their publisher', async (a, b) => {
        const [channel, end] = [a.channel('live'), a.channel('end')]
        await Promise.all([a.subscribe(channel, end), b.subscribe(channel, end)])
        const bodies = Array.from({ length: 100 }, (_, i) => `"data":${i}`)
        for (const body of bodies) a.broker.publishLive(channel, body)
        await b.hearsLive(channel, bodies.length)
        // Everything that was to come back to the publisher would have, before this.
        const { id } = await a.publish(end)
        await Promise.all([a.hears(end, id), b.hears(end, id)])
        assert.deepEqual(b.liveOf(channel), bodies)
        assert.deepEqual(a.liveOf(channel), [])
      })

      withNodes('are not stored', async (a, b) => {
        const channel = a.channel('live')
        await b.subscribe(channel)
        a.broker.publishLive(channel, '"data":1')
        await b.hearsLive(channel, 1)
        assert.deepEqual((await a.readOne(newest(channel, 10))).entries, [])
      })
    })

    describe('closing', () => {
      withNodes('closing twice is harmless, and what never throws does not after it either', async (a) => {
        await a.broker.close()
        await a.broker.close()
        a.broker.publishLive(a.channel('c'), '"data":1')
        a.broker.unsubscribe(a.partition, [a.channel('c')])
      })
    })

    const { cut, save, rollback, wipe } = factory

    if (cut !== undefined) {
      describe('a cut', () => {
        withNodes('is reported as down and up, in turns, and nothing is subscribed after it', async (a, b, store) => {
          const [c, d] = [a.channel('c'), a.channel('d')]
          await b.subscribe(c, d)
          const back = Promise.all([a.nextUp(), b.nextUp()])
          await cut(store)
          await back
          for (let partition = 0; partition < b.broker.partitions; partition++) {
            const states = b.links(partition)
            assert.deepEqual(
              states,
              states.map((_, i) => (i % 2 === 0 ? 'up' : 'down')),
            )
          }
          await b.subscribe(d)
          await a.eventually(() => a.publish(c))
          const { id } = await a.eventually(() => a.publish(d))
          await b.hears(d, id)
          assert.deepEqual(b.heard(c), [])
        })

        withNodes('loses no stored publication and starts no epoch', async (a, b, store) => {
          const channel = a.channel('c')
          const ids = await publishMany(a, channel, 5)
          const before = await a.broker.read(a.partition, null, [])
          const back = Promise.all([a.nextUp(), b.nextUp()])
          await cut(store)
          await back
          const now = await b.eventually(() => b.broker.read(a.partition, before.epoch, [newest(channel, 10)]))
          assert.deepEqual(
            only(now.answers).entries.map(({ id }) => id),
            ids,
          )
          assert.deepEqual(now.past, [])
        })

        withNodes('voids the subscribes that it interrupts', async (a, b, store) => {
          const channels = Array.from({ length: 200 }, (_, i) => a.channel(`c${i}`))
          const before = b.links(a.partition).length
          const back = b.nextUp()
          const subscribing = channels.map((channel) =>
            b.subscribe(channel).then(
              () => b.links(a.partition).length,
              () => before,
            ),
          )
          await cut(store)
          await back
          // Confirmed while the link was still that of the call, or rejected.
          assert.deepEqual(new Set(await Promise.all(subscribing)), new Set([before]))
        })
      })
    }

    const losses = [
      ...(wipe === undefined ? [] : [['the loss of all data', wipe, async () => {}] as const]),
      ...(rollback === undefined || save === undefined ? [] : [['a rollback', rollback, save] as const]),
    ]
    for (const [what, lose, prepare] of losses) {
      describe(what, () => {
        withNodes('starts a new epoch, reported by every read', async (a, b, store) => {
          const channel = a.channel('c')
          await publishMany(a, channel, 5)
          await prepare(store)
          const before = await a.broker.read(a.partition, null, [])
          await publishMany(a, channel, 5)
          await a.across(b, () => lose(store))
          const now = await b.eventually(() => b.broker.read(a.partition, before.epoch, [newest(channel, 100)]))
          assert.notEqual(now.epoch, before.epoch)
          assert.equal(now.answers, null)
          assert.deepEqual((await a.broker.read(a.partition, now.epoch, [])).epoch, now.epoch)
          if (prepare === save) assert.deepEqual(now.past, [{ epoch: before.epoch, end: before.head }])
        })

        withNodes('never hands out an id twice', async (a, b, store) => {
          const channel = a.channel('c')
          const ids = await publishMany(a, channel, 20)
          await prepare(store)
          ids.push(...(await publishMany(b, channel, 20)))
          for (let life = 0; life < 2; life++) {
            await a.across(b, () => lose(store))
            ids.push((await b.eventually(() => b.publish(channel))).id)
            ids.push(...(await publishMany(a, channel, 20)))
          }
          assertIncreasing(ids)
        })

        withNodes('shows in the epoch of announcements', async (a, b, store) => {
          const channel = a.channel('c')
          await prepare(store)
          const before = await a.broker.read(a.partition, null, [])
          await a.across(b, () => lose(store))
          await b.subscribe(channel)
          const { id } = await a.eventually(() => a.publish(channel))
          await b.hears(channel, id)
          const now = await b.broker.read(a.partition, null, [])
          assert.notEqual(b.publications.at(-1)?.epoch, before.epoch)
          assert.equal(b.publications.at(-1)?.epoch, now.epoch)
        })
      })
    }
    if (rollback !== undefined && save !== undefined) {
      describe('two rollbacks', () => {
        withNodes(
          'are both remembered, oldest first, and every end is older than the next epoch',
          async (a, b, store) => {
            const channel = a.channel('c')
            await publishMany(a, channel, 3)
            await save(store)
            const first = await a.broker.read(a.partition, null, [])
            await a.across(b, () => rollback(store))
            const second = await a.eventually(() => a.broker.read(a.partition, null, []))
            await publishMany(a, channel, 3)
            await save(store)
            const { head } = await a.broker.read(a.partition, null, [])
            await publishMany(a, channel, 3)
            await a.across(b, () => rollback(store))
            const third = await a.eventually(() => a.broker.read(a.partition, null, []))
            assert.deepEqual(third.past, [
              { epoch: first.epoch, end: first.head },
              { epoch: second.epoch, end: head },
            ])
            assert.ok(compareIds(head, third.epoch) < 0)
          },
        )
      })
    }

    /** Runs the check until it finds something, for the time given and a good while more. */
    async function after<T>(store: Store, ms: number, check: () => Promise<T | null>): Promise<T> {
      await factory.elapse?.(store, ms)
      const deadline = performance.now() + ms + 10_000
      for (;;) {
        const found = await check()
        if (found !== null) return found
        assert.ok(performance.now() < deadline, `Not within ${ms + 10_000} ms.`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  })
}

/** A started broker with everything that its listener was told. */
class Node implements BrokerListener {
  readonly publications: Publication[] = []
  readonly #lives: { channel: string; body: string }[] = []
  readonly #links = new Map<number, ('up' | 'down')[]>()
  readonly #waiting = new Set<() => void>()
  readonly partition: number

  constructor(readonly broker: Broker) {
    this.partition = broker.partition('probe')
    broker.start(this)
  }

  publication(publication: Publication): void {
    this.publications.push(publication)
    this.#changed()
  }

  live(channel: string, body: string): void {
    this.#lives.push({ channel, body })
    this.#changed()
  }

  /** The presence contract's matter. */
  presence(): void {}

  up(partition: number): void {
    this.#record(partition, 'up')
  }

  down(partition: number): void {
    this.#record(partition, 'down')
  }

  /** Resolves when every partition is up. */
  ready(): Promise<void> {
    return this.#until(() => this.#allUp())
  }

  /** `up` and `down` of a partition as they came. */
  links(partition: number): readonly ('up' | 'down')[] {
    return this.#links.get(partition) ?? []
  }

  /** Resolves when every partition was reported down and up again after this call. */
  nextUp(): Promise<void> {
    const before = Array.from({ length: this.broker.partitions }, (_, partition) => this.links(partition).length)
    return this.#until(() => before.every((count, partition) => this.links(partition).length > count) && this.#allUp())
  }

  /** Does something that cuts the links of both nodes, and waits until they are back. */
  async across(other: Node, run: () => Promise<void>): Promise<void> {
    const back = Promise.all([this.nextUp(), other.nextUp()])
    await run()
    await back
  }

  /** A channel of this node's first partition, new to the store of this test. */
  channel(name: string): string {
    for (let i = 0; ; i++) {
      const channel = `${name}:${i}`
      if (this.broker.partition(channel) === this.partition) return channel
    }
  }

  /** Stands before its messageIds, so that no two nodes make the same one. */
  readonly #name = Math.random().toString(36).slice(2)
  #messages = 0
  #epoch: Id | null = null

  publish(
    channel: string,
    body = '"data":null',
    {
      messageId = '',
      dedupe = DEDUPE,
      history = HISTORY,
    }: { messageId?: string; dedupe?: number; history?: History } = {},
  ): Promise<Published> {
    const id = messageId === '' ? `${this.#name}-${this.#messages++}` : messageId
    return this.broker.publish({ channel, messageId: id, body, history, dedupe })
  }

  subscribe(...channels: string[]): Promise<void> {
    return this.broker.subscribe(this.partition, channels)
  }

  /** Reads in whatever epoch there is. */
  async read(requests: readonly ReadRequest[]): Promise<ReadResult> {
    for (;;) {
      const result = await this.broker.read(this.partition, this.#epoch, requests)
      if (result.answers !== null) return result
      this.#epoch = result.epoch
    }
  }

  async readOne(request: ReadRequest): Promise<ReadAnswer> {
    return only((await this.read([request])).answers)
  }

  async entries(channel: string): Promise<readonly Entry[]> {
    return (await this.readOne(newest(channel, 1000))).entries
  }

  heard(channel: string): Id[] {
    return this.publications.filter((publication) => publication.channel === channel).map(({ id }) => id)
  }

  hears(channel: string, id: Id): Promise<void> {
    return this.#until(() => this.heard(channel).includes(id))
  }

  liveOf(channel: string): string[] {
    return this.#lives.filter((live) => live.channel === channel).map(({ body }) => body)
  }

  hearsLive(channel: string, count: number): Promise<void> {
    return this.#until(() => this.liveOf(channel).length >= count)
  }

  /** Tries again while the broker is away. */
  async eventually<T>(run: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await run()
      } catch (error) {
        if (!isRealtimeError(error) || error.code !== 'broker_unavailable' || tries > 100) throw error
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  #allUp(): boolean {
    for (let partition = 0; partition < this.broker.partitions; partition++) {
      if (this.links(partition).at(-1) !== 'up') return false
    }
    return true
  }

  #record(partition: number, state: 'up' | 'down'): void {
    const states = this.#links.get(partition) ?? []
    states.push(state)
    this.#links.set(partition, states)
    this.#changed()
  }

  #changed(): void {
    for (const check of [...this.#waiting]) check()
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }
}

function newest(channel: string, last: number): ReadRequest {
  return { channel, after: null, last, life: lifeOfLast(HISTORY) }
}

async function publishMany(node: Node, channel: string, count: number, history: History = HISTORY): Promise<Id[]> {
  const all = await Promise.all(
    Array.from({ length: count }, (_, i) => node.publish(channel, `"data":${i}`, { history })),
  )
  return all.map(({ id }) => id)
}

function only(answers: readonly ReadAnswer[] | null): ReadAnswer {
  assert.equal(answers?.length, 1)
  return answers?.[0] as ReadAnswer
}

/** The newest of the published ids that belong to a channel, when publication i went to channel i modulo their number. */
function newestOf(all: readonly Published[], channels: readonly string[], channel: string): Id {
  return all
    .filter((_, i) => channels[i % channels.length] === channel)
    .map(({ id }) => id)
    .reduce(laterId)
}

function assertIncreasing(ids: readonly Id[]): void {
  for (let i = 1; i < ids.length; i++) {
    assert.ok(compareIds(ids[i - 1] as Id, ids[i] as Id) < 0, `${ids[i]} follows ${ids[i - 1]}`)
  }
}
