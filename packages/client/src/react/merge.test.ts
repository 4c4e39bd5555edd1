// Two lists of messages as one.
import { describe, expect, it } from 'vitest'
import { merge } from './merge'

const list = (...ids: string[]) => ids.map((id) => ({ id }))
const ids = (merged: readonly { id: string }[]) => merged.map(({ id }) => id).join(' ')

describe('merge', () => {
  it('puts each message in its place, once', () => {
    expect(ids(merge(list('1-0', '2-0', '9-0'), list('2-0', '10-0')))).toBe('1-0 2-0 9-0 10-0')
    expect(ids(merge(list('5-0'), list('1-0', '10-0')))).toBe('1-0 5-0 10-0')
  })

  it('takes the newer copy, and leaves a list as it is where nothing is to be added', () => {
    const newer = list('1-0', '2-0')
    expect(merge(list('2-0', '1-0'), newer)).toBe(newer)
    expect(merge([], newer)).toBe(newer)
    expect(ids(merge(newer, []))).toBe('1-0 2-0')
  })

  it('keeps the order in which a list came, also where ids began anew', () => {
    expect(ids(merge(list('7-0', '8-0'), list('8-0', '9-0', '1-0', '2-0')))).toBe('7-0 8-0 9-0 1-0 2-0')
  })
})
