import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseEnvelope, printLive } from './envelope'

test('a publication: kind, id, prev, epoch, then the body as it is', () => {
  expect(parseEnvelope('p 20-1 10-0 5-7\n"data":"a\\nb"\nrest')).toEqual({
    kind: 'publication',
    id: '20-1',
    prev: '10-0',
    epoch: '5-7',
    body: '"data":"a\\nb"\nrest',
  })
})

test('a live message: kind, node, then the body as it is', () => {
  expect(parseEnvelope(printLive('node_1-A', '"data":1'))).toEqual({ kind: 'live', node: 'node_1-A', body: '"data":1' })
})

test('anything else is null and never throws', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `p ${text}`),
        fc.string().map((text) => `l ${text}\nx`),
      ),
      (text) => {
        const envelope = parseEnvelope(text)
        if (envelope !== null) expect(text).toMatch(/^[pl] [^\n]+\n/)
      },
    ),
  )
  for (const text of [
    'p 1-0 0-0 1-0 \nx',
    'p 1-0  0-0 1-0\nx',
    'p 1-0 0-0 1-0\n',
    'P 1-0 0-0 1-0\nx',
    'l n\u00fc\nx',
  ]) {
    expect(parseEnvelope(text)).toBeNull()
  }
})
