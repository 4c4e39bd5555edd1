import { expect, it } from 'vitest'
import { Needs } from './need'

it('is to listen, until three commands come within half a minute, and for five minutes after the last', () => {
  const needs = new Needs(false)
  expect(needs.at(0)).toBe('listen')
  needs.command(0, false)
  needs.command(29_000, false)
  expect(needs.at(29_000)).toBe('listen')
  // The first is too long ago.
  needs.command(31_000, false)
  expect(needs.at(31_000)).toBe('listen')
  needs.command(32_000, false)
  expect(needs.at(32_000)).toBe('talk')
  expect(needs.nextAt(32_000)).toBe(332_000)
  expect(needs.at(331_999)).toBe('talk')
  expect(needs.at(332_000)).toBe('listen')
})

it('is to talk with the first message of a live channel', () => {
  const needs = new Needs(false)
  needs.command(0, true)
  expect(needs.at(0)).toBe('talk')
})

it('is to rest when the page was hidden for five minutes, unless it talks', () => {
  const needs = new Needs(false)
  needs.hide(0)
  needs.hide(200_000)
  expect(needs.nextAt(0)).toBe(300_000)
  expect(needs.at(299_999)).toBe('listen')
  expect(needs.at(300_000)).toBe('rest')
  needs.command(300_000, true)
  expect(needs.at(300_000)).toBe('talk')
  expect(needs.at(600_000)).toBe('rest')
  needs.shown()
  expect(needs.at(600_000)).toBe('listen')
})

it('is to rest where nobody is in a hurry', () => {
  const needs = new Needs(true)
  expect(needs.at(0)).toBe('rest')
  needs.command(0, true)
  expect(needs.at(0)).toBe('talk')
})
