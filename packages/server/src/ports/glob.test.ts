import { describe, expect, test } from 'vitest'
import { fitsGlob } from './glob'

describe('globs', () => {
  test.each([
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['?', '', false],
    ['a*', 'a', true],
    ['a*c', 'abcbc', true],
    ['a*c', 'abcb', false],
    ['*b*', 'abc', true],
    ['*ab?d', 'abababxd', true],
    ['??', '😀', false],
    ['*?', '😀', true],
    ['*??', '😀', false],
    ['😀', '😁', false],
    ['a.c', 'abc', false],
    ['a**b', 'ab', true],
    ['*\n*', 'two\nlines', true],
  ])('%j and %j: %s', (glob, text, fits) => {
    expect(fitsGlob(glob, text)).toBe(fits)
  })

  test('a glob made to take long takes no time', () => {
    const start = performance.now()
    expect(fitsGlob(`${'*a'.repeat(100)}b`, 'a'.repeat(255))).toBe(false)
    expect(performance.now() - start).toBeLessThan(100)
  })
})
