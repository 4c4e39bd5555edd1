import { type Json, RealtimeError } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, expect, it } from 'vitest'
import { type Carrier, capacity, type Order, Outbox } from './outbox'

interface Sent {
  readonly ref: number
  readonly channel: string
  readonly messageId?: string
  readonly data?: unknown
}

function setUp() {
  const clock = new FakeClock()
  const outbox = new Outbox(clock, 30_000, () => 0.5)
  let count = 0
  return {
    clock,
    outbox,
    publish(channel: string, data?: string | number, signal?: AbortSignal) {
      count++
      const order: Order = { type: 'publish', channel, data: data ?? count, messageId: `m${count}` }
      const answer = outbox.add(order, signal)
      answer.catch(() => {})
      return answer
    },
    take(carrier: Carrier): Sent[] {
      return JSON.parse(outbox.take(carrier) ?? '[]') as Sent[]
    },
    fail(ref: number, code: RealtimeError['code'], details = {}) {
      outbox.settle({ type: 'result', ref, error: new RealtimeError(code, 'No.', details).toJSON() })
    },
  }
}

const data = (sent: Sent[]) => sent.map((command) => command.data)

describe('sending', () => {
  it('takes commands once, in the order in which they were given', () => {
    const { outbox, publish, take } = setUp()
    for (const channel of ['a', 'b', 'a']) void publish(channel)
    const link = {}
    expect(data(take(link))).toEqual([1, 2, 3])
    void publish('a')
    expect(data(take(link))).toEqual([4])
    expect(outbox.take(link)).toBeNull()
  })

  it('keeps a frame within 128 commands and 64 KiB', () => {
    const { publish, take } = setUp()
    for (let i = 0; i < 130; i++) void publish('a')
    const link = {}
    expect([take(link).length, take(link).length]).toEqual([128, 2])
    void publish('a', 'ö'.repeat(20_000))
    void publish('a', 'ä'.repeat(20_000))
    expect([take(link).length, take(link).length]).toEqual([1, 1])
  })

  it('resolves with the value of the result, from whichever stream it comes', async () => {
    const { outbox, publish, take } = setUp()
    const answer = publish('a')
    const [sent] = take({})
    outbox.settle({ type: 'result', ref: sent?.ref ?? -1, value: { id: '1-1' } })
    await expect(answer).resolves.toEqual({ id: '1-1' })
    expect(outbox.size).toBe(0)
    outbox.settle({ type: 'result', ref: 99, value: null })
  })
})

describe('after a lost link', () => {
  it('sends what was not answered again, in the old order, with the same messageId', () => {
    const { outbox, publish, take } = setUp()
    for (let i = 0; i < 3; i++) void publish('a')
    const first = take('one' as unknown as Carrier)
    outbox.settle({ type: 'result', ref: first[1]?.ref ?? -1, value: { id: '1-2' } })
    void publish('a')
    outbox.lost('one' as unknown as Carrier)
    expect(take({}).map(({ messageId }) => messageId)).toEqual(['m1', 'm3', 'm4'])
  })

  it('does not send a command before an earlier one of its channel that is under way elsewhere', () => {
    const { outbox, publish, take } = setUp()
    const post = {}
    void publish('a')
    take(post)
    void publish('a')
    void publish('b')
    const link = {}
    expect(data(take(link))).toEqual([3])
    outbox.settle({ type: 'result', ref: 1, value: { id: '1-1' } })
    expect(data(take(link))).toEqual([2])
  })

  it('does not send a live message again', async () => {
    const { outbox, publish, take } = setUp()
    const first = publish('cursors')
    const [sent] = take({})
    outbox.settle({ type: 'result', ref: sent?.ref ?? -1, value: { id: null } })
    await first
    const second = publish('cursors')
    const link = {}
    take(link)
    outbox.lost(link)
    await expect(second).rejects.toMatchObject({ code: 'timeout', outcome: 'unknown' })
    expect(outbox.take({})).toBeNull()
  })
})

describe('a refusal', () => {
  it('that another try may change is tried again, and holds back its channel alone', async () => {
    const { clock, publish, take, fail, outbox } = setUp()
    void publish('a')
    const link = {}
    take(link)
    fail(1, 'broker_unavailable', { retryAfter: 1000 })
    void publish('a')
    void publish('b')
    expect(data(take(link))).toEqual([3])
    expect(outbox.nextAt()).toBe(1100)
    await clock.advanceAsync(1100)
    expect(data(take(link))).toEqual([1, 2])
  })

  it('asks to be looked at for a pause that ended just after it was looked at', () => {
    const { clock, outbox, publish, take, fail } = setUp()
    const link = {}
    void publish('a')
    take(link)
    fail(1, 'broker_unavailable', { retryAfter: 1000 })
    // A timer may ring a moment too early.
    clock.advance(1099)
    outbox.expire()
    expect(take(link)).toEqual([])
    clock.advance(1)
    expect(outbox.nextAt()).toBe(1100)
    outbox.expire()
    expect(outbox.nextAt()).toBe(30_000)
    expect(data(take(link))).toEqual([1])
  })

  it('for good rejects at once and holds back nobody', async () => {
    const { publish, take, fail } = setUp()
    const bad = publish('a')
    void publish('a')
    const link = {}
    take(link)
    fail(1, 'invalid_message', { issues: [{ message: 'too long' }] })
    await expect(bad).rejects.toMatchObject({ code: 'invalid_message', issues: [{ message: 'too long' }] })
    fail(2, 'timeout', { retryAfter: 0 })
    expect(data(take(link))).toEqual([2])
  })

  it('of a whole frame is one of each command in it', async () => {
    const { outbox, publish, take } = setUp()
    const first = publish('a')
    const post = {}
    take(post)
    const second = publish('b')
    outbox.refused(post, new RealtimeError('forbidden', 'No.'))
    await expect(first).rejects.toMatchObject({ code: 'forbidden' })
    void second
    expect(outbox.size).toBe(1)
  })
})

describe('giving up', () => {
  it('happens after the time-out: failed when it never left', async () => {
    const { clock, outbox, publish } = setUp()
    const answer = publish('a')
    await clock.advanceAsync(29_999)
    outbox.expire()
    expect(outbox.size).toBe(1)
    expect(outbox.nextAt()).toBe(30_000)
    await clock.advanceAsync(1)
    outbox.expire()
    await expect(answer).rejects.toMatchObject({ code: 'timeout', outcome: 'failed' })
  })

  it('says unknown when it left, or came back without an answer', async () => {
    const { clock, outbox, publish, take } = setUp()
    const underWay = publish('a')
    const cameBack = publish('b')
    const refused = publish('c')
    const link = {}
    take(link)
    outbox.settle({
      type: 'result',
      ref: 3,
      error: new RealtimeError('broker_unavailable', 'No.', { outcome: 'failed', retryAfter: 60_000 }).toJSON(),
    })
    await clock.advanceAsync(30_000)
    outbox.lost(link)
    outbox.expire()
    await expect(underWay).rejects.toMatchObject({ outcome: 'unknown' })
    await expect(cameBack).rejects.toMatchObject({ outcome: 'unknown' })
    await expect(refused).rejects.toMatchObject({ outcome: 'failed' })
  })

  it('happens by the signal, also one that is aborted already', async () => {
    const { outbox, publish, take } = setUp()
    const controller = new AbortController()
    const answer = publish('a', 1, controller.signal)
    take({})
    controller.abort('enough')
    await expect(answer).rejects.toMatchObject({ code: 'timeout', outcome: 'unknown', cause: 'enough' })
    await expect(publish('a', 2, controller.signal)).rejects.toMatchObject({ outcome: 'failed' })
    expect(outbox.size).toBe(0)
  })

  it('of everything tells each its outcome', async () => {
    const { outbox, publish, take } = setUp()
    const sent = publish('a')
    take({})
    const waiting = publish('a')
    outbox.rejectAll(new RealtimeError('closed', 'The client is closed.'))
    await expect(sent).rejects.toMatchObject({ code: 'closed', outcome: 'unknown' })
    await expect(waiting).rejects.toMatchObject({ code: 'closed', outcome: 'failed' })
  })
})

describe('what may wait is bounded', () => {
  it('in number', async () => {
    const { publish } = setUp()
    for (let i = 0; i < capacity.commands; i++) void publish('a')
    await expect(publish('a')).rejects.toMatchObject({ code: 'rate_limited', outcome: 'failed' })
  })

  it('in bytes, all together and each', async () => {
    const { publish } = setUp()
    const large = 'x'.repeat(60_000)
    for (let i = 0; i < 17; i++) void publish('a', large)
    await expect(publish('a', large)).rejects.toMatchObject({ code: 'rate_limited', outcome: 'failed' })
    await expect(publish('a', 'x'.repeat(70_000))).rejects.toMatchObject({
      code: 'payload_too_large',
      outcome: 'failed',
    })
  })
})

it('rejects what JSON cannot carry, and goes on', async () => {
  const { outbox, publish } = setUp()
  const circle: Record<string, Json> = {}
  circle['self'] = circle
  const answer = outbox.add({ type: 'publish', channel: 'a', data: circle }, undefined)
  await expect(answer).rejects.toMatchObject({ code: 'invalid_message', outcome: 'failed', retryable: false })
  void publish('a', 'fine')
  expect(outbox.size).toBe(1)
})
