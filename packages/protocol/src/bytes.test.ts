import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromBase64, isBase64, payloadOf, toBase64 } from './bytes'

describe('bytes', () => {
  it('come back as they were, and as other base64 has it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const text = toBase64(bytes)
        expect(text).toBe(Buffer.from(bytes).toString('base64'))
        expect(isBase64(text)).toBe(true)
        expect([...fromBase64(text)]).toEqual([...bytes])
      }),
    )
  })

  it('may be more than one call takes as arguments', () => {
    const bytes = new Uint8Array(200_000).map((_, i) => i * 7)
    expect(fromBase64(toBase64(bytes))).toEqual(bytes)
  })

  it.each(['A', 'AAAAA', 'AA=A', 'A===', 'AA-_', 'AAA ', 'AA\n=', 'Ä===', 7, null])('%j is no base64', (text) => {
    expect(isBase64(text)).toBe(false)
  })

  it('are a payload beside JSON', () => {
    expect(payloadOf({ bytes: 'AQID' })).toEqual(new Uint8Array([1, 2, 3]))
    expect(payloadOf({ bytes: '' })).toEqual(new Uint8Array())
    expect(payloadOf({ data: null })).toBeNull()
  })
})
