import type { Position } from '@rt/protocol'
import { describe, expect, it } from 'vitest'
import type { Entry, PastEpoch, ReadAnswer } from '../ports/broker'
import { type PageChannel, planPage } from './page'
import type { SharedRead } from './reader'

const at = (n: number, epoch = '1-0'): Position => ({ epoch, id: `1-${n}` })
const entry = (n: number, prev: number): Entry => ({ id: `1-${n}`, prev: `1-${prev}`, body: '' })
const channel = (name: string, more: Partial<PageChannel> = {}): PageChannel => ({
  channel: name,
  start: null,
  told: null,
  ...more,
})

/** `channels`: per channel its entries as [n, prev], and its last id or `more`. */
function read(
  head: number,
  channels: Record<string, { entries?: [number, number][]; last?: number; more?: boolean }>,
  past: PastEpoch[] = [],
  epoch = '1-0',
): SharedRead {
  const answers = new Map<string, ReadAnswer>()
  for (const [name, { entries = [], last = 0, more = false }] of Object.entries(channels)) {
    answers.set(name, { entries: entries.map(([n, prev]) => entry(n, prev)), last: `1-${last}`, more })
  }
  const after = (name: string) => answers.get(name) as ReadAnswer
  return { lineage: { epoch, past }, head: `1-${head}`, after, tail: after }
}

/** A page in short: `a5` for a publication, `a!history` for a gap. */
const short = ({ items }: ReturnType<typeof planPage>) =>
  items
    .map((item) =>
      item.kind === 'entry' ? `${item.channel}${item.entry.id.slice(2)}` : `${item.channel}!${item.reason}`,
    )
    .join(' ')

describe('a page', () => {
  it('merges channels in clock order up to the head', () => {
    const page = planPage(
      at(1),
      [channel('a'), channel('b')],
      read(9, {
        a: {
          entries: [
            [2, 1],
            [6, 2],
          ],
          last: 6,
        },
        b: { entries: [[4, 0]], last: 4 },
      }),
      1e6,
    )
    expect(short(page)).toBe('a2 b4 a6')
    expect(page).toMatchObject({ position: at(9), complete: true })
  })

  it('leaves out what others wanted who are further back', () => {
    const page = planPage(
      at(4),
      [channel('a')],
      read(9, {
        a: {
          entries: [
            [2, 1],
            [4, 2],
            [6, 4],
          ],
          last: 6,
        },
      }),
      1e6,
    )
    expect(short(page)).toBe('a6')
  })

  it('ends where the first truncated channel ends', () => {
    const page = planPage(
      at(1),
      [channel('a'), channel('b')],
      read(9, {
        a: {
          entries: [
            [2, 1],
            [3, 2],
          ],
          last: 8,
          more: true,
        },
        b: {
          entries: [
            [2, 0],
            [7, 2],
          ],
          last: 7,
        },
      }),
      1e6,
    )
    expect(page).toMatchObject({ position: at(3), complete: false })
    expect(short(page)).toBe('a2 b2 a3')
  })

  it('is empty when a truncated answer for somebody further back does not reach it', () => {
    const page = planPage(
      at(5),
      [channel('a')],
      read(9, {
        a: {
          entries: [
            [2, 1],
            [3, 2],
          ],
          last: 8,
          more: true,
        },
      }),
      1e6,
    )
    expect(page).toEqual({ items: [], position: at(5), complete: false })
  })

  it('prints a gap where the log no longer reaches back', () => {
    const page = planPage(at(1), [channel('a')], read(9, { a: { entries: [[6, 4]], last: 6 } }), 1e6)
    expect(short(page)).toBe('a!history a6')
  })

  it('prints a gap when the log is gone as a whole and its last id tells', () => {
    expect(short(planPage(at(1), [channel('a')], read(9, { a: { last: 6 } }), 1e6))).toBe('a!history')
  })

  it('prints no gap when nothing was published', () => {
    expect(short(planPage(at(6), [channel('a')], read(9, { a: { last: 6 } }), 1e6))).toBe('')
  })

  it('prints a gap that crosses its end in this page', () => {
    const page = planPage(
      at(1),
      [channel('a'), channel('b')],
      read(9, {
        a: {
          entries: [
            [2, 1],
            [3, 2],
          ],
          last: 8,
          more: true,
        },
        b: { entries: [[7, 5]], last: 7 },
      }),
      1e6,
    )
    expect(short(page)).toBe('b!history a2 a3')
  })

  it('does not tell a gap again that was told', () => {
    const page = planPage(at(3), [channel('b', { told: '1-5' })], read(9, { b: { entries: [[7, 5]], last: 7 } }), 1e6)
    expect(short(page)).toBe('b7')
  })

  it('begins a channel where it joined', () => {
    const page = planPage(
      at(1),
      [channel('a', { start: at(4) })],
      read(9, {
        a: {
          entries: [
            [3, 1],
            [6, 3],
          ],
          last: 6,
        },
      }),
      1e6,
    )
    expect(short(page)).toBe('a6')
  })

  it('ends when it holds enough, behind what it holds', () => {
    const wide: SharedRead = read(9, {
      a: {
        entries: [
          [2, 1],
          [3, 2],
          [4, 3],
        ],
        last: 4,
      },
    })
    for (const each of wide.after('a', '0-0').entries) Object.assign(each, { body: 'x'.repeat(60) })
    const page = planPage(at(1), [channel('a')], wide, 100)
    expect(short(page)).toBe('a2 a3')
    expect(page).toMatchObject({ position: at(3), complete: false })
  })
})

describe('a page across lives of the log', () => {
  const past = [{ epoch: '1-0', end: '1-5' }]

  it('prints what was kept, then a gap for each channel, then the new life', () => {
    const page = planPage(
      at(3),
      [channel('a'), channel('b')],
      read(
        12,
        {
          a: {
            entries: [
              [4, 3],
              [11, 4],
            ],
            last: 11,
          },
          b: { last: 2 },
        },
        past,
        '1-10',
      ),
      1e6,
    )
    expect(short(page)).toBe('a4 a!epoch b!epoch a11')
    expect(page.position).toEqual(at(12, '1-10'))
  })

  it('goes back to what was kept when the position was in what is lost', () => {
    const page = planPage(at(8), [channel('a')], read(12, { a: { entries: [[11, 4]], last: 11 } }, past, '1-10'), 1e6)
    expect(short(page)).toBe('a!epoch a11')
  })

  it('stays in the old life when it ends before the border', () => {
    const page = planPage(
      at(3),
      [channel('a')],
      read(12, { a: { entries: [[4, 3]], last: 11, more: true } }, past, '1-10'),
      1e6,
    )
    expect(page).toMatchObject({ position: at(4), complete: false })
    expect(short(page)).toBe('a4')
  })

  it('prints one gap where history and a life end together', () => {
    const page = planPage(at(1), [channel('a')], read(12, { a: { entries: [[11, 4]], last: 11 } }, past, '1-10'), 1e6)
    expect(short(page)).toBe('a!epoch a11')
  })

  it('prints no gap for a channel that joined behind the border', () => {
    const page = planPage(
      at(3),
      [channel('a', { start: at(10, '1-10') })],
      read(12, { a: { entries: [[11, 4]], last: 11 } }, past, '1-10'),
      1e6,
    )
    expect(short(page)).toBe('a11')
  })

  it('forgets where a channel joined in a life that was taken back', () => {
    const page = planPage(
      at(8, '1-7'),
      [channel('a', { start: at(14, '1-7') })],
      read(12, { a: { entries: [[11, 4]], last: 11 } }, past, '1-10'),
      1e6,
    )
    expect(short(page)).toBe('a!epoch a11')
  })

  it('starts at the head, with a gap, for a position that the log has not reached', () => {
    const page = planPage(at(99), [channel('a')], read(12, { a: { entries: [], last: 11 } }), 1e6)
    expect(short(page)).toBe('a!cursor')
    expect(page).toMatchObject({ position: at(12), complete: true })
  })
})
