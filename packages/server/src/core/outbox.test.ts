import { describe, expect, it } from 'vitest'
import type { OutItem } from '../ports/connection'
import { subscribedItem } from './events'
import { Outbox } from './outbox'

const item = (json: string, kind: OutItem['kind'] = 'publication', channel = 'a'): OutItem => ({ kind, channel, json })
const waiting = { bytes: 0 }
const texts = (outbox: Outbox) => outbox.take().map(({ json }) => json)

describe('an outbox', () => {
  it('keeps the order and counts characters', () => {
    const outbox = new Outbox(waiting)
    for (const text of ['one', 'two']) outbox.push(item(text))
    expect(outbox.bytes).toBe(6)
    expect(texts(outbox)).toEqual(['one', 'two'])
    expect([outbox.bytes, outbox.empty]).toEqual([0, true])
  })

  it('moves the newest of a `latest` channel to the tail', () => {
    const outbox = new Outbox(waiting)
    outbox.pushLatest(item('a1'))
    outbox.push(item('b2', 'publication', 'b'))
    outbox.pushLatest(item('a3'))
    expect(outbox.bytes).toBe(4)
    expect(texts(outbox)).toEqual(['b2', 'a3'])
  })

  it('drops publications and live messages, and keeps answers', () => {
    const outbox = new Outbox(waiting)
    for (const [text, kind] of [
      ['p', 'publication'],
      ['r', 'control'],
      ['l', 'live'],
    ] as const)
      outbox.push(item(text, kind))
    outbox.drop()
    expect(texts(outbox)).toEqual(['r'])
  })

  it('says the cursor anew in what holds one', () => {
    const outbox = new Outbox(waiting)
    outbox.push(subscribedItem({ channel: 'a', id: '1-0', epoch: '1-0' }, [], null, 'before'))
    outbox.renew('now')
    expect(JSON.parse(texts(outbox)[0] as string)).toEqual({
      type: 'subscribed',
      channel: 'a',
      id: '1-0',
      epoch: '1-0',
      cursor: 'now',
      history: [],
    })
  })
})
