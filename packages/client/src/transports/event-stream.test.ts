// Against the text of the standard, and against another parser on random streams cut anywhere.
import { createParser } from 'eventsource-parser'
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

  it('knows all three ends of a line, also when a chunk ends within one', () => {
    expect(read(['data: a\r', '\n\r\n', 'data: b\r\r', 'data: c\n\n']).seen).toEqual(['data a', 'data b', 'data c'])
  })

  it('ignores an id with a NUL, and what is not finished', () => {
    expect(read(['id: a\0b\n\n', 'data: never']).seen).toEqual([])
  })

  it('says when a block is longer than the limit, as one line or many', () => {
    expect(read(['data: ', 'x'.repeat(10)], 12).fits).toEqual([true, false])
    expect(read(['data: xxxx\n', 'data: xxxx\n', 'data: xxxx\n'], 10).fits).toEqual([true, true, false])
    expect(read(['data: xxxx\n\n', 'data: xxxx\n\n', 'data: xxxx\n\n'], 10).fits).toEqual([true, true, true])
  })

  it('reads what another parser reads, however the text is cut', () => {
    const part = fc.constantFrom('data', 'id', 'event', ':', ': ', ' ', 'x', '{"a":1}', '\n', '\r', '\r\n', '\n\n', 'ü')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), fc.array(fc.nat(200), { maxLength: 8 }), (parts, cuts) => {
        // Both are given the end of the last line, since the other parser holds a CR at the very end back.
        const text = `${parts.join('')}\n\n`
        const places = [0, ...cuts.map((cut) => cut % text.length).sort((a, b) => a - b), text.length]
        const chunks = places.slice(1).map((end, i) => text.slice(places[i], end))
        const theirs: string[] = []
        const parser = createParser({
          onEvent: ({ data }) => theirs.push(`data ${data}`),
          onComment: () => theirs.push('comment'),
        })
        for (const chunk of chunks) parser.feed(chunk)
        expect(read(chunks).seen.filter((line) => !line.startsWith('id'))).toEqual(theirs)
      }),
    )
  })
})
