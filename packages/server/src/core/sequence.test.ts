import { expect, it } from 'vitest'
import { createSequence } from './sequence'

it('runs tasks of one key in order, also behind one that failed, and other keys at once', async () => {
  const sequence = createSequence()
  const log: string[] = []
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const first = sequence('a', async () => {
    await gate
    log.push('a1')
    throw new Error('no')
  })
  const second = sequence('a', async () => void log.push('a2'))
  await sequence('b', async () => void log.push('b1'))
  expect(log).toEqual(['b1'])
  open()
  await expect(first).rejects.toThrow('no')
  await second
  expect(log).toEqual(['b1', 'a1', 'a2'])
})
