// One channel between a scripted connection and the application: late history, loops, ends.
import { type HistoryItem, type Json, RealtimeError } from '@rt/protocol'
import { describe, expect, it } from 'vitest'
import type { PresenceChangeOf } from '../types'
import { Channel } from './channel'

const item = (n: number): HistoryItem => ({ id: `1-${n}`, messageId: `m${n}`, data: n })
const numbers = (...list: number[]) => list.map(item)

function setUp() {
  const histories: { readonly last: number; answer(...list: number[]): void; fail(error: RealtimeError): void }[] = []
  const unheard: string[] = []
  const asked: string[] = []
  let closed = false
  const channel = new Channel('a', {
    subscribe: (name, last) => asked.push(`+${name} ${last}`),
    unsubscribe: (name) => asked.push(`-${name}`),
    execute: (order) =>
      new Promise((resolve, reject) => {
        if (order.type !== 'history') return
        histories.push({ last: order.last, answer: (...list) => resolve(numbers(...list)), fail: reject })
      }),
    watch: (name) => asked.push(`watch ${name}`),
    unwatch: (name) => asked.push(`unwatch ${name}`),
    enter: async () => {},
    update: async () => {},
    leave: async () => {},
    closed: () => closed,
    now: () => 0,
    unheard: ({ code }) => unheard.push(code),
  })
  const got: Record<string, unknown[]> = {}
  return {
    channel,
    histories,
    unheard,
    asked,
    got,
    listen(name: string, last = 0) {
      const list: unknown[] = []
      got[name] = list
      return channel.subscribe(({ data }) => list.push(data), { last })
    },
    message: (n: number) => channel.deliver({ kind: 'message', channel: 'a', message: item(n) }),
    established: () => channel.deliver({ kind: 'subscribed', channel: 'a', id: '1-0' }),
    epoch: () =>
      channel.deliver({
        kind: 'gap',
        channel: 'a',
        gap: { type: 'gap', channel: 'a', reason: 'epoch', epoch: '0-9' },
      }),
    refuse(code: 'forbidden') {
      const event = { type: 'unsubscribed', channel: 'a', error: new RealtimeError(code, 'No.').toJSON() } as const
      channel.deliver({ kind: 'refused', channel: 'a', event })
    },
    close() {
      closed = true
      channel.close()
    },
    settled: () => new Promise<void>((resolve) => setImmediate(resolve)),
  }
}

describe('a later subscriber', () => {
  it('gets its history first, then what arrived meanwhile, each once', async () => {
    const { listen, established, message, histories, got, settled } = setUp()
    listen('first')
    established()
    listen('second', 3)
    message(4)
    message(5)
    histories[0]?.answer(2, 3, 4)
    await settled()
    message(6)
    expect(got).toEqual({ first: [4, 5, 6], second: [2, 3, 4, 5, 6] })
  })

  it('hears nothing twice when the history is ahead of the stream', async () => {
    const { listen, established, message, histories, got, settled } = setUp()
    listen('first')
    established()
    listen('second', 2)
    histories[0]?.answer(3, 4)
    await settled()
    message(3)
    message(4)
    message(5)
    expect(got).toEqual({ first: [3, 4, 5], second: [3, 4, 5] })
  })

  it('compares nothing with ids of an earlier life of the broker', async () => {
    const { listen, established, message, epoch, histories, got, settled } = setUp()
    listen('first')
    established()
    listen('second', 2)
    histories[0]?.answer(8, 9)
    await settled()
    epoch()
    message(3)
    expect(got['second']).toEqual([8, 9, 3])
  })

  it('asks for it once the stream has begun, so that nothing lies between the two', async () => {
    const { listen, established, message, histories, got, settled } = setUp()
    listen('first', 1)
    listen('second', 3)
    expect(histories).toHaveLength(0)
    message(3)
    established()
    message(4)
    expect(histories.map(({ last }) => last)).toEqual([3])
    histories[0]?.answer(1, 2, 3)
    await settled()
    expect(got).toEqual({ first: [3, 4], second: [1, 2, 3, 4] })
  })

  it('goes on without the history when there is none to be had', async () => {
    const { listen, established, message, histories, got, unheard, settled } = setUp()
    listen('first')
    established()
    listen('second', 3)
    message(1)
    histories[0]?.fail(new RealtimeError('timeout', 'No answer.'))
    await settled()
    message(2)
    expect(got['second']).toEqual([1, 2])
    expect(unheard).toEqual(['timeout'])
  })

  it('is left alone when it is gone before its history comes', async () => {
    const { listen, established, histories, got, unheard, settled } = setUp()
    listen('first')
    established()
    listen('second', 3)()
    histories[0]?.fail(new RealtimeError('timeout', 'No answer.'))
    await settled()
    expect(got['second']).toEqual([])
    expect(unheard).toEqual([])
  })
})

it('a channel is left with its last subscriber', () => {
  const { listen, asked } = setUp()
  const off = [listen('first'), listen('second')]
  off[0]?.()
  off[0]?.()
  expect(asked).toEqual(['+a 0'])
  off[1]?.()
  expect(asked).toEqual(['+a 0', '-a'])
})

describe('a loop', () => {
  it('answers everybody who waits for the next message', async () => {
    const { channel, established, message } = setUp()
    const loop = channel[Symbol.asyncIterator]()
    established()
    const both = Promise.all([loop.next(), loop.next()])
    message(1)
    message(2)
    expect((await both).map(({ value }) => value.data)).toEqual([1, 2])
  })

  it('throws once what it was refused with, then is over', async () => {
    const { channel, refuse, asked, unheard } = setUp()
    const loop = channel[Symbol.asyncIterator]()
    const next = loop.next()
    refuse('forbidden')
    await expect(next).rejects.toMatchObject({ code: 'forbidden' })
    expect(await loop.next()).toEqual({ done: true, value: undefined })
    expect(asked).toEqual(['+a 0'])
    expect(unheard).toEqual([])
  })

  it('reads what came before the client was closed', async () => {
    const { channel, established, message, close } = setUp()
    const loop = channel[Symbol.asyncIterator]()
    established()
    message(1)
    close()
    expect(await loop.next()).toMatchObject({ done: false, value: { data: 1 } })
    expect(await loop.next()).toEqual({ done: true, value: undefined })
  })

  it('throws when it leaves more than 10,000 messages unread', async () => {
    const { channel, established, message, asked } = setUp()
    const loop = channel[Symbol.asyncIterator]()
    established()
    for (let n = 1; n <= 10_001; n++) message(n)
    await expect(loop.next()).rejects.toMatchObject({ code: 'rate_limited' })
    expect(asked.at(-1)).toBe('-a')
  })
})

describe('a channel with a state', () => {
  it('tells the state, the history to those who asked for it, what came since to all, then that it is established', () => {
    const { channel, listen, message, established, got } = setUp()
    const order: unknown[] = []
    channel.on('state', ({ state, id }) => order.push(state, id))
    channel.on('subscribed', () => order.push('subscribed'))
    channel.subscribe(({ data }) => order.push(data), { last: 2 })
    listen('without history')
    message(1)
    message(2)
    expect(channel.state).toBeUndefined()
    channel.deliver({ kind: 'state', channel: 'a', state: 'sum 3', id: '1-2' })
    message(3)
    established()
    expect(order).toEqual(['sum 3', '1-2', 1, 2, 3, 'subscribed'])
    expect(got).toEqual({ 'without history': [3] })
    expect(channel.state).toBe('sum 3')
  })

  it('forgets it with the last subscriber', () => {
    const { channel, listen } = setUp()
    const off = listen('only')
    channel.deliver({ kind: 'state', channel: 'a', state: 1, id: '1-2' })
    off()
    expect(channel.state).toBeUndefined()
  })
})

describe('members', () => {
  const member = (id: string) => ({ id, state: 1 })
  const list = (...ids: string[]) => ({ members: ids.map(member), known: true })
  const tell = (channel: Channel, ids: string[], ...changes: PresenceChangeOf<Json>[]) =>
    channel.deliverPresence({ kind: 'members', channel: 'a', list: list(...ids), changes })
  const enter = (id: string) => ({ action: 'enter', member: member(id) }) as const

  it('are watched while somebody listens; who comes later begins with the list', async () => {
    const { channel, asked, settled } = setUp()
    const told: Record<string, unknown[]> = { one: [], two: [] }
    const listen = (name: string) =>
      channel.presence.subscribe(({ members }, change) => {
        told[name]?.push([members.length, change === null ? null : `${change.action} ${change.member.id}`])
      })
    const off = listen('one')
    expect(channel.presence.list).toEqual({ members: [], known: false })
    tell(channel, ['ada'])
    const same = channel.presence.list
    expect(same).toEqual(list('ada'))
    const offTwo = listen('two')
    await settled()
    tell(channel, ['ada', 'bob', 'cy'], enter('bob'), enter('cy'))
    expect(told).toEqual({
      one: [
        [1, null],
        [3, 'enter bob'],
        [3, 'enter cy'],
      ],
      two: [
        [1, null],
        [3, 'enter bob'],
        [3, 'enter cy'],
      ],
    })
    off()
    off()
    expect(asked).toEqual(['watch a'])
    offTwo()
    expect(asked).toEqual(['watch a', 'unwatch a'])
    expect(channel.presence.list.known).toBe(false)
  })

  it('end with a refusal, which is told as an error', () => {
    const { channel, asked, unheard } = setUp()
    channel.presence.subscribe(() => {})
    const event = { kind: 'unwatched', channel: 'a', error: new RealtimeError('forbidden', 'No.').toJSON() } as const
    channel.deliverPresence(event)
    expect(unheard).toEqual(['forbidden'])
    expect(asked).toEqual(['watch a', 'unwatch a'])
    const errors: string[] = []
    channel.on('error', ({ code }) => errors.push(code))
    channel.deliverPresence(event)
    channel.expelled(new RealtimeError('unauthenticated', 'Who?'))
    expect(errors).toEqual(['forbidden', 'unauthenticated'])
  })

  it('may be given up in the callback, and by a signal', () => {
    const { channel, asked } = setUp()
    let calls = 0
    const off = channel.presence.subscribe(() => {
      calls++
      off()
    })
    tell(channel, ['ada'])
    tell(channel, ['ada', 'bob'], enter('bob'))
    expect(calls).toBe(1)
    const abort = new AbortController()
    channel.presence.subscribe(() => {}, { signal: abort.signal })
    abort.abort()
    channel.presence.subscribe(() => {}, { signal: abort.signal })
    expect(asked).toEqual(['watch a', 'unwatch a', 'watch a', 'unwatch a'])
  })
})
