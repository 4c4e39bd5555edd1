import { RealtimeError } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { MemoryStore, memory } from '../backends/memory/broker'
import type { ChannelOptions } from '../channel'
import type { Identity, OpenRequest } from '../ports/connection'
import { createNode, RecordingWire } from './node.fixture'

const message = z.number()
const channels: Record<string, ChannelOptions> = {
  'room:{id}': { message, subscribe: ({ identity, params }) => identity?.id === params['id'] },
  'open:{id}': { message, subscribe: 'public' },
  'cursor:{id}': { message, delivery: 'live', subscribe: 'public' },
}
const request = new Request('http://localhost/rt')

const opening = (names: string[], more: Partial<OpenRequest> = {}): OpenRequest => ({
  transport: 'sse',
  identity: null,
  channels: names.map((channel) => ({ channel })),
  cursor: null,
  ...more,
})

describe('authenticate', () => {
  const authenticate = (answer: () => unknown, clock = new FakeClock(1000)) => {
    const node = createNode({ channels, clock, authenticate: async () => answer() as Identity | null })
    return { ...node, identity: node.gateway.authenticate(request) }
  }

  it('gives what the app returns', async () => {
    expect(await authenticate(() => ({ id: 'a', name: 'A' })).identity).toEqual({ id: 'a', name: 'A' })
    expect(await authenticate(() => null).identity).toBeNull()
    expect(await authenticate(() => undefined).identity).toBeNull()
  })

  it('passes a RealtimeError of the app on', async () => {
    const error = new RealtimeError('unauthenticated', 'Bad token.')
    const { identity, reported } = authenticate(() => {
      throw error
    })
    await expect(identity).rejects.toBe(error)
    expect(reported).toEqual([])
  })

  it('tells clients `internal` for any other exception, and the app what it was', async () => {
    const { identity, reported } = authenticate(() => {
      throw new Error('password of the database')
    })
    const error = await identity.catch((thrown: RealtimeError) => thrown)
    expect(error).toMatchObject({ code: 'internal' })
    expect(JSON.stringify(error)).not.toContain('password')
    expect(reported).toMatchObject([{ message: 'password of the database' }])
  })

  it.each([
    {},
    { id: '' },
    { id: 7 },
    { id: 'a'.repeat(256) },
    { id: '\ud800' },
    { id: 'a', expiresAt: 'soon' },
    { id: 'a', expiresAt: Number.NaN },
    'a',
  ])('does not take %j for an identity', async (answer) => {
    await expect(authenticate(() => answer).identity).rejects.toMatchObject({ code: 'internal' })
  })

  it('refuses an identity whose time is over', async () => {
    await expect(authenticate(() => ({ id: 'a', expiresAt: 1000 })).identity).rejects.toMatchObject({
      code: 'token_expired',
    })
    expect(await authenticate(() => ({ id: 'a', expiresAt: 1001 })).identity).toMatchObject({ id: 'a' })
  })
})

describe('open', () => {
  it('prints hello, and the refused channels beside those that are established', async () => {
    const { gateway } = createNode({ channels })
    const wire = new RecordingWire()
    await gateway.open(opening(['room:1', 'open:1', 'nope', 'cursor:1'], { identity: { id: '2' } }), wire)
    await wire.until('subscribed', ({ channel }) => channel === 'open:1')
    await wire.until('subscribed', ({ channel }) => channel === 'cursor:1')
    expect(wire.events[0]?.type).toBe('hello')
    const refused = wire.events.flatMap((event) =>
      event.type === 'unsubscribed' ? [[event.channel, event.error?.code]] : [],
    )
    expect(refused).toEqual([
      ['room:1', 'forbidden'],
      ['nope', 'unknown_channel'],
    ])
  })

  it('rejects with the first refusal when nothing is left', async () => {
    const { gateway } = createNode({ channels })
    const wire = new RecordingWire()
    await expect(gateway.open(opening(['room:1', 'nope']), wire)).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(gateway.open(opening(['nope', 'room:1']), wire)).rejects.toMatchObject({ code: 'unknown_channel' })
    expect(wire.events).toEqual([])
  })

  it('accepts a WebSocket all the same: it may subscribe to others', async () => {
    const wire = new RecordingWire()
    await createNode({ channels }).gateway.open(opening(['room:1'], { transport: 'websocket' }), wire)
    expect(await wire.until('unsubscribed')).toMatchObject({ channel: 'room:1', error: { code: 'unauthenticated' } })
  })

  it('asks the rules again for each stream, also for one that resumes', async () => {
    let member = true
    const { gateway } = createNode({ channels: { club: { message, subscribe: () => member } } })
    const wire = new RecordingWire()
    const connection = await gateway.open(opening(['club']), wire)
    const { cursor } = await wire.until('subscribed')
    connection.closed()
    member = false
    const resumed = gateway.open(
      opening(['club'], { identity: { id: 'a' }, cursor: cursor as string }),
      new RecordingWire(),
    )
    await expect(resumed).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('starts new channels at their head and others at the cursor', async () => {
    const { gateway, publishing } = createNode({ channels })
    const publish = async (channel: string, data: number) =>
      (await publishing.prepare({ channel, data, publisher: { server: true } }))()
    const first = new RecordingWire()
    const connection = await gateway.open(opening(['open:1']), first)
    const { cursor } = await first.until('subscribed')
    connection.closed()
    await publish('open:1', 1)
    await publish('open:2', 2)
    await publish('open:3', 3)
    const wire = new RecordingWire()
    const names = [{ channel: 'open:1' }, { channel: 'open:2', new: true }, { channel: 'open:3', new: true, last: 5 }]
    await gateway.open(opening([], { channels: names, cursor: cursor as string }), wire)
    await wire.until('subscribed', ({ channel }) => channel === 'open:2')
    expect((await wire.until('subscribed', ({ channel }) => channel === 'open:3')).history).toMatchObject([{ data: 3 }])
    expect(await wire.until('message')).toMatchObject({ channel: 'open:1', data: 1 })
    expect(wire.events.filter(({ type }) => type === 'message')).toHaveLength(1)
  })

  it('takes a channel that is named twice once', async () => {
    const { gateway } = createNode({ channels })
    const names = Array.from({ length: 200 }, () => 'open:1')
    await gateway.open(opening(names), new RecordingWire())
    const many = Array.from({ length: 129 }, (_, i) => `open:${i}`)
    await expect(gateway.open(opening(many), new RecordingWire())).rejects.toMatchObject({ code: 'too_many_channels' })
  })
})

describe('an identity that expires', () => {
  const expiring = async (clock: FakeClock, expiresAt: number) => {
    const wire = new RecordingWire()
    const { gateway } = createNode({ channels, clock })
    return { wire, connection: await gateway.open(opening(['open:1'], { identity: { id: 'a', expiresAt } }), wire) }
  }

  it('ends the stream a heartbeat later', async () => {
    const clock = new FakeClock(0)
    const { wire } = await expiring(clock, 60_000)
    expect(wire.events[1]).toEqual({ type: 'expires', after: 60_000 })
    clock.advance(79_999)
    expect(wire.closedWith).toBeUndefined()
    clock.advance(1)
    expect(wire.closedWith).toMatchObject({ code: 'token_expired' })
  })

  it('may be further away than a timer reaches', async () => {
    const clock = new FakeClock(0)
    const { wire } = await expiring(clock, 2 ** 32)
    clock.advance(2 ** 31)
    expect(wire.closedWith).not.toMatchObject({ code: 'token_expired' })
  })

  it('does not open a stream when the rules took too long', async () => {
    const clock = new FakeClock(0)
    const slow: ChannelOptions = {
      message,
      subscribe: async () => {
        clock.advance(10)
        return true
      },
    }
    const { gateway } = createNode({ channels: { slow }, clock })
    const open = gateway.open(opening(['slow'], { identity: { id: 'a', expiresAt: 10 } }), new RecordingWire())
    await expect(open).rejects.toMatchObject({ code: 'token_expired' })
  })

  it('leaves no timer when the connection is closed before', async () => {
    const clock = new FakeClock(0)
    const without = new FakeClock(0)
    const { connection } = await expiring(clock, 1e12)
    createNode({ channels, clock: without })
    connection.closed()
    clock.advance(20_000)
    without.advance(20_000)
    expect(clock.pending).toBe(without.pending)
  })

  describe('and shows a new token on its stream', () => {
    const setUp = async (
      answer: (token: string, now: number) => Identity | null = (_, now) => ({ id: 'a', expiresAt: now + 60_000 }),
    ) => {
      const clock = new FakeClock(0)
      const wire = new RecordingWire()
      const allowed = new Set(['club:1', 'club:2'])
      const rule: ChannelOptions['subscribe'] = ({ identity, channel }) =>
        allowed.has(channel) || (identity as { admin?: boolean } | null)?.admin === true
      const node = createNode({
        channels: {
          'club:{id}': { message, presence: z.object({}), subscribe: rule },
          'open:{id}': { message, subscribe: 'public', publish: ({ identity }) => identity?.id === 'a' },
        },
        clock,
        authenticate: async (shown) => answer(shown.headers.get('authorization') ?? '', clock.now()),
      })
      const { gateway } = node
      const connection = await gateway.open(
        opening(['open:1', 'club:1', 'club:2'], {
          transport: 'websocket',
          identity: { id: 'a', expiresAt: 60_000 },
          watch: [{ channel: 'club:1' }],
          authenticate: (token) => gateway.authenticate(new Request(request, { headers: { authorization: token } })),
        }),
        wire,
      )
      await clock.advanceAsync(0)
      const show = async (token = 'next') => {
        connection.receive(JSON.stringify([{ type: 'authenticate', token }]))
        await clock.advanceAsync(0)
      }
      return { ...node, clock, wire, connection, allowed, show }
    }
    const told = ({ events }: RecordingWire) =>
      events.flatMap((event) => (event.type === 'expires' ? [event.after] : []))

    it('goes on for as long as that lasts, as often as it is done', async () => {
      const { clock, wire, show, connection } = await setUp()
      for (let i = 0; i < 5; i++) {
        await clock.advanceAsync(50_000)
        await show()
      }
      expect(told(wire)).toEqual([60_000, 60_000, 60_000, 60_000, 60_000, 60_000])
      connection.receive(JSON.stringify([{ type: 'publish', ref: 1, channel: 'open:1', data: 7 }]))
      expect(await wire.until('message')).toMatchObject({ channel: 'open:1', from: 'a', data: 7 })
      await clock.advanceAsync(79_000)
      expect(wire.closedWith).toBeUndefined()
      await clock.advanceAsync(1_001)
      expect(wire.closedWith).toMatchObject({ code: 'token_expired' })
    })

    it('may do so a little late', async () => {
      const { clock, wire, show } = await setUp()
      await clock.advanceAsync(79_000)
      await show()
      await clock.advanceAsync(70_000)
      expect(wire.closedWith).toBeUndefined()
    })

    it('is told when that one does not expire', async () => {
      const { clock, wire, show } = await setUp(() => ({ id: 'a' }))
      await show()
      expect(told(wire)).toEqual([60_000, undefined])
      await clock.advanceAsync(600_000)
      expect(wire.closedWith).not.toMatchObject({ code: 'token_expired' })
    })

    it('is asked about again in every channel, as what it is now', async () => {
      const { clock, wire, allowed, show } = await setUp(
        (_, now) => ({ id: 'a', expiresAt: now + 60_000, admin: true }) as Identity,
      )
      allowed.delete('club:1')
      await show()
      expect(wire.events.some(({ type }) => type === 'unsubscribed')).toBe(false)
      const other = await setUp()
      other.allowed.delete('club:1')
      await other.show()
      const taken = (type: 'unsubscribed' | 'unwatched') =>
        other.wire.events.flatMap((event) => (event.type === type ? [[event.channel, event.error?.code]] : []))
      expect(taken('unsubscribed')).toEqual([['club:1', 'forbidden']])
      expect(taken('unwatched')).toEqual([['club:1', 'forbidden']])
      expect(other.wire.closedWith).toBeUndefined()
      await clock.advanceAsync(0)
    })

    it.each<[string, string, () => Identity | null]>([
      ['is of somebody else', 'unauthenticated', () => ({ id: 'b' })],
      ['is of nobody', 'unauthenticated', () => null],
      ['has expired as well', 'token_expired', () => ({ id: 'a', expiresAt: -1 })],
      [
        'the app turns away',
        'forbidden',
        () => {
          throw new RealtimeError('forbidden', 'Suspended.')
        },
      ],
    ])('is sent away when it %s', async (_, code, answer) => {
      const { wire, show, gateway } = await setUp(answer)
      await show()
      expect(wire.closedWith).toMatchObject({ code })
      expect([...gateway.identities()]).toEqual([])
    })

    it('stays what it is while the app can not say whose it is', async () => {
      const { clock, wire, show } = await setUp(() => {
        throw new Error('The database is away.')
      })
      await show()
      expect(await wire.until('error')).toMatchObject({ error: { code: 'internal' } })
      expect(wire.closedWith).toBeUndefined()
      await clock.advanceAsync(80_000)
      expect(wire.closedWith).toMatchObject({ code: 'token_expired' })
    })

    it('is sent away when it was revoked meanwhile, whichever token it has', async () => {
      const { wire, show, gateway } = await setUp((token) => ({ id: 'a', issuedAt: token === 'old' ? -10 : 10 }))
      gateway.revoke('a', 5, false)
      expect(wire.closedWith).toMatchObject({ code: 'unauthenticated' })
      const other = await setUp((token) => ({ id: 'a', issuedAt: token === 'old' ? -10 : 10 }))
      await other.show('new')
      other.gateway.revoke('a', 5, false)
      expect(other.wire.closedWith).toBeUndefined()
      await other.show('old')
      expect(other.wire.closedWith).toMatchObject({ code: 'unauthenticated' })
      await show()
    })
  })

  it('says that it takes no token where nothing expires, and by POST', async () => {
    const { gateway } = createNode({ channels })
    const wire = new RecordingWire()
    const connection = await gateway.open(opening(['open:1'], { transport: 'websocket' }), wire)
    connection.receive(JSON.stringify([{ type: 'authenticate', token: 'x' }]))
    expect(await wire.until('error')).toMatchObject({ error: { code: 'unsupported' } })
    const posted = gateway.execute(JSON.stringify([{ type: 'authenticate', token: 'x' }]), null, null)
    await expect(posted).rejects.toMatchObject({ code: 'invalid_request' })
  })
})

it.each<[string, (node: { clock: FakeClock; hub: { close(): void } }) => void]>([
  ['its identity expired', ({ clock }) => clock.advance(80_000)],
  ['the node drains', ({ hub }) => hub.close()],
])('a connection that the server ended because %s does nothing any more', async (_, end) => {
  const clock = new FakeClock(0)
  let asked = 0
  const open: ChannelOptions = { message, subscribe: 'public', publish: () => ++asked > 0 }
  const { gateway, hub } = createNode({ channels: { open }, clock })
  const wire = new RecordingWire()
  const identity = { id: 'a', expiresAt: 60_000 }
  const connection = await gateway.open(opening(['open'], { transport: 'websocket', identity }), wire)
  end({ clock, hub })
  await wire.untilClosed()
  connection.receive(JSON.stringify([{ type: 'publish', ref: 1, channel: 'open', data: 1 }]))
  await new Promise(setImmediate)
  expect(asked).toBe(0)
  connection.closed()
})

it('begins nothing when it drains', async () => {
  const { gateway } = createNode({ channels })
  expect(gateway.draining).toBe(false)
  gateway.drain()
  expect(gateway.draining).toBe(true)
  await expect(gateway.open(opening(['open:1']), new RecordingWire())).rejects.toMatchObject({ code: 'draining' })
  await expect(gateway.execute('[]', null, null)).rejects.toMatchObject({ code: 'draining', outcome: 'failed' })
})

describe('a poll that comes with a seat', () => {
  it.each([
    ['poll', null, 12_500],
    ['long-poll', null, 62_500],
    ['poll', 60_000, 150_000],
  ] as const)(
    'keeps a seat for two and a half of its intervals: %s (asked: %s), %i ms',
    async (transport, heartbeat, life) => {
      const clock = new FakeClock()
      const store = new MemoryStore({ clock })
      const { presence: other } = store.node()
      const channels = { 'room:{id}': { message, subscribe: 'public' as const, presence: z.number() } }
      const { gateway, hub } = createNode({ channels, broker: store.node(), clock })
      // Another node's pulse, so that nothing looks like an outage.
      await other.pulse(0, { epoch: null, ttl: 60_000, gap: 5000 })
      await other.enter({ channel: 'room:1', member: 'ann', client: 'tab', state: '1', owner: '', ttl: 1000 })
      const entered = { transport, identity: { id: 'ann' }, client: 'tab', entered: ['room:1'], heartbeat } as const
      const stream = await gateway.open(opening([], entered), new RecordingWire())
      await clock.advanceAsync(0)
      stream.closed()
      await clock.advanceAsync(life - 500)
      expect(await other.count('room:1')).toBe(1)
      await clock.advanceAsync(7000)
      expect(await other.count('room:1')).toBe(0)
      hub.close()
    },
  )

  it('is not over before it was told that the store does not know of it', async () => {
    const broker = memory()
    let answered = () => {}
    const late = new Promise<void>((resolve) => {
      answered = resolve
    })
    const { gateway } = createNode({
      channels: { 'room:{id}': { message, subscribe: 'public', presence: z.number() } },
      broker: {
        ...broker,
        presence: Object.assign(Object.create(broker.presence) as typeof broker.presence, {
          touch: async (...args: Parameters<typeof broker.presence.touch>) => {
            await late
            return broker.presence.touch(...args)
          },
        }),
      },
    })
    const told: string[] = []
    const wire = Object.assign(new RecordingWire(), { caughtUp: () => told.push('all') })
    const entered = { transport: 'poll', identity: { id: 'ann' }, client: 'tab', entered: ['room:1'] } as const
    const stream = await gateway.open(opening([], entered), wire)
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).toEqual([])
    answered()
    await wire.until('absent', ({ channel }) => told.push('absent') > 0 && channel === 'room:1')
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).toEqual(['absent', 'all'])
    stream.closed()
  })
})

describe('presence', () => {
  const lobby = { message, presence: z.object({ name: z.string() }), subscribe: 'public' } as const
  const club = { ...lobby, subscribe: () => false }
  const identity = { id: 'ann' }

  it('is shown to nobody without permission: not at the opening of a stream, not on it, not on request', async () => {
    const { gateway, hub } = createNode({ channels: { club, lobby } })
    const wire = new RecordingWire()
    const request = { watch: [{ channel: 'club' }, { channel: 'lobby' }], entered: ['club'], client: 'tab', identity }
    const connection = await gateway.open(opening([], request), wire)
    expect(await wire.until('unwatched')).toMatchObject({ channel: 'club', error: { code: 'forbidden' } })
    expect(await wire.until('absent')).toEqual({ type: 'absent', channel: 'club' })
    await wire.until('members', ({ channel }) => channel === 'lobby')
    connection.receive('[{"type":"watch","channel":"club"},{"type":"list","ref":1,"channel":"club"}]')
    connection.receive('{"type":"enter","ref":2,"channel":"club","client":"tab","state":{"name":"x"}}')
    for (const ref of [1, 2])
      expect(await wire.until('result', (event) => event.ref === ref)).toMatchObject({ error: { code: 'forbidden' } })
    expect(wire.events.filter(({ type }) => type === 'unwatched')).toHaveLength(2)
    expect(wire.events.some((event) => event.type === 'members' && event.channel === 'club')).toBe(false)
    await expect(gateway.members('club', identity)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(gateway.members('club', null)).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(gateway.open(opening([], { watch: [{ channel: 'club' }], identity }), wire)).rejects.toMatchObject({
      code: 'forbidden',
    })
    hub.close()
  })

  it('ends some time behind its stream, which also makes its identity online', async () => {
    const clock = new FakeClock()
    const store = new MemoryStore({ clock })
    const { presence: other } = store.node()
    const { gateway, hub } = createNode({ channels: { lobby }, broker: store.node(), clock })
    await other.pulse(0, { epoch: null, ttl: 60_000, gap: 5000 })
    const wire = new RecordingWire()
    const connection = await gateway.open({ ...opening([]), transport: 'websocket', identity }, wire)
    connection.receive('{"type":"enter","ref":1,"channel":"lobby","client":"tab","state":{"name":"Ann"}}')
    await clock.advanceAsync(200_000)
    expect(await other.count('lobby')).toBe(1)
    expect(await other.isOnline(['ann'])).toEqual([true])
    connection.closed()
    await clock.advanceAsync(17_000)
    expect(await other.count('lobby')).toBe(0)
    await clock.advanceAsync(60_000)
    expect(await other.isOnline(['ann'])).toEqual([false])
    hub.close()
  })

  it('is told before a poll is over', async () => {
    const broker = memory()
    let answered = () => {}
    const late = new Promise<void>((resolve) => {
      answered = resolve
    })
    const presence: typeof broker.presence = {
      ...broker.presence,
      members: async (channel) => {
        await late
        return broker.presence.members(channel)
      },
    }
    const { gateway, hub } = createNode({ channels: { lobby }, broker: { ...broker, presence } })
    const told: string[] = []
    const wire = Object.assign(new RecordingWire(), { caughtUp: () => told.push('all') })
    const poll = opening([], { transport: 'poll', watch: [{ channel: 'lobby' }] })
    const stream = await gateway.open(poll, wire)
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).toEqual([])
    answered()
    await wire.until('members', () => told.push('members') > 0)
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).toEqual(['members', 'all'])
    stream.closed()
    hub.close()
  })
})

describe('a revocation', () => {
  const ann: Identity = { id: 'ann' }
  const setUp = async () => {
    const clock = new FakeClock(10_000)
    const node = createNode({ channels, clock, authenticate: () => ann })
    const wire = new RecordingWire()
    const open = () => node.gateway.open(opening(['open:1'], { identity: ann }), wire)
    await node.gateway.authenticate(request)
    return { ...node, clock, wire, open }
  }

  it('ends what is open, also of who tells no `issuedAt`', async () => {
    const { gateway, wire, open } = await setUp()
    await open()
    gateway.revoke('bob', 10_000, false)
    expect(wire.closedWith).toBeUndefined()
    gateway.revoke('ann', 10_000, false)
    expect(wire.closedWith).toMatchObject({ code: 'unauthenticated' })
    expect([...gateway.identities()]).toEqual([])
  })

  it('stops who was let in already and is being connected', async () => {
    const { gateway, clock, open } = await setUp()
    gateway.revoke('ann', 10_000, false)
    await expect(open()).rejects.toMatchObject({ code: 'unauthenticated' })
    // Asked once more the app knows.
    clock.advance(1)
    await gateway.authenticate(request)
    await open()
    expect([...gateway.identities()]).toEqual(['ann'])
  })

  it('that a node hears of later ends what was let in before it was given', async () => {
    const { gateway, wire, open } = await setUp()
    await open()
    gateway.revoke('ann', 9999, true)
    expect(wire.closedWith).toBeUndefined()
    gateway.revoke('ann', 10_001, true)
    expect(wire.closedWith).toMatchObject({ code: 'unauthenticated' })
  })
})

describe('a recheck', () => {
  const seated = async () => {
    let allowed = true
    const club = { message, presence: z.object({}), subscribe: () => allowed }
    const { presence: store, ...broker } = memory()
    const node = createNode({ channels: { club }, broker: { ...broker, presence: store } })
    const wire = new RecordingWire()
    const identity = { id: 'ann' }
    const entered = (transport: OpenRequest['transport']) =>
      opening([], { transport, identity, client: 'tab', entered: ['club'] })
    const connection = await node.gateway.open(opening(['club'], { transport: 'websocket', identity }), wire)
    connection.receive(JSON.stringify([{ type: 'enter', ref: 1, channel: 'club', client: 'tab', state: {} }]))
    await wire.until('result')
    expect(await store.count('club')).toBe(1)
    const forbid = () => {
      allowed = false
    }
    return { ...node, wire, connection, store, entered, forbid }
  }

  it('takes a member out of the channel at once, and tells its client', async () => {
    const { gateway, hub, wire, store, forbid } = await seated()
    gateway.recheck('club')
    await new Promise(setImmediate)
    expect(await store.count('club')).toBe(1)
    forbid()
    gateway.recheck('club')
    expect(await wire.until('absent')).toEqual({ type: 'absent', channel: 'club' })
    expect(await store.count('club')).toBe(0)
    hub.close()
  })

  it('takes one out that polls as soon as the next poll comes', async () => {
    const { gateway, hub, connection, store, entered, forbid } = await seated()
    connection.closed()
    const wire = new RecordingWire()
    const poll = await gateway.open(entered('poll'), wire)
    poll.closed()
    expect(await store.count('club')).toBe(1)
    forbid()
    await gateway.open({ ...entered('poll'), transport: 'websocket' }, wire)
    expect(wire.events.at(-1)).toEqual({ type: 'absent', channel: 'club' })
    expect(await store.count('club')).toBe(0)
    hub.close()
  })

  it('holds for a stream that is being opened, whose rule has said yes already', async () => {
    let allowed = true
    let go = () => {}
    const asked = new Promise<void>((resolve) => {
      go = resolve
    })
    const { gateway, hub } = createNode({
      channels: {
        club: { message, subscribe: () => allowed },
        slow: { message, subscribe: () => asked.then(() => true) },
      },
    })
    const wire = new RecordingWire()
    const opened = gateway.open(opening(['club', 'slow']), wire)
    await new Promise(setImmediate)
    allowed = false
    gateway.recheck('club')
    go()
    await opened
    expect(await wire.until('unsubscribed')).toMatchObject({ channel: 'club', error: { code: 'unauthenticated' } })
    hub.close()
  })

  it('asks for the channel and for its members, of everybody, and only there', async () => {
    let allowed = true
    const presence = z.object({})
    const { gateway, hub } = createNode({
      channels: {
        'club:{id}': { message, presence, subscribe: () => allowed },
        'open:{id}': { message, subscribe: 'public' },
      },
    })
    const wire = new RecordingWire()
    await gateway.open(opening(['club:1', 'club:2', 'open:1'], { watch: [{ channel: 'club:1' }] }), wire)
    await wire.until('subscribed', ({ channel }) => channel === 'club:2')
    const elsewhere = new RecordingWire()
    await gateway.open(opening(['club:2']), elsewhere)
    gateway.recheck('club:1')
    allowed = false
    gateway.recheck('club:1')
    expect(await wire.until('unwatched')).toMatchObject({ channel: 'club:1', error: { code: 'unauthenticated' } })
    expect(await wire.until('unsubscribed')).toMatchObject({ channel: 'club:1', error: { code: 'unauthenticated' } })
    gateway.recheck('open:1')
    await new Promise((resolve) => setImmediate(resolve))
    expect(wire.events.filter(({ type }) => type === 'unsubscribed')).toHaveLength(1)
    expect(elsewhere.events.filter(({ type }) => type === 'unsubscribed' || type === 'unwatched')).toEqual([])
    hub.close()
  })
})

describe('limits of an identity', () => {
  const ann: Identity = { id: 'ann' }
  const setUp = () => {
    const clock = new FakeClock()
    const board: ChannelOptions = { message, subscribe: 'public', publish: 'public', delivery: 'live' }
    const node = createNode({
      channels: { 'board:{id}': board, room: { ...board, delivery: 'all', presence: z.object({}) } },
      clock,
      limits: { commands: 10, connections: 2 },
    })
    const open = async (identity: Identity | null) => {
      const wire = new RecordingWire()
      const connection = await node.gateway.open(opening([], { transport: 'websocket', identity }), wire)
      let ref = 0
      const send = (count: number) => {
        for (let i = 0; i < count; i++)
          connection.receive(
            JSON.stringify({ type: 'publish', ref: ++ref, channel: 'board:1', messageId: `m${ref}`, data: ref }),
          )
      }
      const results = () => wire.events.flatMap((event) => (event.type === 'result' ? [event] : []))
      return { send, results, closed: () => connection.closed() }
    }
    /** Lets so many milliseconds pass, and the flush at the end of the turn. */
    const pass = async (ms: number) => {
      await new Promise((resolve) => setImmediate(resolve))
      await clock.advanceAsync(ms)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return { ...node, pass, open }
  }

  it('let ten seconds of commands through at once, and the rest in turn, over all connections together', async () => {
    const { pass, open } = setUp()
    const [one, two] = [await open(ann), await open(ann)]
    one.send(60)
    two.send(60)
    await pass(0)
    expect(one.results().length + two.results().length).toBe(100)
    await pass(2000)
    expect(one.results().map(({ ref }) => ref)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    expect(two.results().every((result) => 'value' in result)).toBe(true)
    expect(two.results()).toHaveLength(60)
  })

  it('refuse what would wait for too long, with the time after which to come again', async () => {
    const { pass, gateway } = setUp()
    // To as many channels: within one the next waits for the one before.
    const publishes = Array.from({ length: 80 }, (_, i) => ({
      type: 'publish',
      ref: i,
      channel: `board:${i}`,
      messageId: `m${i}`,
      data: i,
    }))
    const answers: unknown[] = []
    for (let i = 0; i < 2; i++)
      void gateway.execute(JSON.stringify(publishes), ann, null).then((events) => answers.push(...events))
    await pass(5000)
    const refused = answers.filter((event) => 'error' in (event as object))
    expect(answers).toHaveLength(160)
    expect(refused).toHaveLength(10)
    for (const event of refused) expect(event).toMatchObject({ error: { code: 'rate_limited', outcome: 'failed' } })
  })

  it('count each connection by itself where nobody in particular is behind it', async () => {
    const { pass, open } = setUp()
    const [one, two] = [await open(null), await open(null)]
    one.send(101)
    two.send(100)
    await pass(0)
    expect([one.results().length, two.results().length]).toEqual([100, 100])
  })

  it('do nothing any more for a connection that went while its commands waited', async () => {
    const { gateway, hub, pass, open, reported } = setUp()
    const hearer = new RecordingWire()
    await gateway.open(opening(['board:1'], { identity: { id: 'bob' } }), hearer)
    const heard = () => hearer.events.filter(({ type }) => type === 'live').length
    const one = await open(ann)
    one.send(105)
    await pass(0)
    one.closed()
    await pass(5000)
    expect(heard()).toBe(100)
    expect(reported).toEqual([])
    hub.close()
  })

  it('do not outlive what the identity was let in with', async () => {
    const { gateway, pass } = setUp()
    const publishes = (from: number) =>
      JSON.stringify(
        Array.from({ length: 110 }, (_, i) => ({
          type: 'publish',
          ref: i,
          channel: `board:${i}`,
          messageId: `m${from + i}`,
          data: i,
        })),
      )
    const answers = gateway.execute(publishes(0), { id: 'ann', issuedAt: 1 }, null)
    await pass(0)
    gateway.revoke('ann', 2, false)
    await pass(5000)
    const refused = (await answers).filter((event) => 'error' in event)
    expect(refused).toHaveLength(10)
    for (const event of refused) expect(event).toMatchObject({ error: { code: 'unauthenticated' } })
  })

  const room = { channel: 'room', client: 'tab' }
  it.each([
    ['history', { type: 'history', ref: 0, channel: 'room', last: 1 }, true],
    ['subscribe', { type: 'subscribe', channel: 'room' }, true],
    ['watch', { type: 'watch', channel: 'room' }, true],
    ['enter', { type: 'enter', ref: 0, ...room, state: {} }, true],
    ['list', { type: 'list', ref: 0, channel: 'room' }, true],
    ['unsubscribe', { type: 'unsubscribe', channel: 'room' }, false],
    ['unwatch', { type: 'unwatch', channel: 'room' }, false],
    ['leave', { type: 'leave', ref: 0, ...room }, false],
  ])('count commands of the type `%s`, unless they give something back', async (_, command, counted) => {
    const { gateway, hub, pass } = setUp()
    const wire = new RecordingWire()
    const connection = await gateway.open(opening([], { transport: 'websocket', identity: ann }), wire)
    await pass(0)
    const publish = { type: 'publish', channel: 'board:1', data: 1 }
    for (let ref = 1; ref <= 100; ref++) connection.receive(JSON.stringify({ ...publish, ref, messageId: `m${ref}` }))
    await pass(0)
    const before = wire.events.length
    connection.receive(JSON.stringify(command))
    await pass(0)
    expect(wire.events.length > before).toBe(!counted)
    await pass(100)
    expect(wire.events.length).toBeGreaterThan(before)
    hub.close()
  })

  it('refuse one connection too many, until one of them is gone', async () => {
    const { open } = setUp()
    const first = await open(ann)
    await open(ann)
    await expect(open(ann)).rejects.toMatchObject({ code: 'rate_limited', retryAfter: 10_000 })
    await open({ id: 'bob' })
    first.closed()
    first.closed()
    await open(ann)
    await expect(open(ann)).rejects.toMatchObject({ code: 'rate_limited' })
  })

  it('forget a connection whose wire breaks at the first word', async () => {
    const { gateway, open, reported } = setUp()
    const broken = new RecordingWire()
    broken.write = () => {
      throw new Error('broken')
    }
    for (let i = 0; i < 3; i++) await gateway.open(opening([], { transport: 'websocket', identity: ann }), broken)
    expect([...gateway.identities()]).toEqual([])
    await open(ann)
    expect(reported).toHaveLength(3)
  })
})
