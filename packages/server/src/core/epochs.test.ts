import { describe, expect, it } from 'vitest'
import { placeOf } from './epochs'

const lineage = {
  epoch: '30-0',
  past: [
    { epoch: '10-0', end: '15-0' },
    { epoch: '20-0', end: '25-0' },
  ],
}

describe('the place of a position in the present log', () => {
  it('is itself in the present life', () => {
    expect(placeOf({ epoch: '30-0', id: '31-1' }, lineage)).toEqual({ after: '31-1', crossings: [] })
  })

  it('of an older life crosses each border since', () => {
    expect(placeOf({ epoch: '10-0', id: '12-0' }, lineage)).toEqual({
      after: '12-0',
      crossings: [
        { end: '15-0', epoch: '20-0' },
        { end: '25-0', epoch: '30-0' },
      ],
    })
  })

  it('in the lost part of a life is the end of what was kept', () => {
    expect(placeOf({ epoch: '20-0', id: '27-0' }, lineage)).toEqual({
      after: '25-0',
      crossings: [{ end: '25-0', epoch: '30-0' }],
    })
  })

  it('of a life that was taken back is the beginning of the present one', () => {
    expect(placeOf({ epoch: '22-5', id: '23-0' }, lineage)).toEqual({
      after: '30-0',
      crossings: [{ end: '30-0', epoch: '30-0' }],
    })
  })
})
