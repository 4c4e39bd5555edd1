// The judge itself: a clean history passes, and each rule is broken once.
import { describe, expect, it } from 'vitest'
import { check, found } from './checker.ts'
import { LAST, type Line } from './history.ts'

const T = 1_000_000
const channel = 'log:1'
const hash = (sequence: number) => `h${sequence}`
const id = (sequence: number) => `${T + sequence * 1000}-7`
const at = (sequence: number) => T + sequence * 1000

const sent = (sequence: number, publisher = 'p'): Line => ({
  kind: 'sent',
  at: at(sequence),
  channel,
  publisher,
  sequence,
  hash: hash(sequence),
})
const stored = (sequence: number, publisher = 'p', under = id(sequence)): Line => ({
  kind: 'stored',
  at: at(sequence) + 5,
  channel,
  publisher,
  sequence,
  id: under,
})
const heard = (client: string, sequence: number, more: object = {}): Line =>
  ({
    kind: 'heard',
    at: at(sequence) + 9,
    client,
    channel,
    publisher: sequence === 9 ? LAST : 'p',
    sequence,
    id: id(sequence),
    hash: hash(sequence),
    ...more,
  }) as Line
const gap = (client: string, sequence: number, reason = 'epoch'): Line => ({
  kind: 'gap',
  at: at(sequence),
  client,
  channel,
  reason,
})
const loss = (from: number, to: number, kind: 'loss' | 'restart' = 'loss'): Line => ({
  kind,
  by: 'a test',
  at: at(to),
  since: at(from),
  channel: null,
})

const sequences = [1, 2, 3, 4, 5]
const published = [...sequences.flatMap((n) => [sent(n), stored(n)]), sent(9, LAST), stored(9, LAST)]
const stream = (client: string): Line[] => [
  { kind: 'subscribed', at: T, client, channel },
  ...sequences.map((n) => heard(client, n)),
  heard(client, 9),
]
const people: Line[] = [
  { kind: 'entered', at: T, member: 'ann' },
  { kind: 'entered', at: T, member: 'bob' },
  { kind: 'vanished', at: T + 100, member: 'bob' },
  { kind: 'members', at: T + 200, watcher: 'w', known: true, members: ['ann', 'bob'] },
  { kind: 'members', at: T + 300, watcher: 'w', known: true, members: ['ann'] },
]
const kept: Line = { kind: 'kept', at: T, channel, ids: [...sequences.map(id), id(9)] }
const clean = [...published, ...stream('a'), ...stream('b'), ...people, kept]

/** The history with one line of client `a` replaced by others. */
const instead = (sequence: number, ...lines: Line[]) =>
  clean.flatMap((line) => (line.kind === 'heard' && line.client === 'a' && line.sequence === sequence ? lines : [line]))
const rules = (history: readonly Line[]) => Object.keys(found(check(history)))

describe('the checker', () => {
  it('finds nothing in a clean history, and counts it', () => {
    expect(check(clean)).toMatchObject({ sent: 6, stored: 6, deliveries: 12, subscriptions: 2, gaps: 0, needless: 0 })
    expect(rules(clean)).toEqual([])
  })

  it('sees one that is missing between two', () => {
    expect(rules(instead(3))).toEqual(['lost'])
  })

  it('sees one that is missing between the subscription and the first', () => {
    expect(rules(instead(1))).toEqual(['lost'])
  })

  it('does not take one for lost that was sent before the subscription', () => {
    const later = instead(1).map((line) =>
      line.kind === 'subscribed' && line.client === 'a' ? { ...line, at: at(1) + 1 } : line,
    )
    expect(rules(later)).toEqual([])
  })

  it('excuses what a gap with a cause stands for, and nothing beside it', () => {
    const away = [loss(2, 3), ...instead(3, gap('a', 3))]
    expect(rules(away)).toEqual([])
    expect(check(away).needless).toBe(0)
    expect(rules(away.filter((line) => line.kind !== 'heard' || line.client !== 'a' || line.sequence !== 5))).toEqual([
      'lost',
    ])
  })

  it('sees a gap without a cause, and counts one without a loss', () => {
    expect(rules(instead(3, gap('a', 3), heard('a', 3)))).toEqual(['unexplained'])
    const restarted = [loss(3, 3, 'restart'), ...instead(3, gap('a', 3), heard('a', 3))]
    expect(rules(restarted)).toEqual([])
    expect(check(restarted)).toMatchObject({ gaps: 1, needless: 1, repeated: 0 })
  })

  it('sees a doubled one, under the same id and under another', () => {
    expect(rules(instead(3, heard('a', 3), heard('a', 3)))).toEqual(['doubled'])
    const again = instead(3, heard('a', 3), heard('a', 3, { id: `${at(3)}-8` }))
    expect(rules(again)).toEqual(['doubled', 'storedTwice'])
    expect(rules([loss(3, 3), ...again])).toEqual(['doubled'])
  })

  it('sees two in the wrong order', () => {
    const swap = (line: Line) => {
      if (line.kind !== 'heard' || line.client !== 'a') return line
      return line.sequence === 3 ? heard('a', 4) : line.sequence === 4 ? heard('a', 3) : line
    }
    expect(rules(clean.map(swap))).toEqual(['backwards', 'reordered'])
  })

  it('sees ids that do not agree', () => {
    expect(rules(instead(3, heard('a', 3, { id: id(2) })))).toContain('disagreeing')
  })

  it('sees other bytes, and what nobody sent', () => {
    expect(rules(instead(3, heard('a', 3, { hash: 'other' })))).toEqual(['corrupt'])
    expect(rules(instead(3, heard('a', 3), heard('a', 3, { publisher: 'x', id: `${at(3)}-9` })))).toEqual(['corrupt'])
  })

  it('sees that the store lost an acknowledged one, unless a fault took it', () => {
    const without = clean.map((line) => (line.kind === 'kept' ? { ...line, ids: line.ids.toSpliced(2, 1) } : line))
    expect(rules(without)).toEqual(['vanished'])
    expect(rules([loss(2, 4), ...without])).toEqual([])
    expect(rules([loss(4, 5), ...without])).toEqual(['vanished'])
    expect(rules([loss(2, 4, 'restart'), ...without])).toEqual(['vanished'])
  })

  it('sees a retry that was stored again', () => {
    const twice = [...clean, stored(3, 'p', `${at(4)}-1`)].map((line) =>
      line.kind === 'kept' ? { ...line, ids: [...line.ids, `${at(4)}-1`] } : line,
    )
    expect(rules(twice)).toEqual(['storedTwice'])
  })

  it('sees a client that hears nothing any more', () => {
    expect(rules(instead(9))).toEqual(['stuck'])
  })

  it('sees a ghost, somebody who is not shown, and a watcher who is not sure', () => {
    const last = (members: string[], known = true): Line[] => [
      ...clean,
      { kind: 'members', at: T + 400, watcher: 'w', known, members },
    ]
    expect(rules(last(['ann', 'bob']))).toEqual(['presence'])
    expect(rules(last([]))).toEqual(['presence'])
    expect(rules(last(['ann'], false))).toEqual(['presence'])
  })
})
