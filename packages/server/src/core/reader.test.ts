import { describe, expect, it } from 'vitest'
import type { Broker, ReadRequest, ReadResult } from '../ports/broker'
import { Reader } from './reader'

/** A broker of which only `read` is used: each call waits until the test answers it. */
function reads() {
  const calls: {
    expected: string | null
    requests: readonly ReadRequest[]
    answer(result: Partial<ReadResult>): void
  }[] = []
  const read: Broker['read'] = (_partition, expected, requests) =>
    new Promise((resolve) => {
      calls.push({
        expected,
        requests,
        answer: (result) =>
          resolve({
            epoch: '1-0',
            past: [],
            head: '9-0',
            answers: expected === '1-0' ? requests.map(() => ({ entries: [], more: false, last: '0-0' })) : null,
            ...result,
          }),
      })
    })
  return { calls, reader: new Reader({ read } as Broker, 0) }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))
const want = (channel: string, id: string | null, last = 0) => ({
  channel,
  life: 1,
  last,
  position: id === null ? null : { epoch: '1-0', id },
})

describe('shared reads', () => {
  it('learn the epoch first, then ask for what is wanted', async () => {
    const { calls, reader } = reads()
    const result = reader.read([want('a', '5-0')])
    await turn()
    calls[0]?.answer({})
    await turn()
    expect(calls.map(({ expected, requests }) => [expected, requests.length])).toEqual([
      [null, 0],
      ['1-0', 1],
    ])
    calls[1]?.answer({})
    expect((await result).head).toBe('9-0')
  })

  it('serve all who wait with one call, from the oldest position and the longest tail', async () => {
    const { calls, reader } = reads()
    const first = reader.read([want('a', '5-0')])
    await turn()
    calls[0]?.answer({})
    await turn()
    const second = Promise.all([
      reader.read([want('a', '7-0'), want('b', null, 2)]),
      reader.read([want('a', '6-0'), want('b', null, 5)]),
    ])
    calls[1]?.answer({})
    await first
    await turn()
    expect(calls[2]?.requests).toMatchObject([
      { channel: 'a', after: '6-0' },
      { channel: 'b', after: null, last: 5 },
    ])
    calls[2]?.answer({})
    const [one, two] = await second
    expect(one).toBe(two)
    expect(calls).toHaveLength(3)
  })

  it('are not joined when they were already sent', async () => {
    const { calls, reader } = reads()
    void reader.read([want('a', '5-0')])
    await turn()
    calls[0]?.answer({})
    await turn()
    let done = false
    void reader.read([want('a', '5-0')]).then(() => {
      done = true
    })
    calls[1]?.answer({})
    await turn()
    expect(done).toBe(false)
    calls[2]?.answer({})
    await turn()
    expect(done).toBe(true)
  })

  it('do not keep those who are near waiting for the pages of those who are far behind', async () => {
    const { calls, reader } = reads()
    const cut = { entries: [{ id: '2-0', prev: '1-0', body: '' }], more: true, last: '9-0' }
    void reader.read([want('a', '1-0')])
    await turn()
    calls[0]?.answer({})
    await turn()
    calls[1]?.answer({ answers: [cut] })
    await turn()
    // By chance, so not each time.
    let served = 0
    for (let i = 0; i < 40; i++) {
      const both = Promise.all([reader.read([want('a', '1-0')]), reader.read([want('a', '8-0')])])
      await turn()
      const call = calls.at(-1)
      call?.answer({
        answers: call.requests.map(({ after }) => (after === '1-0' ? cut : { entries: [], more: false, last: '9-0' })),
      })
      const [far, near] = await both
      expect(far.after('a', '1-0').more).toBe(true)
      if (!near.after('a', '8-0').more) served++
    }
    expect(served).toBeGreaterThan(0)
  })

  it('are asked anew when the log began another life', async () => {
    const { calls, reader } = reads()
    const result = reader.read([want('a', '5-0')])
    await turn()
    calls[0]?.answer({})
    await turn()
    calls[1]?.answer({ epoch: '8-0', past: [{ epoch: '1-0', end: '4-0' }], answers: null })
    await turn()
    expect(calls[2]).toMatchObject({ expected: '8-0', requests: [{ channel: 'a', after: '4-0' }] })
    calls[2]?.answer({
      epoch: '8-0',
      past: [{ epoch: '1-0', end: '4-0' }],
      answers: [{ entries: [], more: false, last: '0-0' }],
    })
    expect((await result).lineage.epoch).toBe('8-0')
  })
})
