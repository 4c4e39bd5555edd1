import { limits } from '@rt/protocol'
import { describe, expect, test } from 'vitest'
import { readQuery, readWait, streamQuery } from './query'

const read = (query: string, lastEventId: string | null = null) => readQuery(new URLSearchParams(query), lastEventId)

describe('the query of a stream', () => {
  test('without a cursor every channel is new', () => {
    expect(read('channels=a,b')).toMatchObject({
      channels: [
        { channel: 'a', new: true },
        { channel: 'b', new: true },
      ],
      cursor: null,
    })
  })

  test('with a cursor only those named by `new` are', () => {
    expect(read('channels=a,b&cursor=1.1&new=b')).toMatchObject({
      channels: [
        { channel: 'a', new: false },
        { channel: 'b', new: true },
      ],
      cursor: '1.1',
    })
  })

  test('an empty cursor is none', () => {
    expect(read('channels=a&cursor=')).toMatchObject({ channels: [{ channel: 'a', new: true }], cursor: null })
  })

  test('Last-Event-ID wins over the cursor, and then nothing is new', () => {
    expect(read('channels=a&cursor=old&new=a', 'newer')).toMatchObject({
      channels: [{ channel: 'a', new: false }],
      cursor: 'newer',
    })
    expect(read('channels=a&cursor=c&new=a', '').cursor).toBe('c')
  })

  test('`last` is one number for all, or one for each', () => {
    expect(read('channels=a,b&last=5').channels.map((asked) => asked.last)).toEqual([5, 5])
    expect(read('channels=a,b&last=5,0').channels.map((asked) => asked.last)).toEqual([5, 0])
  })

  test('a channel named twice is taken once, with what was said first', () => {
    expect(read('channels=a,b,a&last=1,2,3').channels).toEqual([
      { channel: 'a', new: true, last: 1 },
      { channel: 'b', new: true, last: 2 },
    ])
  })

  test('a cursor is never an error, whatever it holds', () => {
    expect(read(`channels=a&cursor=${'x'.repeat(9000)}`).cursor).toHaveLength(9000)
  })

  test.each([
    ['channels=', 'a b', '`channels`'],
    ['channels=', 'a,,b', '`channels`'],
    ['channels=', 'a,', '`channels`'],
    ['channels=', 'a%0Ab', '`channels`'],
    ['channels=', 'é', '`channels`'],
    ['channels=', 'x'.repeat(256), '`channels`'],
    ['channels=', 'a&channels=b', '`channels`'],
    ['channels=a&new=', 'b', '`new`'],
    ['channels=a&new=', 'a,,', '`new`'],
    ['channels=a&last=', '-1', '`last`'],
    ['channels=a&last=', '1.5', '`last`'],
    ['channels=a&last=', '1e2', '`last`'],
    ['channels=a&last=', `${limits.history + 1}`, '`last`'],
    ['channels=a,b,c&last=', '1,2', '`last`'],
    ['channels=a&cursor=', 'x&cursor=y', '`cursor`'],
    ['channels=a&heartbeat=', '60001', '`heartbeat`'],
    ['channels=a&heartbeat=', '', '`heartbeat`'],
  ])('%s%s is refused and named', (name, value, told) => {
    expect(() => read(name + value)).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining(told) }),
    )
  })

  test('more channels than a connection may have', () => {
    const names = Array.from({ length: limits.channels + 1 }, (_, i) => `c${i}`).join()
    expect(() => read(`channels=${names}`)).toThrow(expect.objectContaining({ code: 'too_many_channels' }))
  })

  test('`wait` is 0 to 60 seconds', () => {
    const wait = (query: string) => readWait(new URLSearchParams(query))
    expect([wait(''), wait('wait=0'), wait('wait=60')]).toEqual([0, 0, 60_000])
    for (const bad of ['61', '-1', '', 'x', '1.5', '1&wait=2']) {
      expect(() => wait(`wait=${bad}`)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
    }
  })

  test('an `open` command comes to the same form', () => {
    expect(streamQuery({ channels: [{ channel: 'a' }, { channel: 'a', last: 3 }] })).toEqual({
      channels: [{ channel: 'a', new: true }],
      cursor: null,
      watch: [],
      client: null,
      entered: [],
      heartbeat: null,
    })
    expect(streamQuery({ channels: [], heartbeat: 5000 }).heartbeat).toBe(read('channels=a&heartbeat=5000').heartbeat)
  })
})
