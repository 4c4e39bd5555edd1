import { expect, it } from 'vitest'
import { orderLife } from './orders'
import { Revocations } from './revocations'

it('covers what was issued before it was given, whenever the app was asked', () => {
  const revocations = new Revocations()
  revocations.add('ann', 1000, 1005)
  expect(revocations.covers({ id: 'ann', issuedAt: 999 }, 9000)).toBe(true)
  expect(revocations.covers({ id: 'ann', issuedAt: 1000 }, 0)).toBe(false)
  expect(revocations.covers({ id: 'bob', issuedAt: 1 }, 0)).toBe(false)
})

it('covers what says no time when the app was asked before it was heard', () => {
  const revocations = new Revocations()
  revocations.add('ann', 1000, 1005)
  expect(revocations.covers({ id: 'ann' }, 1005)).toBe(true)
  expect(revocations.covers({ id: 'ann' }, 1006)).toBe(false)
})

it('keeps the latest of an identity, whichever comes last', () => {
  const revocations = new Revocations()
  revocations.add('ann', 2000, 2001)
  revocations.add('ann', 1000, 1000)
  expect(revocations.covers({ id: 'ann', issuedAt: 1500 }, 0)).toBe(true)
  expect(revocations.covers({ id: 'ann' }, 2001)).toBe(true)
})

it('forgets what is older than an order lives', () => {
  const revocations = new Revocations()
  revocations.add('ann', 1000, 1000)
  revocations.add('bob', 1000 + orderLife, 0)
  expect(revocations.covers({ id: 'ann', issuedAt: 0 }, 0)).toBe(false)
  expect(revocations.covers({ id: 'bob', issuedAt: 0 }, 0)).toBe(true)
})
