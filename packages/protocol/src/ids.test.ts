import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareIds, isId } from './ids'

const id = fc.tuple(fc.nat(2 ** 42), fc.nat(2 ** 42)).map(([ms, n]) => ({ ms, n, text: `${ms}-${n}` }))

describe('ids', () => {
  it('compare like their two numbers', () => {
    fc.assert(
      fc.property(id, id, (a, b) => {
        const expected = Math.sign(a.ms - b.ms || a.n - b.n)
        expect(Math.sign(compareIds(a.text, b.text))).toBe(expected)
      }),
      { numRuns: 2000 },
    )
  })

  it.each(['0-0', '1764000000000-1048577', '9007199254740991-9007199254740991'])('%s is one', (text) => {
    expect(isId(text)).toBe(true)
  })

  it.each([
    '',
    '1',
    '1-',
    '-1',
    '01-1',
    '1-01',
    '1-1 ',
    '1-1\n',
    '1e3-1',
    '1--1',
    'a-b',
    '99999999999999999-1',
    null,
    5,
  ])('%j is none', (text) => {
    expect(isId(text)).toBe(false)
  })
})
