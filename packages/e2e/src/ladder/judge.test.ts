// The judge of the failure bench sees what is wrong.
import { expect, it } from 'vitest'
import { judge } from './judge.ts'

it('is content with all of them, in order, once', () => {
  expect(judge([1, 2, 3, 4], 4)).toBeNull()
})

it.each([
  ['one is lost', [1, 2, 4], 4],
  ['the last is lost', [1, 2, 3], 4],
  ['the first is lost', [2, 3, 4], 4],
  ['one is doubled', [1, 2, 2, 3, 4], 4],
  ['two are swapped', [1, 3, 2, 4], 4],
  ['one was never published', [1, 2, 3, 4, 5], 4],
  ['nothing was heard', [], 4],
])('sees that %s', (_what, heard, count) => {
  expect(judge(heard, count)).toMatch(/^(At place \d|It heard \d of 4)/)
})
