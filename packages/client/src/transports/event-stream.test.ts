import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEventStream } from './event-stream'

function read(chunks: readonly string[], limit = 1000) {
  const seen: string[] = []
  const feed = createEventStream(
    {
      data: (text) => seen.push(`data ${text}`),
      id: (text) => seen.push(`id ${text}`),
      comment: () => seen.push('comment'),
    },
    limit,
  )
  const fits = chunks.map((chunk) => feed(chunk))
  return { seen, fits }
}

describe('reading', () => {
  it('tells the id of a block that has no data, which an EventSource keeps silently', () => {
    expect(read(['data: {"a":1}\n\nid: c1\n\n']).seen).toEqual(['data {"a":1}', 'id c1'])
  })

  it('tells comments', () => {
    expect(read([':\n\n: hello\n']).seen).toEqual(['comment', 'comment'])
  })

  it('joins lines of data, takes one blank off, ignores other fields', () => {
    expect(read(['retry: 5\nevent: x\ndata:a\ndata:  b\ndata\nfoo\n\n']).seen).toEqual(['data a\n b\n'])
  })

  it('tells the id of a block with data behind what came before', () => {
    expect(read(['data: a\nid: c1\n\n', 'id: c2\ndata: b\n\n']).seen).toEqual(['data a', 'id c1', 'id c2', 'data b'])
  })

  it('takes nothing in a text for an id, whatever line ends it knows', () => {
    expect(read(['data: "a\u2028id: evil\u2029id: evil"\n\n']).seen).toEqual(['data "a\u2028id: evil\u2029id: evil"'])
  })

  it('ignores what is not finished', () => {
    expect(read(['data: never']).seen).toEqual([])
  })

  it('says when a block is longer than the limit, as one line or many', () => {
    expect(read(['data: ', 'x'.repeat(10)], 12).fits).toEqual([true, false])
    expect(read(['data: xxxx\n', 'data: xxxx\n', 'data: xxxx\n'], 10).fits).toEqual([true, true, false])
    expect(read(['data: xxxx\n\n', 'data: xxxx\n\n', 'data: xxxx\n\n'], 10).fits).toEqual([true, true, true])
  })

  it('reads the same however the text is cut', () => {
    const part = fc.constantFrom('data: ', 'id: c', ': ', 'x', '{"a":1}', '\n', '\n\n', 'ü', '\u2028')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), fc.array(fc.nat(200), { maxLength: 8 }), (parts, cuts) => {
        const text = `${parts.join('')}\n\n`
        const places = [0, ...cuts.map((cut) => cut % text.length).sort((a, b) => a - b), text.length]
        const chunks = places.slice(1).map((end, i) => text.slice(places[i], end))
        expect(read(chunks).seen).toEqual(read([text]).seen)
      }),
    )
  })
})
