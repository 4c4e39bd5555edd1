// The connection on a clock of its own and scripted links: deadlines, races, hand-overs, and what is left behind.
import { type ErrorBody, type Member, RealtimeError, type ServerEvent } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, expect, it } from 'vitest'
import type { Delivery } from '../channels/subscriptions'
import type { PresenceDelivery } from '../channels/watches'
import type { Problem } from '../ladder/trace'
import { explain } from '../ladder/words'
import type { EnvironmentListener } from '../ports/environment'
import type { Closed, LinkListener, LinkStart, ResumeRequest, Rung, Transport } from '../ports/transport'
import { Connection } from './connection'
import type { Status } from './states'

/** A link as the test's server sees it. */
class FakeLink {
  readonly request: ResumeRequest
  readonly token: string | undefined
  readonly pause: () => number
  refreshed = 0
  readonly sent: unknown[] = []
  closed = false

  constructor(
    readonly rung: Rung,
    start: LinkStart,
    readonly listener: LinkListener,
  ) {
    this.request = start.request()
    this.token = start.token()
    this.pause = () => start.pause()
  }

  get channels(): string[] {
    return this.request.channels.map(({ channel }) => channel)
  }

  /** One frame. */
  print(...events: ServerEvent[]): void {
    this.listener.alive()
    this.listener.events(events)
  }

  /** `hello`, then a second frame that establishes what is new. */
  prove(cursor = 'c0', life?: number): void {
    this.print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000, ...(life !== undefined && { life }) })
    const fresh = this.request.channels.filter((request) => request.new)
    this.print(
      ...fresh.map(({ channel }): ServerEvent => ({ type: 'subscribed', channel, id: '1-0', epoch: '0-1', cursor })),
      { type: 'cursor', cursor },
    )
  }

  message(channel: string, n: number): void {
    this.print(
      { type: 'message', channel, id: `1-${n}`, messageId: `m${n}`, data: n },
      { type: 'cursor', cursor: `c${n}` },
    )
  }

  end(code?: ErrorBody['code'], retryAfter?: number): void {
    this.closed = true
    const details = retryAfter === undefined ? {} : { retryAfter }
    this.listener.closed({
      error: code === undefined ? null : new RealtimeError(code, 'No.', details),
    })
  }
}

interface SetUp {
  /** The order is ours, by need. */
  readonly free?: boolean
  readonly memory?: Map<string, string>
  readonly clock?: FakeClock
  readonly look?: () => Promise<void>
}

function setUp(
  rungs: Rung[] = ['websocket', 'sse'],
  token?: () => string,
  { free = false, memory = new Map<string, string>(), clock = new FakeClock(), look }: SetUp = {},
) {
  const links: FakeLink[] = []
  const posts: string[] = []
  const answers: ((events: readonly ServerEvent[]) => void)[] = []
  const refusals: ((reason: Closed) => void)[] = []
  const statuses: Status[] = []
  const errors: string[] = []
  const problems: (Problem | null)[] = []
  const told: Delivery[] = []
  const members: PresenceDelivery[] = []
  let environmentListener: EnvironmentListener | undefined
  const transport = (rung: Rung): Transport => ({
    rung,
    open(start, listener) {
      const link = new FakeLink(rung, start, listener)
      links.push(link)
      const close = () => {
        link.closed = true
      }
      if (rung === 'websocket') {
        return { send: (text) => link.sent.push(...(JSON.parse(text) as unknown[])), inPlace: true, close }
      }
      if (rung === 'sse' || rung === 'sse-post') return { close }
      return { refresh: () => void link.refreshed++, close }
    },
  })
  const connection = new Connection(
    {
      environment: {
        clock,
        fetch,
        random: () => 0.5,
        socket: async () => null,
        savesData: false,
        isPage: false,
        memory: { read: (key) => memory.get(key) ?? null, write: (key, text) => memory.set(key, text) },
        watch(listener) {
          environmentListener = listener
          return () => {
            environmentListener = undefined
          }
        },
      },
      transports: rungs.map(transport),
      ordered: !free,
      frugal: false,
      path: 'rt:here',
      idle: transport,
      post: (text) => {
        posts.push(text)
        return new Promise((resolve, reject) => {
          answers.push(resolve)
          refusals.push(reject)
        })
      },
      token,
      timeout: 30_000,
      client: 'me',
      ...(look !== undefined && { look }),
    },
    {
      deliver: (delivery) => told.push(delivery),
      presence: (delivery) => members.push(delivery),
      expelled: (channel, { code }) => errors.push(`${channel} ${code}`),
      status: (status) => statuses.push(status),
      transport: () => {},
      problem: (problem) => problems.push(problem),
      error: ({ code }) => errors.push(code),
    },
  )
  const open = () => links.filter((link) => !link.closed)
  return {
    clock,
    connection,
    errors,
    problems,
    memory,
    links,
    members,
    open,
    posts,
    /** Answers this POST: all of it was done. */
    post(i: number) {
      const commands = JSON.parse(posts[i] as string) as { ref: number }[]
      answers[i]?.(commands.map(({ ref }) => ({ type: 'result', ref, value: {} })))
    },
    /** Refuses this POST, as something on the way would. */
    refuse: (i: number, reason: Closed) => refusals[i]?.(reason),
    statuses,
    told,
    /** The newest link. */
    last: () => links.at(-1) as FakeLink,
    messages: () => told.flatMap((delivery) => (delivery.kind === 'message' ? [delivery.message.data] : [])),
    environment: () => environmentListener,
    async connected() {
      connection.subscribe('a', 0)
      await clock.advanceAsync(0)
      links[0]?.prove()
    },
  }
}

describe('opening', () => {
  it('asks once for what is subscribed in one go', async () => {
    const { clock, connection, links } = setUp()
    connection.subscribe('a', 0)
    connection.subscribe('b', 5)
    await clock.advanceAsync(0)
    expect(links.map(({ request }) => request)).toEqual([
      {
        channels: [
          { channel: 'a', new: true },
          { channel: 'b', new: true, last: 5 },
        ],
        cursor: undefined,
      },
    ])
  })

  it('is proven by hello and a second frame, not by hello', async () => {
    const { clock, connection, last, statuses } = setUp()
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000 }, { type: 'cursor', cursor: 'c' })
    expect(statuses).toEqual(['connecting'])
    last().print({ type: 'beat' })
    expect(statuses).toEqual(['connecting', 'connected'])
  })

  it('tries the next rung beside the first after 250 ms without hello; the first one proven wins', async () => {
    const { clock, connection, links, open } = setUp(['sse', 'websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(249)
    expect(links.map(({ rung }) => rung)).toEqual(['sse'])
    await clock.advanceAsync(1)
    expect(links.map(({ rung }) => rung)).toEqual(['sse', 'websocket'])
    links[0]?.prove()
    expect(connection.transport).toBe('sse')
    expect(open().map(({ rung }) => rung)).toEqual(['sse'])
  })

  it('lets a better rung that is late go on, and moves to it when it works after all', async () => {
    const { clock, connection, links, open, statuses } = setUp()
    connection.subscribe('a', 0)
    await clock.advanceAsync(300)
    links[1]?.prove()
    expect(connection.transport).toBe('sse')
    expect(open()).toHaveLength(2)
    links[0]?.prove()
    // What it asked for is old: the other one established the channel meanwhile.
    expect(links[2]).toMatchObject({ rung: 'websocket', request: { cursor: 'c0' } })
    links[2]?.prove()
    expect(connection.transport).toBe('websocket')
    expect(open()).toEqual([links[2]])
    expect(statuses).toEqual(['connecting', 'connected'])
  })

  it('takes a rung for blocked that swallowed its frames while another one worked, and remembers it for half an hour', async () => {
    const first = setUp()
    first.connection.subscribe('a', 0)
    await first.clock.advanceAsync(300)
    first.links[1]?.prove()
    await first.clock.advanceAsync(2200)
    expect(first.open().map(({ rung }) => rung)).toEqual(['sse'])
    const order = async (clock: FakeClock) => {
      const { connection, links } = setUp(['websocket', 'sse'], undefined, { memory: first.memory, clock })
      connection.subscribe('a', 0)
      await clock.advanceAsync(300)
      connection.close()
      return links.map(({ rung }) => rung)
    }
    expect(await order(first.clock)).toEqual(['sse', 'websocket'])
    first.connection.close()
    await first.clock.advanceAsync(1_800_000)
    expect(await order(first.clock)).toEqual(['websocket', 'sse'])
  })

  it('goes to the next rung when hello does not come in 2.5 s, or nothing follows it in 3 s', async () => {
    const { clock, connection, links, last } = setUp(['websocket', 'sse', 'long-poll'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(2500)
    expect(links.map(({ rung, closed }) => [rung, closed])).toEqual([
      ['websocket', true],
      ['sse', false],
    ])
    links[1]?.print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000 })
    await clock.advanceAsync(2999)
    expect(last().rung).toBe('sse')
    await clock.advanceAsync(1)
    expect(links.map(({ rung, closed }) => [rung, closed])).toEqual([
      ['websocket', true],
      ['sse', true],
      ['long-poll', false],
    ])
  })

  it('waits longer for hello each time that all rungs failed', async () => {
    const { clock, connection, links } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(2500)
    await clock.advanceAsync(1000)
    expect(links).toHaveLength(2)
    await clock.advanceAsync(3000)
    expect(links[1]?.closed).toBe(false)
    links[1]?.prove()
    expect(connection.status).toBe('connected')
  })

  it('does not blame the rung when our server says: later', async () => {
    const { clock, connection, links, last, statuses } = setUp()
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().end('draining', 4000)
    expect(statuses).toEqual(['connecting', 'reconnecting'])
    await clock.advanceAsync(4000)
    expect(links).toHaveLength(1)
    await clock.advanceAsync(400)
    expect(links.map(({ rung }) => rung)).toEqual(['websocket', 'websocket'])
  })

  it('is not hurried by subscribes and publishes while it waits', async () => {
    const { clock, connection, last, links } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().end('draining', 4000)
    connection.subscribe('b', 0)
    void connection.execute({ type: 'publish', channel: 'a', data: 1 }, undefined).catch(() => {})
    await clock.advanceAsync(1000)
    expect(links).toHaveLength(1)
    connection.connect()
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
  })
})

describe('liveness', () => {
  it('calls 35 s of silence death, and comes back within a second after a healthy link', async () => {
    const { clock, connected, last, links, statuses } = setUp(['websocket'])
    await connected()
    await clock.advanceAsync(34_999)
    last().print({ type: 'beat' })
    await clock.advanceAsync(34_999)
    expect(statuses.at(-1)).toBe('connected')
    await clock.advanceAsync(1)
    expect(statuses.at(-1)).toBe('reconnecting')
    expect(links[0]?.closed).toBe(true)
    await clock.advanceAsync(500)
    expect(links).toHaveLength(2)
    expect(last().request).toEqual({ channels: [{ channel: 'a' }], cursor: 'c0' })
  })

  it('doubles its waits for links that do not live 30 s', async () => {
    const { clock, connected, last, links } = setUp(['websocket'])
    await connected()
    // random() is 0.5, so half of 0.5, 1, 2, 4 s.
    for (const wait of [250, 500, 1000, 2000]) {
      const before = links.length
      last().end()
      await clock.advanceAsync(wait - 1)
      expect(links).toHaveLength(before)
      await clock.advanceAsync(1)
      expect(links).toHaveLength(before + 1)
      last().prove()
    }
  })

  it('closes when the page goes, and comes back at once with it', async () => {
    const { clock, connected, environment, links, open, statuses } = setUp()
    await connected()
    environment()?.suspend()
    expect(open()).toEqual([])
    await clock.advanceAsync(60_000)
    expect(links).toHaveLength(1)
    environment()?.wake('look')
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
    expect(statuses.at(-1)).toBe('reconnecting')
  })

  it('tries at once when the network comes back', async () => {
    const { clock, connected, environment, last, links } = setUp(['websocket'])
    await connected()
    last().end()
    environment()?.wake('look')
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
  })
})

describe('hand-over', () => {
  async function onSse() {
    const all = setUp()
    all.connection.subscribe('a', 0)
    await all.clock.advanceAsync(0)
    all.links[0]?.end()
    all.links[1]?.prove()
    return all
  }

  it('climbs after 30 s, from the cursor, and closes the old stream when the new one is proven', async () => {
    const { clock, connection, last, links, messages, open } = await onSse()
    expect(connection.transport).toBe('sse')
    links[1]?.message('a', 1)
    await clock.advanceAsync(30_000)
    expect(last()).toMatchObject({ rung: 'websocket', request: { channels: [{ channel: 'a' }], cursor: 'c1' } })
    last().print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000 }, { type: 'cursor', cursor: 'c1' })
    links[1]?.message('a', 2)
    expect(open()).toHaveLength(2)
    last().message('a', 2)
    expect(connection.transport).toBe('websocket')
    expect(open()).toEqual([last()])
    last().message('a', 3)
    expect(messages()).toEqual([1, 2, 3])
  })

  it('goes on when the better rung does not work, and looks again after two minutes', async () => {
    const { clock, connection, last, links, statuses } = await onSse()
    await clock.advanceAsync(30_000)
    last().end()
    expect([connection.status, connection.transport]).toEqual(['connected', 'sse'])
    for (let i = 0; i < 13; i++) {
      links[1]?.print({ type: 'beat' })
      await clock.advanceAsync(10_000)
    }
    expect(links).toHaveLength(3)
    links[1]?.print({ type: 'beat' })
    await clock.advanceAsync(10_000)
    expect(links.map(({ rung }) => rung)).toEqual(['websocket', 'sse', 'websocket', 'websocket'])
    expect(statuses).toEqual(['connecting', 'connected'])
  })

  it('renews a stream before its planned end', async () => {
    const { clock, connection, links, last, open, statuses } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    links[0]?.prove('c0', 30_000)
    await clock.advanceAsync(26_999)
    expect(links).toHaveLength(1)
    await clock.advanceAsync(1)
    expect(links).toHaveLength(2)
    last().prove('c0')
    expect(open()).toEqual([last()])
    expect(statuses).toEqual(['connecting', 'connected'])
  })

  it('opens another stream for other channels where a link takes no commands, and only one at a time', async () => {
    const { clock, connection, last, links, open } = await onSse()
    connection.subscribe('b', 0)
    connection.subscribe('c', 0)
    await clock.advanceAsync(0)
    expect(last().request).toEqual({
      channels: [{ channel: 'a' }, { channel: 'b', new: true }, { channel: 'c', new: true }],
      cursor: 'c0',
    })
    connection.subscribe('d', 0)
    await clock.advanceAsync(0)
    expect(links).toHaveLength(3)
    last().prove('c5')
    await clock.advanceAsync(0)
    expect(last().channels).toEqual(['a', 'b', 'c', 'd'])
    expect(last().request.channels.filter((request) => request.new)).toEqual([{ channel: 'd', new: true }])
    expect(open()).toEqual([links[2], links[3]])
  })

  it('closes the old stream first when a second one cannot be had', async () => {
    const { clock, connection, last, links, open, told } = await onSse()
    connection.subscribe('b', 0)
    await clock.advanceAsync(0)
    for (let i = 0; i < 3; i++) {
      last().end()
      await clock.advanceAsync(i < 2 ? 600 : 400)
    }
    expect(links[1]?.closed).toBe(true)
    expect(open()).toEqual([last()])
    expect(last().request).toEqual({ channels: [{ channel: 'a' }, { channel: 'b', new: true }], cursor: 'c0' })
    last().prove()
    expect(connection.status).toBe('connected')
    expect(told.map(({ channel, kind }) => [channel, kind])).toEqual([
      ['a', 'subscribed'],
      ['b', 'subscribed'],
    ])
  })

  it('sends commands for other channels on a WebSocket', async () => {
    const { clock, connected, connection, last, links } = setUp()
    await connected()
    connection.subscribe('b', 3)
    connection.unsubscribe('a')
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    expect(links).toHaveLength(1)
    expect(last().sent).toEqual([
      { type: 'unsubscribe', channel: 'a' },
      { type: 'subscribe', channel: 'b', last: 3 },
      { type: 'subscribe', channel: 'a' },
    ])
  })

  it.each([['websocket'], ['sse']] as const)(
    'opens its successor over %s when a node that goes says so, and keeps the present stream while that is refused',
    async (rung) => {
      const { clock, connected, connection, links, last, messages, open, statuses } = setUp([rung])
      await connected()
      const [old] = links as [FakeLink]
      old.print({ type: 'bye', error: new RealtimeError('draining', 'Going.').toJSON(), retryAfter: 2000 })
      // Over SSE it wants more than the present stream has, and has to open another one.
      connection.subscribe('b', 0)
      if (rung === 'sse') {
        await clock.advanceAsync(0)
        last().end('draining', 0)
      }
      await clock.advanceAsync(2000)
      const begun = links.length
      for (let i = 0; i < 20_000; i += 10) {
        // The balancer has it come to the same node again and again.
        if (last() !== old && !last().closed) last().end('draining', 0)
        await clock.advanceAsync(10)
      }
      const tries = links.length - begun
      expect(tries).toBeGreaterThan(4)
      expect(tries).toBeLessThan(10)
      expect(old.closed).toBe(false)
      old.message('a', 1)
      expect(messages()).toEqual([1])
      while (last().closed) await clock.advanceAsync(100)
      last().prove('c1')
      expect(open()).toEqual([last()])
      expect(statuses).toEqual(['connecting', 'connected'])
    },
  )

  it('discards a stream that would skip what another one established meanwhile', async () => {
    const { clock, connected, connection, links, last, open, told } = setUp(['websocket'])
    await connected()
    links[0]?.print({ type: 'bye', error: new RealtimeError('draining', 'Going.').toJSON(), retryAfter: 1000 })
    connection.subscribe('b', 0)
    await clock.advanceAsync(1000)
    expect(last().request.channels).toEqual([{ channel: 'a' }, { channel: 'b', new: true }])
    links[0]?.print({ type: 'subscribed', channel: 'b', id: '1-5', epoch: '0-1', cursor: 'c5' })
    links[1]?.prove('c9')
    expect(links[1]?.closed).toBe(true)
    expect(last().request).toEqual({ channels: [{ channel: 'a' }, { channel: 'b' }], cursor: 'c5' })
    last().prove('c9')
    expect(open()).toEqual([last()])
    expect(told.filter(({ kind }) => kind === 'subscribed')).toHaveLength(2)
  })

  it('lets the next stream take over unproven when the present one dies', async () => {
    const { clock, connection, links, last, messages, statuses } = await onSse()
    await clock.advanceAsync(30_000)
    last().print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000 }, { type: 'cursor', cursor: 'c0' })
    links[1]?.end()
    expect(statuses.at(-1)).toBe('reconnecting')
    last().message('a', 1)
    expect([connection.status, connection.transport]).toEqual(['connected', 'websocket'])
    expect(messages()).toEqual([1])
    expect(links).toHaveLength(3)
  })

  it('switches on request, stays there, and says when it cannot', async () => {
    const { clock, connection, connected, last, links } = setUp()
    await connected()
    const moved = connection.switchTo('sse')
    last().prove()
    await moved
    expect(connection.transport).toBe('sse')
    for (let i = 0; i < 10; i++) {
      last().print({ type: 'beat' })
      await clock.advanceAsync(30_000)
    }
    expect(links).toHaveLength(2)
    const back = connection.switchTo('websocket')
    last().end()
    await expect(back).rejects.toMatchObject({ code: 'unsupported' })
    expect(connection.transport).toBe('sse')
  })
})

describe('refusals', () => {
  it('asks again for a channel that is refused for the moment, and tells the gap', async () => {
    const { clock, connected, last, links, told } = setUp(['websocket'])
    await connected()
    const error = new RealtimeError('internal', 'The rule threw.').toJSON()
    last().print({ type: 'unsubscribed', channel: 'a', error })
    await clock.advanceAsync(249)
    expect(last().sent).toEqual([])
    await clock.advanceAsync(1)
    expect(last().sent).toEqual([{ type: 'subscribe', channel: 'a' }])
    last().print({ type: 'subscribed', channel: 'a', id: '1-9', epoch: '0-1', cursor: 'c9' })
    expect(told.map(({ kind }) => kind)).toEqual(['subscribed', 'gap', 'subscribed'])
    expect(links).toHaveLength(1)
  })

  it('fetches a new token before it gives up a channel', async () => {
    const tokens = ['old', 'new']
    const { clock, connection, last, links, told } = setUp(['websocket'], () => tokens.shift() ?? 'none')
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    expect(last().token).toBe('old')
    last().prove()
    const error = new RealtimeError('unauthenticated', 'Who?').toJSON()
    last().print({ type: 'unsubscribed', channel: 'a', error })
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
    expect(last()).toMatchObject({ token: 'new', request: { channels: [{ channel: 'a' }], cursor: 'c0' } })
    last().print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000 })
    last().print({ type: 'unsubscribed', channel: 'a', error })
    expect(told.map(({ kind }) => kind)).toEqual(['subscribed', 'refused'])
  })

  it('takes a first request that is refused as a whole for the channels, when the client itself is let in', async () => {
    const { clock, connection, last, links, told } = setUp(['sse'])
    connection.subscribe('members', 0)
    await clock.advanceAsync(0)
    last().end('unauthenticated')
    await clock.advanceAsync(0)
    last().prove()
    expect(told.map(({ kind, channel }) => [kind, channel])).toEqual([['refused', 'members']])
    expect(connection.status).toBe('connected')
    expect(links).toHaveLength(2)
  })

  it('fails for good when the client itself is refused, and rejects commands with the reason', async () => {
    const { clock, connection, errors, last, statuses } = setUp(['sse'])
    connection.subscribe('a', 0)
    const waiting = connection.execute({ type: 'publish', channel: 'a', data: 1 }, undefined)
    await clock.advanceAsync(0)
    last().end('unauthenticated')
    await clock.advanceAsync(0)
    last().end('unauthenticated')
    expect(statuses.at(-1)).toBe('failed')
    expect(errors).toEqual(['unauthenticated'])
    await expect(waiting).rejects.toMatchObject({ code: 'unauthenticated', outcome: 'failed' })
    const order = { type: 'publish', channel: 'a', data: 2 } as const
    await expect(connection.execute(order, undefined)).rejects.toMatchObject({ code: 'unauthenticated' })
    connection.connect()
    await clock.advanceAsync(0)
    last().prove()
    expect(connection.status).toBe('connected')
  })

  it('stops when the server says bye for ever', async () => {
    const { connected, connection, errors, last } = setUp()
    await connected()
    last().print({ type: 'bye', error: new RealtimeError('forbidden', 'You are banned.').toJSON() })
    last().end()
    expect(connection.status).toBe('failed')
    expect(errors).toEqual(['forbidden'])
  })
})

it('is degraded while the node does not reach its broker', async () => {
  const { connected, last, statuses } = setUp()
  await connected()
  last().print({ type: 'status', broker: 'degraded' })
  last().print({ type: 'status', broker: 'ok' })
  expect(statuses).toEqual(['connecting', 'connected', 'degraded', 'connected'])
})

describe('close leaves no timer and no link behind', () => {
  const moments: Record<string, (all: ReturnType<typeof setUp>) => Promise<unknown> | unknown> = {
    'before anything': () => {},
    'while opening': ({ clock, connection }) => {
      connection.subscribe('a', 0)
      return clock.advanceAsync(10)
    },
    'while two are tried': ({ clock, connection }) => {
      connection.subscribe('a', 0)
      return clock.advanceAsync(300)
    },
    connected: ({ connected }) => connected(),
    'with commands waiting': async ({ clock, connected, connection }) => {
      await connected()
      connection.execute({ type: 'publish', channel: 'a', data: 1 }, undefined).catch(() => {})
      return clock.advanceAsync(0)
    },
    'while climbing': async ({ clock, connection, links }) => {
      connection.subscribe('a', 0)
      await clock.advanceAsync(0)
      links[0]?.end()
      links[1]?.prove()
      await clock.advanceAsync(30_000)
    },
    'while waiting': async ({ clock, connected, last }) => {
      await connected()
      last().end()
      await clock.advanceAsync(10)
    },
    suspended: async ({ connected, environment }) => {
      await connected()
      environment()?.suspend()
    },
    'with a channel refused for the moment': async ({ connected, last }) => {
      await connected()
      const error = new RealtimeError('internal', 'The rule threw.').toJSON()
      last().print({ type: 'unsubscribed', channel: 'a', error })
    },
  }
  it.each(Object.keys(moments))('%s', async (name) => {
    const all = setUp()
    await moments[name]?.(all)
    all.connection.close()
    expect(all.clock.pending).toBe(0)
    expect(all.open()).toEqual([])
    expect(all.environment()).toBeUndefined()
    expect(all.connection.status).toBe('closed')
    const late = all.connection.execute({ type: 'publish', channel: 'a', data: 1 }, undefined)
    await expect(late).rejects.toMatchObject({ code: 'closed' })
    all.connection.subscribe('b', 0)
    await all.clock.advanceAsync(600_000)
    expect(all.open()).toEqual([])
  })
})

describe('what the application does in a callback', () => {
  it('may end the stream that is just being proven', async () => {
    const calls: (() => void)[] = []
    const { clock, connection, links, statuses, told } = setUp(['sse'])
    const push = told.push.bind(told)
    told.push = (...deliveries: Delivery[]) => {
      for (const { kind } of deliveries) if (kind === 'refused') calls.splice(0).forEach((call) => void call())
      return push(...deliveries)
    }
    calls.push(() => connection.reconnect())
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    links[0]?.end('unauthenticated')
    await clock.advanceAsync(1000)
    links[1]?.prove()
    await clock.advanceAsync(0)
    expect(links[1]?.closed).toBe(true)
    expect(statuses.at(-1)).not.toBe('connected')
    await clock.advanceAsync(1000)
    links[2]?.prove()
    expect(statuses.at(-1)).toBe('connected')
  })
})

it('a closed client switches nowhere', async () => {
  const { connection, connected } = setUp()
  await connected()
  connection.close()
  await expect(connection.switchTo('sse')).rejects.toMatchObject({ code: 'closed' })
})

describe('members', () => {
  const list = (channel: string, id: number, members?: readonly Member[], known = true): ServerEvent => ({
    type: 'members',
    channel,
    id: `1-${id}`,
    at: `1-0_1-${id}_${known ? 1 : 0}`,
    known,
    ...(members !== undefined && { members }),
  })
  const ada = { id: 'ada', state: 1 }

  it('are watched by commands on a link, from where they were known on a new one', async () => {
    const { clock, connection, last, members } = setUp(['websocket'])
    connection.watch('a')
    await clock.advanceAsync(0)
    expect(last().request).toEqual({ channels: [], cursor: undefined, watch: [{ channel: 'a' }] })
    last().prove()
    last().print(list('a', 1, [ada]))
    connection.watch('b')
    connection.subscribe('c', 0)
    await clock.advanceAsync(0)
    expect(last().sent).toEqual([
      { type: 'subscribe', channel: 'c' },
      { type: 'watch', channel: 'b' },
    ])
    connection.reconnect()
    expect(members.at(-1)).toMatchObject({ channel: 'a', list: { members: [ada], known: false }, changes: [] })
    await clock.advanceAsync(1000)
    expect(last().request.watch).toEqual([{ channel: 'a', since: '1-0_1-1_1' }, { channel: 'b' }])
    last().prove()
    last().print(list('a', 1))
    expect(members.at(-1)).toMatchObject({ channel: 'a', list: { members: [ada], known: true }, changes: [] })
  })

  it('of a channel that is given up and taken again are told anew', async () => {
    const { clock, connection, last, members } = setUp(['websocket'])
    connection.watch('a')
    await clock.advanceAsync(0)
    last().prove()
    last().print(list('a', 1, [ada]))
    connection.unwatch('a')
    connection.watch('a')
    await clock.advanceAsync(0)
    expect(last().sent).toEqual([
      { type: 'unwatch', channel: 'a' },
      { type: 'watch', channel: 'a' },
    ])
    const before = members.length
    last().print(list('a', 2, []))
    expect(members).toHaveLength(before)
    last().print({ type: 'unwatched', channel: 'a' }, list('a', 2, []))
    expect(members.at(-1)).toMatchObject({ list: { members: [], known: true } })
  })

  it('are asked of one new stream together with channels where there is no link for commands', async () => {
    const { clock, connection, links, last, open } = setUp(['sse'])
    connection.watch('a')
    await clock.advanceAsync(0)
    last().prove()
    connection.watch('b')
    connection.subscribe('c', 0)
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
    expect(last().request).toEqual({
      channels: [{ channel: 'c', new: true }],
      cursor: 'c0',
      watch: [{ channel: 'a' }, { channel: 'b' }],
    })
    last().prove()
    expect(open()).toHaveLength(1)
  })

  it('are known again with a poll that has nothing new to say, but not with a stream that has not said so', async () => {
    for (const rung of ['poll', 'sse'] as const) {
      const { clock, connection, last, members } = setUp([rung])
      connection.watch('a')
      await clock.advanceAsync(0)
      last().prove()
      last().print(list('a', 1, [ada]))
      connection.reconnect()
      await clock.advanceAsync(1000)
      expect(members.at(-1)).toMatchObject({ list: { members: [ada], known: false } })
      last().prove()
      expect(members.at(-1)).toMatchObject({ list: { members: [ada], known: rung === 'poll' }, changes: [] })
    }
  })

  it('refused for the moment are asked for again, refused for good they are told', async () => {
    const { clock, connection, last, members } = setUp(['websocket'])
    connection.watch('a')
    await clock.advanceAsync(0)
    last().prove()
    const refuse = (code: ErrorBody['code']) =>
      last().print({ type: 'unwatched', channel: 'a', error: new RealtimeError(code, 'No.').toJSON() })
    refuse('broker_unavailable')
    expect(members).toEqual([])
    await clock.advanceAsync(1000)
    expect(last().sent).toEqual([{ type: 'watch', channel: 'a' }])
    refuse('forbidden')
    expect(members).toMatchObject([{ kind: 'unwatched', channel: 'a', error: { code: 'forbidden' } }])
    await clock.advanceAsync(30_000)
    expect(last().sent).toHaveLength(1)
  })

  it('are to blame for a stream that is refused for them', async () => {
    const { clock, connection, last, members, statuses } = setUp(['sse'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().prove()
    connection.watch('secret')
    await clock.advanceAsync(0)
    last().end('forbidden')
    await clock.advanceAsync(0)
    expect(members).toMatchObject([{ kind: 'unwatched', channel: 'secret' }])
    expect(connection.status).toBe('connected')
    expect(statuses).not.toContain('failed')
  })
})

describe('membership', () => {
  const answer = (link: FakeLink, i = link.sent.length - 1) => {
    const { ref } = link.sent[i] as { ref: number }
    link.print({ type: 'result', ref, value: {} })
  }
  const of = (link: FakeLink) => link.sent.map((sent) => sent as { type: string; channel: string; state?: unknown })

  async function entered(rungs: Rung[] = ['websocket']) {
    const all = setUp(rungs)
    const done = all.connection.enter('a', { n: 1 })
    await all.clock.advanceAsync(0)
    all.last().prove()
    await all.clock.advanceAsync(0)
    if (rungs[0] === 'websocket') {
      answer(all.last())
      await done
    }
    return { ...all, done }
  }

  it('is named to each later stream, and entered again with the last state where the server does not know', async () => {
    const { clock, connection, last } = await entered()
    expect(last().request.entered).toBeUndefined()
    const updated = connection.update('a', { n: 2 })
    await clock.advanceAsync(0)
    answer(last())
    await updated
    expect(of(last())).toMatchObject([
      { type: 'enter', channel: 'a', client: 'me', state: { n: 1 } },
      { type: 'enter', state: { n: 2 } },
    ])
    connection.reconnect()
    await clock.advanceAsync(1000)
    expect(last().request).toMatchObject({ client: 'me', entered: ['a'] })
    last().prove()
    await clock.advanceAsync(0)
    expect(last().sent).toEqual([])
    last().print({ type: 'absent', channel: 'a' })
    await clock.advanceAsync(0)
    expect(of(last())).toMatchObject([{ type: 'enter', channel: 'a', state: { n: 2 } }])
    answer(last())
    await clock.advanceAsync(0)
    // Not in a circle.
    last().print({ type: 'absent', channel: 'a' })
    await clock.advanceAsync(0)
    expect(last().sent).toHaveLength(1)
    await clock.advanceAsync(1000)
    expect(last().sent).toHaveLength(2)
  })

  it('is entered again in time, however often the server says that it does not know', async () => {
    const { clock, last } = await entered()
    const absent = async (times: number) => {
      for (let i = 0; i < times; i++) {
        last().print({ type: 'absent', channel: 'a' })
        await clock.advanceAsync(100)
      }
    }
    // As long as the command is under way, which may be long, and again when it was of no use.
    await absent(20)
    expect(last().sent).toHaveLength(2)
    answer(last())
    await clock.advanceAsync(0)
    await absent(10)
    expect(last().sent).toHaveLength(3)
  })

  it('that was entered while a stream was being opened is tied to that one', async () => {
    const { clock, connection, links, last } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().prove()
    last().print({ type: 'bye', error: new RealtimeError('draining', 'Bye.').toJSON(), retryAfter: 100 })
    await clock.advanceAsync(1000)
    const [old] = links as [FakeLink]
    const fresh = last()
    expect(fresh).not.toBe(old)
    const done = connection.enter('a', 1)
    await clock.advanceAsync(0)
    expect(of(old)).toMatchObject([{ type: 'enter' }])
    answer(old)
    await done
    fresh.prove('c0')
    await clock.advanceAsync(0)
    expect(old.closed).toBe(true)
    expect(of(fresh)).toMatchObject([{ type: 'enter', channel: 'a', state: 1 }])
  })

  it('by POST is named by a stream that is opened when the answer is there', async () => {
    const { clock, connection, links, posts, last, post } = await entered(['sse'])
    expect(posts).toHaveLength(1)
    expect(links).toHaveLength(1)
    post(0)
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
    expect(last().request).toEqual({ channels: [], cursor: 'c0', client: 'me', entered: ['a'] })
    last().prove()
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
    // A change of the state needs no other stream.
    void connection.update('a', 2)
    await clock.advanceAsync(0)
    post(1)
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
    // That it was left does: its node keeps the seat.
    void connection.leave('a')
    await clock.advanceAsync(0)
    expect(last().request.entered).toBeUndefined()
    expect(JSON.parse(posts[2] as string)).toMatchObject([{ type: 'leave', channel: 'a', client: 'me' }])
  })

  it('that the server refuses is none; without one there is nothing to update', async () => {
    const { clock, connection, last } = setUp(['websocket'])
    await expect(connection.update('a', 1)).rejects.toMatchObject({ code: 'invalid_request' })
    const refused = connection.enter('a', 1)
    await clock.advanceAsync(0)
    last().prove()
    const { ref } = last().sent[0] as { ref: number }
    last().print({ type: 'result', ref, error: new RealtimeError('forbidden', 'No.', { outcome: 'failed' }).toJSON() })
    await expect(refused).rejects.toMatchObject({ code: 'forbidden' })
    await expect(connection.update('a', 1)).rejects.toMatchObject({ code: 'invalid_request' })
    connection.reconnect()
    await clock.advanceAsync(1000)
    expect(last().request.entered).toBeUndefined()
  })

  it('that the server takes away is told', async () => {
    const { clock, errors, last } = await entered()
    last().print({ type: 'absent', channel: 'a' })
    await clock.advanceAsync(0)
    const { ref } = last().sent[1] as { ref: number }
    last().print({ type: 'result', ref, error: new RealtimeError('forbidden', 'No.').toJSON() })
    await clock.advanceAsync(0)
    expect(errors).toEqual(['a forbidden'])
  })

  it('ends with the client, said as far as the link lets it', async () => {
    const { connection, last } = await entered()
    connection.close()
    expect(of(last()).at(-1)).toMatchObject({ type: 'leave', channel: 'a', client: 'me' })
    expect(last().closed).toBe(true)
  })
})

it('a channel with a state is asked for once more after a gap', async () => {
  const { clock, connection, last, told } = setUp(['websocket'])
  connection.subscribe('a', 5)
  await clock.advanceAsync(0)
  last().print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000 })
  last().print({
    type: 'subscribed',
    channel: 'a',
    id: '1-1',
    epoch: '0-1',
    state: { n: 1 },
    updates: [],
    cursor: 'c1',
  })
  last().print({ type: 'gap', channel: 'a', reason: 'history' })
  last().message('a', 2)
  await clock.advanceAsync(0)
  expect(last().sent).toEqual([{ type: 'subscribe', channel: 'a' }])
  const update = { id: '1-2', messageId: 'm2', data: 2 }
  last().print({
    type: 'subscribed',
    channel: 'a',
    id: '1-2',
    epoch: '0-1',
    state: { n: 2 },
    updates: [update],
    cursor: 'c2',
  })
  last().message('a', 3)
  expect(told.map((delivery) => (delivery.kind === 'message' ? delivery.message.data : delivery.kind))).toEqual([
    'state',
    'subscribed',
    'gap',
    'state',
    2,
    'subscribed',
    3,
  ])
})

const all: Rung[] = ['websocket', 'sse', 'sse-post', 'long-poll', 'poll']

describe('what is needed', () => {
  it('is SSE for who listens, WebSocket for who sends often, a poll for a page that is hidden for minutes, and back at once', async () => {
    const { clock, connection, links, last, open, post, environment } = setUp(all, undefined, { free: true })
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().prove()
    expect(connection.transport).toBe('sse')
    for (let i = 0; i < 3; i++) {
      void connection.execute({ type: 'publish', channel: 'a', data: i }, undefined)
      await clock.advanceAsync(1000)
      post(i)
      await clock.advanceAsync(0)
    }
    expect(last().rung).toBe('websocket')
    last().prove('c1')
    expect(connection.transport).toBe('websocket')
    environment()?.hidden(true)
    const idle = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        await clock.advanceAsync(10_000)
        last().print({ type: 'beat' })
      }
    }
    await idle(290_000)
    expect(open().map(({ rung }) => rung)).toEqual(['websocket'])
    await clock.advanceAsync(10_000)
    expect(last()).toMatchObject({ rung: 'poll', request: { heartbeat: 60_000, cursor: 'c1' } })
    expect(last().pause()).toBe(60_000)
    last().prove('c2')
    expect(open().map(({ rung }) => rung)).toEqual(['poll'])
    environment()?.hidden(false)
    await clock.advanceAsync(0)
    expect(last().rung).toBe('sse')
    last().prove('c3')
    expect(connection.transport).toBe('sse')
    const tried = links.length
    await idle(900_000)
    // It is content with SSE.
    expect(links).toHaveLength(tried)
  })

  it('does not count where the application gave an order', async () => {
    const { clock, connection, last, open, environment } = setUp(['sse', 'poll'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().prove()
    environment()?.hidden(true)
    for (let passed = 0; passed < 600_000; passed += 10_000) {
      await clock.advanceAsync(10_000)
      last().print({ type: 'beat' })
    }
    expect(open().map(({ rung }) => rung)).toEqual(['sse'])
  })
})

describe('the life of a page', () => {
  it('opens a second link at once when the network may have changed, and keeps the old one until that works', async () => {
    const { connected, connection, environment, links, last, open, statuses } = setUp(['websocket'])
    await connected()
    environment()?.wake('doubt')
    expect(links).toHaveLength(2)
    expect(open()).toHaveLength(2)
    last().prove()
    expect(open()).toEqual([last()])
    expect(statuses).toEqual(['connecting', 'connected'])
    expect(connection.status).toBe('connected')
  })

  it('gives a link up that is certainly dead, and comes back without a pause', async () => {
    const { clock, connected, environment, links, open, statuses } = setUp(['websocket'])
    await connected()
    environment()?.wake('none')
    await clock.advanceAsync(0)
    expect(links).toHaveLength(2)
    expect(open()).toHaveLength(1)
    expect(statuses.at(-1)).toBe('reconnecting')
  })

  it('notices by the clocks that the machine slept', async () => {
    const { clock, connected, links, last } = setUp(['websocket'])
    await connected()
    clock.step(3_600_000)
    last().print({ type: 'beat' })
    for (let i = 0; i < 40 && links.length === 1; i++) await clock.advanceAsync(1000)
    expect(links[0]?.closed).toBe(true)
    last().prove()
    await clock.advanceAsync(20_000)
    expect(links).toHaveLength(2)
  })

  it('asks a poll again at once in place of a second link', async () => {
    const { clock, connection, environment, links, last } = setUp(['poll'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().prove()
    environment()?.wake('doubt')
    expect(links).toHaveLength(1)
    expect(last().refreshed).toBe(1)
  })
})

describe('a path that cuts', () => {
  it('links at a certain age is outrun', async () => {
    const { clock, connected, links, last, statuses } = setUp(['websocket'])
    await connected()
    const live = async (ms: number) => {
      const link = last()
      for (let passed = 0; passed < ms; passed += 1000) {
        await clock.advanceAsync(1000)
        if (last() !== link) return
        link.message('a', links.length * 100 + passed / 1000)
      }
    }
    for (let i = 0; i < 2; i++) {
      await live(40_000)
      last().end()
      await clock.advanceAsync(1000)
      last().prove()
    }
    const before = links.length
    statuses.length = 0
    await live(36_000)
    expect(links).toHaveLength(before + 1)
    last().prove()
    expect(statuses).toEqual([])
  })

  it('silent links is kept busy', async () => {
    const { clock, connected, last } = setUp(['websocket'])
    await connected()
    expect(last().request.heartbeat).toBeUndefined()
    for (const spoken of [1, 3]) {
      for (let i = 0; i < spoken; i++) {
        await clock.advanceAsync(7000)
        last().message('a', spoken * 10 + i)
      }
      await clock.advanceAsync(12_000)
      last().end()
      await clock.advanceAsync(1000)
      last().prove()
    }
    expect(last().request.heartbeat).toBe(6000)
  })

  it('links within seconds, again and again, is left to the other rungs', async () => {
    const { clock, connected, last, links } = setUp(['websocket', 'sse'])
    await connected()
    for (let i = 0; i < 2; i++) {
      await clock.advanceAsync(1000 + 3000 * i)
      last().message('a', i)
      await clock.advanceAsync(100)
      last().end()
      await clock.advanceAsync(1000)
      if (i === 0) last().prove()
    }
    expect(links.slice(-2).map(({ rung }) => rung)).toEqual(['sse', 'websocket'])
  })
})

describe('why there is no connection', () => {
  const cases: readonly (readonly [Problem, Closed | null])[] = [
    ['offline', { error: null }],
    ['captive-portal', { error: null, status: 200 }],
    ['server', { error: null, status: 502 }],
    ['server', { error: new RealtimeError('draining', 'Later.'), status: 503 }],
    ['unauthorized', { error: new RealtimeError('unauthenticated', 'Who?'), status: 401 }],
    ['blocked', null],
  ]
  it.each(cases)('is %s where a plain request has the answer %o', async (problem, answer) => {
    const { clock, connection, last, post, posts, problems, refuse } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().end()
    expect(posts).toEqual(['[]'])
    if (answer === null) post(0)
    else refuse(0, answer)
    await clock.advanceAsync(0)
    expect(connection.problem).toBe(problem)
    await clock.advanceAsync(1000)
    last().prove()
    expect(problems).toEqual([problem, null])
  })

  it('is asked once a round, and what is not answered until the next is offline', async () => {
    const { clock, connection, last, posts, problems } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().end()
    await clock.advanceAsync(1000)
    last().end()
    expect(posts).toHaveLength(2)
    expect(problems).toEqual(['offline'])
  })

  it('is the server, unasked, where that says so itself', async () => {
    const { clock, connection, last, posts, problems } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().end('draining', 1000)
    expect([posts, problems]).toEqual([[], ['server']])
  })

  it('is nothing of the way there, when the server refuses the client for good and says why', async () => {
    const { clock, connection, last, problems, errors } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().print({ type: 'bye', error: new RealtimeError('internal', 'Never again.').toJSON() })
    last().end()
    expect([connection.status, problems, errors]).toEqual(['failed', [], ['internal']])
  })

  it('is asked of the server when no token can be had', async () => {
    const { clock, connection, posts, problems, refuse } = setUp(['websocket'], () => {
      throw new RealtimeError('timeout', 'The token server is away.')
    })
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    expect(posts).toEqual(['[]'])
    refuse(0, { error: null })
    await clock.advanceAsync(0)
    expect(problems).toEqual(['offline'])
  })

  it('is who this is, when the server refuses the client for good', async () => {
    const { clock, connection, last, problems } = setUp(['websocket'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().end('unauthenticated')
    expect([connection.status, problems]).toEqual(['failed', ['unauthorized']])
  })
})

it('explains its steps', async () => {
  const { clock, connection, links } = setUp(['websocket', 'sse'])
  connection.subscribe('a', 0)
  await clock.advanceAsync(300)
  links[1]?.prove()
  await clock.advanceAsync(2200)
  links[1]?.end()
  expect(explain(connection.steps).map(({ text }) => text)).toEqual([
    'To be tried in this order: WebSocket, SSE.',
    'Tries WebSocket, to get connected.',
    'Tries SSE, to get connected.',
    'SSE works: two frames came through, 50 ms after it was opened.',
    'WebSocket failed: nothing came through in time.',
    'Does not come through here, since another one did: WebSocket.',
    'SSE failed: it was ended.',
    expect.stringMatching(/^Waits \d+ ms before the next try\.$/),
  ])
})

describe('frames that were sent apart', () => {
  const late = { type: 'beat', after: 1000 } as const

  it('and came so are no reason for anything', async () => {
    const { clock, connection, links, last } = setUp(['sse', 'long-poll'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().prove()
    await clock.advanceAsync(600)
    last().print(late)
    expect(links).toHaveLength(1)
  })

  it('and came together, are looked at on a second link; when they do again the rung is left', async () => {
    const { clock, connection, links, last, open, statuses } = setUp(['sse', 'long-poll'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().prove()
    last().print(late)
    expect(open().map(({ rung }) => rung)).toEqual(['sse', 'sse'])
    last().prove()
    expect(statuses).toEqual(['connecting', 'connected'])
    last().print(late)
    await clock.advanceAsync(1000)
    expect(links.slice(2).map(({ rung }) => rung)).toEqual(['long-poll', 'sse'])
    links[2]?.prove()
    for (let passed = 0; passed < 100_000; passed += 10_000) {
      await clock.advanceAsync(10_000)
      links[2]?.print({ type: 'beat' })
    }
    expect(links).toHaveLength(4)
  })

  it('and came together once, when the page was busy, are forgotten', async () => {
    const { clock, connection, last, open } = setUp(['sse', 'long-poll'])
    connection.subscribe('a', 0)
    await clock.advanceAsync(0)
    last().prove()
    last().print(late)
    last().prove()
    await clock.advanceAsync(1000)
    last().print(late)
    connection.reconnect()
    await clock.advanceAsync(300)
    last().prove()
    last().print(late)
    expect(open().map(({ rung }) => rung)).toEqual(['sse', 'sse'])
  })
})

it('does not blame the rungs that failed while nobody was there', async () => {
  const { clock, connection, links, last, memory } = setUp(['websocket', 'sse', 'long-poll'])
  connection.subscribe('a', 0)
  await clock.advanceAsync(0)
  for (const rung of ['websocket', 'sse'] as const) {
    expect(last().rung).toBe(rung)
    last().end()
  }
  last().prove()
  expect(links.map(({ rung }) => rung)).toEqual(['websocket', 'sse', 'long-poll'])
  expect((JSON.parse(memory.get('rt:here') as string) as { blocked: object }).blocked).toEqual({})
})

it('connects by itself where it is not let look for other tabs', async () => {
  const { clock, connection, last } = setUp(['websocket'], undefined, {
    look: () => Promise.reject(new DOMException('No locks here.', 'SecurityError')),
  })
  connection.subscribe('a', 0)
  await clock.advanceAsync(0)
  last().prove()
  expect(connection.status).toBe('connected')
})

it('leaves SSE whose links go silent twice within ten minutes', async () => {
  const { clock, connection, links, last } = setUp(['sse', 'long-poll'])
  connection.subscribe('a', 0)
  await clock.advanceAsync(0)
  for (let i = 0; i < 2; i++) {
    last().prove()
    const before = links.length
    await clock.advanceAsync(35_000)
    for (let ms = 0; ms < 1000 && links.length === before; ms += 10) await clock.advanceAsync(10)
    expect(last().rung).toBe(i === 0 ? 'sse' : 'long-poll')
  }
})

it('asks for a new token as often as one expires that was good, however short it lived', async () => {
  let n = 0
  const { clock, connected, connection, last } = setUp(['websocket'], () => `t${++n}`)
  await connected()
  for (const token of ['t2', 't3', 't4']) {
    await clock.advanceAsync(3000)
    last().end('token_expired')
    await clock.advanceAsync(1000)
    expect([connection.status, last().token]).toEqual(['reconnecting', token])
    last().prove()
  }
})

it('gives up the channel alone that a poll is refused for in mid-stream', async () => {
  const { clock, connected, connection, errors, last, links, told } = setUp(['poll'])
  await connected()
  last().closed = true
  last().listener.closed({ error: new RealtimeError('forbidden', 'No more.'), status: 403 })
  await clock.advanceAsync(1000)
  expect(told.at(-1)).toMatchObject({ kind: 'refused', channel: 'a', event: { error: { code: 'forbidden' } } })
  expect([errors, links.length]).toEqual([[], 2])
  last().prove()
  connection.subscribe('b', 0)
  await clock.advanceAsync(0)
  expect(connection.status).toBe('connected')
})

describe('a token that expires', () => {
  const tokens = (calls = { n: 0 }) => ({ calls, token: () => `t${++calls.n}` })

  it('is renewed 25 s before, on the WebSocket that is open, as often as it takes', async () => {
    const { calls, token } = tokens()
    const { clock, connected, links, last, statuses } = setUp(['websocket'], token)
    await connected()
    last().print({ type: 'expires', after: 100_000 })
    for (let i = 2; i < 6; i++) {
      for (const type of ['beat', 'beat', 'beat'] as const) {
        await clock.advanceAsync(24_000)
        last().print({ type })
      }
      await clock.advanceAsync(2_000)
      expect(calls.n).toBe(i - 1)
      await clock.advanceAsync(1_000)
      expect(last().sent).toEqual([{ type: 'authenticate', token: `t${i}` }])
      last().sent.length = 0
      last().print({ type: 'expires', after: 100_000 })
    }
    expect(links).toHaveLength(1)
    expect(statuses).toEqual(['connecting', 'connected'])
  })

  it('that lives for seconds is renewed when three quarters of them are over', async () => {
    const { token } = tokens()
    const { clock, connected, last } = setUp(['websocket'], token)
    await connected()
    last().print({ type: 'expires', after: 4000 })
    await clock.advanceAsync(2999)
    expect(last().sent).toEqual([])
    await clock.advanceAsync(1)
    expect(last().sent).toEqual([{ type: 'authenticate', token: 't2' }])
  })

  it('is shown by the next stream over SSE, and the old one goes on until then', async () => {
    const { token } = tokens()
    const { clock, connected, links, last, messages, statuses } = setUp(['sse'], token)
    await connected()
    last().print({ type: 'expires', after: 4000 })
    await clock.advanceAsync(3000)
    const [first, second] = links
    expect([first?.closed, second?.token, second?.request.cursor]).toEqual([false, 't2', 'c0'])
    first?.message('a', 1)
    second?.print({ type: 'hello', version: 1, node: 'n', heartbeat: 20_000 }, { type: 'expires', after: 4000 })
    second?.message('a', 1)
    expect(first?.closed).toBe(true)
    second?.message('a', 2)
    expect(messages()).toEqual([1, 2])
    await clock.advanceAsync(3000)
    expect(last().token).toBe('t3')
    expect(statuses).toEqual(['connecting', 'connected'])
  })

  it('is shown by the next poll, at once', async () => {
    const { token } = tokens()
    const { clock, connected, links, last } = setUp(['long-poll'], token)
    await connected()
    last().print({ type: 'expires', after: 4000 })
    await clock.advanceAsync(3000)
    expect([links.length, last().refreshed]).toEqual([1, 1])
  })

  it('is asked for once more at its end where there was no other yet, and then not again', async () => {
    let calls = 0
    const answers = ['same', 'same', 'other']
    const { clock, connected, last } = setUp(['websocket'], () => {
      calls++
      return answers.shift() ?? 'none'
    })
    await connected()
    last().print({ type: 'expires', after: 4000 })
    await clock.advanceAsync(3999)
    expect([calls, last().sent]).toEqual([2, []])
    await clock.advanceAsync(1)
    expect([calls, last().sent]).toEqual([3, [{ type: 'authenticate', token: 'other' }]])
    await clock.advanceAsync(20_000)
    expect(calls).toBe(3)
  })

  it('that can not be had is told, and the stream goes on for as long as the server lets it', async () => {
    let away = false
    const { clock, connected, connection, errors, last } = setUp(['websocket'], () => {
      if (away) throw new RealtimeError('timeout', 'The token server is away.')
      return 'good'
    })
    await connected()
    away = true
    last().print({ type: 'expires', after: 4000 })
    await clock.advanceAsync(4000)
    expect(errors).toEqual(['timeout', 'timeout'])
    expect(connection.status).toBe('connected')
  })

  it('is asked for anew where the server does not take the one that was shown in time', async () => {
    const { token } = tokens()
    const { clock, connected, connection, last, links } = setUp(['websocket'], token)
    await connected()
    last().print({ type: 'expires', after: 4000 })
    await clock.advanceAsync(3000)
    last().end('unauthenticated')
    await clock.advanceAsync(1000)
    expect([links.length, last().token, connection.status]).toEqual([2, 't3', 'reconnecting'])
  })

  it('is a cookie where there is no token: another stream shows what it is now', async () => {
    const { clock, connected, connection, errors, links, last } = setUp(['websocket'])
    await connected()
    last().print({ type: 'expires', after: 4000 })
    await clock.advanceAsync(3000)
    expect([links.length, last().token]).toEqual([2, undefined])
    last().prove()
    last().end('token_expired')
    await clock.advanceAsync(1000)
    expect([links.length, connection.status]).toEqual([3, 'reconnecting'])
    last().end('token_expired')
    expect([connection.status, errors]).toEqual(['failed', ['token_expired']])
  })
})

it('tries what worked last alone where nothing answers, and all of them every fourth time', async () => {
  const { clock, connected, connection, links, posts, refuse } = setUp(['websocket', 'sse', 'long-poll'])
  await connected()
  const rounds: number[] = []
  const round = async () => {
    const before = links.length
    while (connection.status !== 'connected') {
      const open = links.findLast((link) => !link.closed)
      if (open !== undefined) open.end()
      else if (links.length > before) break
      else await clock.advanceAsync(10)
    }
    rounds.push(links.length - before)
    refuse(posts.length - 1, { error: null })
    await clock.advanceAsync(0)
  }
  links[0]?.end()
  for (let i = 0; i < 5; i++) await round()
  expect(rounds).toEqual([3, 1, 1, 1, 3])
})

it('blames no rung for a round in which there was no network', async () => {
  const { clock, connection, links, memory, refuse } = setUp()
  connection.subscribe('a', 0)
  await clock.advanceAsync(2800)
  expect(links.map(({ closed }) => closed)).toEqual([true, true])
  refuse(0, { error: null })
  await clock.advanceAsync(3000)
  links.findLast(({ rung }) => rung === 'sse')?.prove()
  expect((JSON.parse(memory.get('rt:here') as string) as { blocked: object }).blocked).toEqual({})
})

it('is back on a rung that was cut again and again soon after it may be tried', async () => {
  const { clock, connected, links, last } = setUp()
  await connected()
  for (let i = 0; i < 2; i++) {
    await clock.advanceAsync(1000 + 3000 * i)
    last().message('a', i)
    await clock.advanceAsync(100)
    last().end()
    await clock.advanceAsync(250)
    if (i === 0) last().prove()
  }
  await clock.advanceAsync(250)
  const sse = links.findLast(({ rung }) => rung === 'sse') as FakeLink
  sse.prove()
  const before = links.length
  for (let passed = 0; passed < 150_000; passed += 10_000) {
    await clock.advanceAsync(10_000)
    sse.print({ type: 'beat' })
    if (passed < 110_000) expect(links).toHaveLength(before)
  }
  expect(last().rung).toBe('websocket')
})

it('ends a link through which something came when another one is proven first', async () => {
  const { clock, connection, links, open } = setUp()
  connection.subscribe('a', 0)
  await clock.advanceAsync(249)
  const hello = { type: 'hello', version: 1, node: 'n', heartbeat: 20_000 } as const
  await clock.advanceAsync(1)
  links[0]?.print(hello, { type: 'cursor', cursor: 'c0' })
  links[1]?.prove()
  expect(open().map(({ rung }) => rung)).toEqual(['sse'])
})

it('does not rest, hidden or not, while other tabs ride on it', async () => {
  const { clock, connection, environment, links, last } = setUp(all, undefined, { free: true })
  connection.subscribe('a', 0)
  await clock.advanceAsync(0)
  last().prove()
  connection.lend('channel', 'a')
  environment()?.hidden(true)
  for (let passed = 0; passed < 400_000; passed += 10_000) {
    await clock.advanceAsync(10_000)
    links[0]?.print({ type: 'beat' })
  }
  expect(links).toHaveLength(1)
  await connection.giveBack('channel', 'a')
  for (let passed = 0; passed < 310_000; passed += 10_000) {
    await clock.advanceAsync(10_000)
    links[0]?.print({ type: 'beat' })
  }
  expect(links[1]?.rung).toBe('poll')
})

it('knows whom the server takes it for only from a stream that asked for something', async () => {
  const { clock, connection, last } = setUp(['sse'])
  connection.connect()
  await clock.advanceAsync(0)
  last().prove()
  expect([connection.status, connection.identity]).toEqual(['connected', undefined])
  connection.subscribe('a', 0)
  await clock.advanceAsync(0)
  last().prove()
  expect(connection.identity).toBeNull()
})

it('does not ask in a circle a server that leaves out what is heard already', async () => {
  const { clock, connection, links, last, statuses } = setUp(['sse'])
  const hello = { type: 'hello', version: 1, node: 'n', heartbeat: 20_000 } as const
  connection.subscribe('a', 0)
  await clock.advanceAsync(0)
  // Without a cursor there is nothing to resume from.
  last().print(hello)
  last().print({ type: 'subscribed', channel: 'a', id: '1-0', epoch: '0-1' })
  connection.subscribe('b', 0)
  await clock.advanceAsync(0)
  for (const count of [2, 3]) {
    expect(links).toHaveLength(count)
    last().print(hello)
    last().print({ type: 'beat' })
  }
  expect([links.length, last().closed]).toEqual([3, true])
  expect(statuses).toEqual(['connecting', 'connected'])
})
