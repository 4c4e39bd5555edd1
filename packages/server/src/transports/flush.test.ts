import { describe, expect, test } from 'vitest'
import { shareFlushes } from './flush'
import { message } from './scripted-gateway.fixture'

const encode = (items: readonly { json: string }[], cursor: string | null) =>
  new TextEncoder().encode(items.map((item) => item.json).join() + cursor)

describe('the bytes of a flush', () => {
  const [a, b] = [message('a', '1-0'), message('b', '2-0')]

  test('are the same object for the same items and cursor, also from another list', () => {
    const flush = shareFlushes(encode)
    expect(flush([a, b], 'c')).toBe(flush([a, b], 'c'))
  })

  test.each([
    ['another cursor', [a, b], 'd'],
    ['no cursor', [a, b], null],
    ['another order', [b, a], 'c'],
    ['fewer items', [a], 'c'],
    ['an equal item that is another object', [{ ...a }, b], 'c'],
  ])('are made anew for %s', (_, items, cursor) => {
    const flush = shareFlushes(encode)
    const first = flush([a, b], 'c')
    const second = flush(items, cursor)
    expect(second).not.toBe(first)
    expect(second).toEqual(encode(items, cursor))
  })

  test('do not follow a list that is reused after the call', () => {
    const flush = shareFlushes(encode)
    const items = [a]
    flush(items, 'c')
    items[0] = b
    expect(flush(items, 'c')).toEqual(encode([b], 'c'))
  })
})
