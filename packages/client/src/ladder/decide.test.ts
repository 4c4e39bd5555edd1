// The table whole: every need, every standing, every rung.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Rung } from '../ports/transport'
import { better, content, decide, type Need, type Situation, type Standing } from './decide'

const rungs: readonly Rung[] = ['websocket', 'sse', 'sse-post', 'long-poll', 'poll']
const needs: readonly Need[] = ['talk', 'listen', 'rest']

function situation(more: Partial<Omit<Situation, 'standing'>> = {}, standings: Partial<Record<Rung, Standing>> = {}) {
  const standing = (rung: Rung): Standing => standings[rung] ?? 'good'
  return { rungs, ordered: false, need: 'listen', crowded: false, ...more, standing } satisfies Situation
}

const orderOf = (of: Situation) => decide(of).map(({ rung }) => rung)

describe('the order', () => {
  it.each<[Need, boolean, Rung[]]>([
    ['talk', false, ['websocket', 'sse', 'sse-post', 'long-poll', 'poll']],
    ['listen', false, ['sse', 'websocket', 'sse-post', 'long-poll', 'poll']],
    ['listen', true, ['websocket', 'sse', 'sse-post', 'long-poll', 'poll']],
    ['rest', false, ['poll', 'long-poll', 'sse', 'sse-post', 'websocket']],
    ['rest', true, ['poll', 'long-poll', 'sse', 'sse-post', 'websocket']],
  ])('for %s (six connections for all tabs: %s) is %j', (need, crowded, order) => {
    expect(orderOf(situation({ need, crowded }))).toEqual(order)
  })

  it.each(needs)('is the application’s where it gave one, also for %s', (need) => {
    const own: Rung[] = ['long-poll', 'websocket']
    expect(orderOf(situation({ need, ordered: true, rungs: own }))).toEqual(own)
  })

  it('puts what was asked for first, what is blocked behind, what is cut again and again last', () => {
    const standings = { sse: 'unstable', websocket: 'blocked', poll: 'asked' } as const
    expect(decide(situation({ need: 'talk' }, standings))).toEqual([
      { rung: 'poll', standing: 'asked' },
      { rung: 'sse-post', standing: 'good' },
      { rung: 'long-poll', standing: 'good' },
      { rung: 'websocket', standing: 'blocked' },
      { rung: 'sse', standing: 'unstable' },
    ])
  })
})

describe('what would suit better', () => {
  it.each<[Need, Rung, Rung[]]>([
    ['talk', 'websocket', []],
    ['talk', 'sse', ['websocket']],
    ['talk', 'sse-post', ['websocket', 'sse']],
    ['talk', 'long-poll', ['websocket', 'sse', 'sse-post']],
    ['talk', 'poll', ['websocket', 'sse', 'sse-post', 'long-poll']],
    ['listen', 'websocket', []],
    ['listen', 'sse', []],
    ['listen', 'sse-post', []],
    ['listen', 'long-poll', ['sse', 'websocket', 'sse-post']],
    ['listen', 'poll', ['sse', 'websocket', 'sse-post', 'long-poll']],
    ['rest', 'poll', []],
    ['rest', 'long-poll', ['poll']],
    ['rest', 'sse', ['poll', 'long-poll']],
    ['rest', 'sse-post', ['poll', 'long-poll', 'sse']],
    ['rest', 'websocket', ['poll', 'long-poll', 'sse', 'sse-post']],
  ])('for %s than %s: %j', (need, rung, found) => {
    expect(better(situation({ need }), rung)).toEqual(found)
  })

  it('is nothing where this rung was asked for, and never one that is cut again and again', () => {
    expect(better(situation({ need: 'talk' }, { poll: 'asked' }), 'poll')).toEqual([])
    expect(better(situation({ need: 'talk' }, { websocket: 'unstable', sse: 'blocked' }), 'long-poll')).toEqual([
      'sse',
      'sse-post',
    ])
  })

  it('is the application’s first where it gave an order', () => {
    const own = situation({ ordered: true, rungs: ['sse', 'websocket'] })
    expect(content(own, 'sse')).toBe(true)
    expect(better(own, 'websocket')).toEqual(['sse'])
  })
})

it('whatever the situation: every rung once in the order, and contentment means that nothing is better', () => {
  const standing = fc.constantFrom<Standing>('asked', 'good', 'blocked', 'unstable')
  const any = fc.record({
    need: fc.constantFrom(...needs),
    ordered: fc.boolean(),
    crowded: fc.boolean(),
    rungs: fc.shuffledSubarray([...rungs], { minLength: 1 }),
    standings: fc.tuple(standing, standing, standing, standing, standing),
  })
  fc.assert(
    fc.property(any, ({ standings, ...more }) => {
      const all = situation(more, Object.fromEntries(rungs.map((rung, i) => [rung, standings[i] as Standing])))
      expect([...orderOf(all)].sort()).toEqual([...more.rungs].sort())
      // There is always one to be content with, else the client would look for ever.
      expect(more.rungs.some((rung) => content(all, rung))).toBe(true)
      for (const rung of more.rungs) {
        const found = better(all, rung)
        if (content(all, rung)) expect(found).toEqual([])
        for (const other of found) expect(better(all, other)).not.toContain(rung)
      }
    }),
  )
})
