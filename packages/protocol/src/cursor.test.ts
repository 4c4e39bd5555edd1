import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCursor, printCursor, printPosition } from './cursor'
import { limits } from './limits'

const id = fc.tuple(fc.nat(2 ** 45), fc.nat(2 ** 45)).map(([ms, n]) => `${ms}-${n}`)

describe('a cursor', () => {
  it('is read as it was printed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 }), fc.array(fc.record({ epoch: id, id })), (partitions, places) => {
        const positions = new Map(places.slice(0, partitions).map((place, partition) => [partition, place]))
        const text = printCursor(
          partitions,
          [...positions].map(([partition, place]) => printPosition(partition, place)),
        )
        expect(parseCursor(text, partitions)).toEqual(positions)
        expect(text).toMatch(/^[0-9a-z._-]+$/)
      }),
    )
  })

  it('of another count of partitions is foreign', () => {
    expect(parseCursor(printCursor(2, []), 1)).toBeNull()
  })

  it('may be empty: a stream that has no place in any log', () => {
    expect(parseCursor(printCursor(1, []), 1)).toEqual(new Map())
  })

  it.each([
    '',
    '1',
    '2.1',
    '1.1.0_a-a',
    '1.1.1_a-a_a-a',
    '1.1.0_a-a_a-a.0_a-a_a-a',
    '1.1.0_A-a_a-a',
    '1.1.0_zzzzzzzzzzz-a_a-a',
    '1.1.0_a-a_a-a\n',
    `1.1.0_a-a_a-a${'.'.repeat(limits.cursorLength)}`,
  ])('%j is none', (text) => {
    expect(parseCursor(text, 1)).toBeNull()
  })
})
