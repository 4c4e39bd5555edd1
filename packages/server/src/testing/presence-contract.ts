/** What every presence store must do, as tests: run over the memory and the Redis backend, and over backends that others write. */
import assert from 'node:assert/strict'
import { compareIds, limits, type PresenceChange } from '@rt/protocol'
import type { PresenceNotice, Seat } from '../ports/presence'
import type { BrokerFactory, BrokerStore, TestRunner } from './broker-contract'

const TTL = 1000
const GAP = 5000
const CHANNEL = 'room:1'

/**
 * Defines the suite, with the factory that {@link brokerContract} takes; of its hooks only `elapse` counts here.
 *
 * @example
 * import { describe, test } from 'vitest'
 * presenceContract({ describe, test }, 'my broker', { create: async () => ({ brokers: [a, b], close: async () => {} }) })
 */
export function presenceContract<S extends BrokerStore>(
  { describe, test }: TestRunner,
  name: string,
  {
    create,
    elapse = (_, ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  }: Pick<BrokerFactory<S>, 'create' | 'elapse'>,
): void {
  describe(`${name}: presence`, () => {
    function check(title: string, run: (world: World<S>) => Promise<void>): void {
      test(title, async () => {
        const setup = await create()
        const world = new World(setup)
        try {
          await world.start()
          await run(world)
        } finally {
          await Promise.all(setup.brokers.map((broker) => broker.close()))
          await setup.close()
        }
      })
    }

    check('the first client enters, the last one leaves; what lies between is silent', async (world) => {
      await world.enter('ann', 'tab1', 1)
      await world.enter('ann', 'tab2', 1)
      await world.leave('ann', 'tab1')
      await world.leave('ann', 'tab2')
      await world.leave('ann', 'tab2')
      assert.deepEqual(await world.told(2), [change('enter', 'ann', 1), change('leave', 'ann', 1)])
      await world.silent()
    })

    check('notices of both nodes reach both, stamped in order, each naming the one before', async (world) => {
      await world.enter('ann', 'a', 1)
      await world.enter('bob', 'b', 2, 1)
      await world.enter('ann', 'a', 3)
      await world.told(3)
      for (const notices of world.notices) {
        assert.equal(notices.length, 3)
        assert.equal(notices[0]?.prev, '0-0')
        for (const [i, { prev, id }] of notices.slice(1).entries()) {
          assert.equal(prev, notices[i]?.id)
          assert.ok(compareIds(id, prev) > 0)
        }
      }
      const { id, members } = await world.store.members(CHANNEL)
      assert.equal(id, world.notices[0]?.[2]?.id)
      assert.deepEqual(
        new Map(members.map(({ member, state }) => [member, state])),
        new Map([
          ['ann', '3'],
          ['bob', '2'],
        ]),
      )
      assert.equal(await world.store.count(CHANNEL), 2)
    })

    check("a member shows what its clients said last, and the earlier one's when that client goes", async (world) => {
      await world.enter('ann', 'tab1', 1)
      await world.enter('ann', 'tab2', 2)
      await world.enter('ann', 'tab2', 2)
      await world.leave('ann', 'tab2')
      assert.deepEqual(await world.told(3), [
        change('enter', 'ann', 1),
        change('update', 'ann', 2),
        change('update', 'ann', 1),
      ])
      await world.silent()
    })

    check('a client that said something again is the last one, once', async (world) => {
      await world.enter('ann', 'tab1', 1)
      await world.enter('ann', 'tab2', 2)
      await world.enter('ann', 'tab1', 3)
      await world.leave('ann', 'tab1')
      await world.leave('ann', 'tab2')
      assert.deepEqual(await world.told(5), [
        change('enter', 'ann', 1),
        change('update', 'ann', 2),
        change('update', 'ann', 3),
        change('update', 'ann', 2),
        change('leave', 'ann', 2),
      ])
    })

    check('release only shortens', async (world) => {
      await world.pulse()
      await world.enter('ann', 'a', 1)
      await world.store.release(world.partition, [seat('ann', 'a')], 'first', 60_000)
      await elapse(world.setup, TTL + 100)
      await world.pulse()
      await world.store.sweep(CHANNEL)
      assert.equal(await world.store.count(CHANNEL), 0)
    })

    check('ids of any kind are told apart and come back as they are', async (world) => {
      const ids = ['__proto__', 'constructor', '😀', 'a "quote" \\ and / slash', 'two\nlines', ' ', 'x'.repeat(255)]
      for (const id of ids) await world.enter(id, 'c', { of: id })
      assert.deepEqual(
        await world.told(ids.length),
        ids.map((id) => change('enter', id, { of: id })),
      )
      const { members } = await world.store.members(CHANNEL)
      assert.deepEqual(
        members.map(({ member, state }) => [member, JSON.parse(state)]).sort(),
        ids.map((id) => [id, { of: id }]).sort(),
      )
      for (const id of ids) await world.leave(id, 'c')
      assert.equal(await world.store.count(CHANNEL), 0)
    })

    check('a member has so many clients in a channel, and no more', async (world) => {
      for (let i = 0; i < limits.clients; i++) assert.equal(await world.enter('ann', `c${i}`, 1), true)
      assert.equal(await world.enter('ann', 'more', 1), false)
      assert.equal(await world.enter('ann', 'c0', 2), true)
    })

    check('an expired seat stays until a sweep, and is told once, whoever sweeps', async (world) => {
      await world.pulse()
      await world.enter('ann', 'a', 1)
      await world.enter('bob', 'b', 1)
      await elapse(world.setup, TTL / 2)
      const [found] = await world.store.touch(world.partition, [{ ...seat('bob', 'b'), owner: null, ttl: 60_000 }])
      assert.equal(found, '1')
      await elapse(world.setup, TTL / 2 + 300)
      assert.equal(await world.store.count(CHANNEL), 2)
      const { due, hold } = await world.pulse()
      assert.equal(hold, 0)
      assert.deepEqual(due, [CHANNEL])
      assert.deepEqual((await world.pulse(1)).due, [], 'handed out twice')
      await Promise.all(world.setup.brokers.map(({ presence }) => presence.sweep(CHANNEL)))
      assert.deepEqual(await world.told(3), [
        change('enter', 'ann', 1),
        change('enter', 'bob', 1),
        change('leave', 'ann', 1),
      ])
      await world.silent()
    })

    check('touch answers null for what is not there, and moves the owner', async (world) => {
      await world.pulse()
      await world.enter('ann', 'a', 1)
      const requests = [seat('ann', 'a'), seat('ann', 'other'), seat('zed', 'a')]
      const states = await world.store.touch(
        world.partition,
        requests.map((each) => ({ ...each, owner: 'second', ttl: 60_000 })),
      )
      assert.deepEqual(states, ['1', null, null])
      await world.pulse()
      // The first stream's end comes late: the seat is not its own any more.
      await world.store.release(world.partition, [seat('ann', 'a')], 'first', 0)
      await elapse(world.setup, 300)
      await world.pulse()
      await world.store.sweep(CHANNEL)
      assert.equal(await world.store.count(CHANNEL), 1)
      await world.store.release(world.partition, [seat('ann', 'a')], 'second', 0)
      await elapse(world.setup, 300)
      await world.pulse()
      await world.store.sweep(CHANNEL)
      assert.equal(await world.store.count(CHANNEL), 0)
    })

    check('nobody is swept while the store may have been away, and then those who are gone', async (world) => {
      await world.pulse()
      await world.enter('ann', 'a', 1)
      await elapse(world.setup, 500)
      const { hold, due } = await world.pulse(0, 200)
      assert.ok(hold > 0 && hold <= TTL, `a hold of ${hold}`)
      assert.deepEqual(due, [])
      assert.equal(await world.store.sweep(CHANNEL), false)
      assert.equal(await world.store.count(CHANNEL), 1)
      await elapse(world.setup, TTL + 100)
      assert.equal((await world.pulse()).hold, 0)
      await world.store.sweep(CHANNEL)
      assert.equal(await world.store.count(CHANNEL), 0)
      assert.deepEqual(await world.told(2), [change('enter', 'ann', 1), change('leave', 'ann', 1)])
    })

    check('nobody is swept behind an old pulse', async (world) => {
      await world.enter('ann', 'a', 1)
      await world.store.pulse(world.partition, { epoch: null, ttl: 1, gap: 200 })
      await elapse(world.setup, TTL + 300)
      assert.equal(await world.store.sweep(CHANNEL), false)
      assert.equal(await world.store.count(CHANNEL), 1)
    })

    check('where nobody is left, nobody can be missed: no hold', async (world) => {
      await world.pulse()
      await world.enter('ann', 'a', 1)
      await world.leave('ann', 'a')
      await elapse(world.setup, 300)
      const { hold, due } = await world.store.pulse(world.partition, { epoch: null, ttl: TTL, gap: 200 })
      assert.deepEqual({ hold, due }, { hold: 0, due: [] })
    })

    check('of very many expired seats each is told once, over several sweeps', async (world) => {
      const names = Array.from({ length: 450 }, (_, i) => `m${i}`)
      await world.pulse()
      await Promise.all(names.map((name, i) => world.enter(name, 'c', i, (i % 2) as 0 | 1)))
      await elapse(world.setup, TTL + 300)
      assert.deepEqual((await world.pulse()).due, [CHANNEL])
      const stores = world.setup.brokers.map(({ presence }) => presence)
      await Promise.all(
        stores.map(async (store) => {
          while (await store.sweep(CHANNEL));
        }),
      )
      const changes = await world.told(2 * names.length)
      const gone = changes.filter(({ action }) => action === 'leave').map(({ member }) => member)
      assert.deepEqual(gone.sort(), [...names].sort())
      assert.deepEqual((await world.store.members(CHANNEL)).members, [])
    })

    check('a due channel that nobody swept is handed out again, at most 100 at a time', async (world) => {
      const channels = Array.from({ length: 3000 }, (_, i) => `due:${i}`)
        .filter((channel) => world.setup.brokers[0].partition(channel) === world.partition)
        .slice(0, 150)
      await world.pulse()
      await Promise.all(
        channels.map((channel) =>
          world.store.enter({ channel, member: 'ann', client: 'a', state: '1', owner: 'first', ttl: 1 }),
        ),
      )
      await elapse(world.setup, 300)
      const first = await world.pulse()
      const second = await world.pulse(1)
      assert.equal(first.due.length, 100)
      assert.deepEqual([...first.due, ...second.due].sort(), [...channels].sort())
      await elapse(world.setup, 2500)
      assert.deepEqual((await world.pulse()).due, [])
      await elapse(world.setup, 2600)
      assert.equal((await world.pulse()).due.length, 100)
    })

    check('a seat that is kept without an owner stays with the one that it has', async (world) => {
      await world.pulse()
      await world.enter('ann', 'a', 1)
      // A command that no stream sent, and a beat.
      await world.store.enter({ ...seat('ann', 'a'), state: '2', owner: '', ttl: 60_000 })
      await world.store.touch(world.partition, [{ ...seat('ann', 'a'), owner: null, ttl: 60_000 }])
      await world.store.release(world.partition, [seat('ann', 'a')], 'first', 0)
      await elapse(world.setup, 300)
      await world.pulse()
      await world.store.sweep(CHANNEL)
      assert.equal(await world.store.count(CHANNEL), 0)
    })

    check('who does not watch is told nothing, and who watches again hears the next', async (world) => {
      const [a, b] = world.setup.brokers
      b.presence.unwatch(world.partition, [CHANNEL])
      // In the order of the calls: confirmed behind the end of the other watch.
      await b.presence.watch(world.partition, ['room:other'])
      await a.presence.enter({ ...seat('ann', 'a'), state: '1', owner: 'first', ttl: TTL })
      await b.presence.watch(world.partition, [CHANNEL])
      await world.enter('bob', 'b', 2)
      while (world.notices[1].length === 0) await world.next()
      assert.deepEqual(
        world.notices[1].map(({ changes }) => JSON.parse(changes)),
        [[change('enter', 'bob', 2)]],
      )
      assert.equal(world.notices[1][0]?.prev, world.notices[0][0]?.id)
    })

    check('a node that knew another life of the store begins a hold', async (world) => {
      assert.equal((await world.pulse()).hold, 0)
      const { hold } = await world.store.pulse(world.partition, { epoch: '1-1', ttl: TTL, gap: GAP })
      assert.ok(hold > 0)
    })

    check('identities are online for as long as they were marked', async (world) => {
      const ids = ['7', 'a*b', 'a?b', 'axb', '[x]', '😀', 'p\\q', 'a😀b', '__proto__', 'two\nlines', '^-.+(']
      await world.store.online(ids, 60_000)
      // Another node's shorter mark takes nothing away.
      await world.store.online(['gone', '7'], 1)
      await elapse(world.setup, 300)
      assert.deepEqual(await world.store.isOnline(['7', 'gone', 'never', '😀']), [true, false, false, true])
      assert.deepEqual(await world.match('*'), [...ids].sort())
      assert.deepEqual(await world.match('a*'), ['a*b', 'a?b', 'axb', 'a😀b'])
      // One character, however many bytes or units it takes.
      assert.deepEqual(await world.match('a?b'), ['a*b', 'a?b', 'axb', 'a😀b'])
      assert.deepEqual(await world.match('?'), ['7', '😀'])
      assert.deepEqual(await world.match('??'), [])
      assert.deepEqual(await world.match('*?l*s'), ['two\nlines'])
      // All else stands for itself.
      for (const id of ['[x]', 'p\\q', '__proto__', '^-.+(']) assert.deepEqual(await world.match(id), [id])
      assert.deepEqual(await world.match('nobody'), [])
    })

    check('a foreign cursor ends or begins anew', async (world) => {
      await world.store.online(['7'], 60_000)
      for (const cursor of ['', 'x', '0-99999999999999999999', '0-18446744073709551615', '9999-0', '0-0-0', '😀']) {
        const { ids } = await world.store.match('*', cursor, 100)
        assert.ok(ids.length === 0 || ids[0] === '7')
      }
    })

    check('who is online comes in pages', async (world) => {
      const ids = Array.from({ length: 1200 }, (_, i) => `user-${i}`)
      await world.store.online(ids, 60_000)
      const first = await world.store.match('user-*', null, 100)
      assert.ok(first.ids.length < 1000 && first.cursor !== null)
      assert.deepEqual(await world.match('user-*'), [...ids].sort())
    })
  })
}

/** The two nodes of a test with all that they were told. */
class World<S extends BrokerStore> {
  readonly setup: S
  readonly notices: readonly [PresenceNotice[], PresenceNotice[]] = [[], []]
  readonly partition: number
  #waiting: (() => void)[] = []
  #epoch: string | null = null

  constructor(setup: S) {
    this.setup = setup
    this.partition = setup.brokers[0].partition(CHANNEL)
  }

  get store() {
    return this.setup.brokers[0].presence
  }

  async start(): Promise<void> {
    const up = this.setup.brokers.map(
      (broker, i) =>
        new Promise<void>((resolve) => {
          broker.start({
            publication: () => {},
            live: () => {},
            presence: (notice) => {
              this.notices[i as 0 | 1].push(notice)
              for (const run of this.#waiting.splice(0)) run()
            },
            up: (partition) => partition === this.partition && resolve(),
            down: () => {},
          })
        }),
    )
    await Promise.all(up)
    await Promise.all(this.setup.brokers.map(({ presence }) => presence.watch(this.partition, [CHANNEL])))
  }

  enter(member: string, client: string, state: unknown, node: 0 | 1 = 0): Promise<boolean> {
    const request = { ...seat(member, client), state: JSON.stringify(state), owner: 'first', ttl: TTL }
    return this.setup.brokers[node].presence.enter(request)
  }

  leave(member: string, client: string): Promise<void> {
    return this.store.leave(seat(member, client))
  }

  async pulse(node: 0 | 1 = 0, gap = GAP) {
    const { presence } = this.setup.brokers[node]
    const result = await presence.pulse(this.partition, { epoch: this.#epoch, ttl: TTL, gap })
    this.#epoch = result.epoch
    return result
  }

  /** Resolves with the next notice of either node. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** All changes so far, once both nodes were told of so many. */
  async told(count: number): Promise<PresenceChange[]> {
    const of = (notices: readonly PresenceNotice[]) =>
      notices.flatMap(({ changes }) => JSON.parse(changes) as PresenceChange[])
    while (this.notices.some((notices) => of(notices).length < count)) {
      await this.next()
    }
    assert.deepEqual(of(this.notices[1]), of(this.notices[0]))
    return of(this.notices[0])
  }

  /** Nothing more was announced: one more change is the next. */
  async silent(): Promise<void> {
    const before = this.notices.map((notices) => notices.length)
    await this.enter('witness', 'w', 1)
    const told = this.notices[0].length + 1
    while (this.notices[0].length < told && this.notices[0].at(-1)?.changes.includes('witness') !== true) {
      await this.next()
    }
    assert.equal(this.notices[0].length, (before[0] as number) + 1)
  }

  /** All pages of a glob, each id once. */
  async match(glob: string): Promise<string[]> {
    const found = new Set<string>()
    let cursor: string | null = null
    do {
      const page: { ids: string[]; cursor: string | null } = await this.store.match(glob, cursor, 100)
      for (const id of page.ids) found.add(id)
      cursor = page.cursor
    } while (cursor !== null)
    return [...found].sort()
  }
}

function seat(member: string, client: string): Seat {
  return { channel: CHANNEL, member, client }
}

function change(action: PresenceChange['action'], member: string, state: PresenceChange['state']): PresenceChange {
  return { action, member, state }
}
