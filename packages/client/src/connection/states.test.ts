// Every cell of the table, and what holds for all of them.
import { describe, expect, it } from 'vitest'
import { type State, statusOf, step, type Trigger, table } from './states'

const states = Object.keys(table) as State[]
const triggers: Trigger[] = [
  'need',
  'connect',
  'proven',
  'lost',
  'orphaned',
  'exhausted',
  'due',
  'wake',
  'suspend',
  'degraded',
  'restored',
  'refused',
  'close',
]

/** The whole table; `·`: can't come there or means nothing, so nothing happens. */
const cells = `
              idle              connecting          connected           degraded            waiting             retrying            suspended         failed            closed
need          connecting+open   ·                   ·                   ·                   ·                   ·                   ·                 ·                 ·
connect       connecting+open   ·                   ·                   ·                   retrying+open       ·                   ·                 connecting+open   ·
proven        ·                 connected+flush     connected+flush     connected+flush     ·                   connected+flush     ·                 ·                 ·
lost          ·                 ·                   waiting+wait        waiting+wait        ·                   ·                   ·                 ·                 ·
orphaned      ·                 ·                   retrying            retrying            ·                   ·                   ·                 ·                 ·
exhausted     ·                 waiting+wait        ·                   ·                   ·                   waiting+wait        ·                 ·                 ·
due           ·                 ·                   ·                   ·                   retrying+open       ·                   ·                 ·                 ·
wake          ·                 ·                   connected+check     degraded+check      retrying+open       ·                   retrying+open     ·                 ·
suspend       ·                 suspended+drop      suspended+drop      suspended+drop      suspended+drop      suspended+drop      ·                 ·                 ·
degraded      ·                 ·                   degraded            ·                   ·                   ·                   ·                 ·                 ·
restored      ·                 ·                   ·                   connected+flush     ·                   ·                   ·                 ·                 ·
refused       ·                 failed+drop+reject  failed+drop+reject  failed+drop+reject  failed+drop+reject  failed+drop+reject  ·                 ·                 ·
close         closed+drop+reject closed+drop+reject closed+drop+reject  closed+drop+reject  closed+drop+reject  closed+drop+reject  closed+drop+reject closed+drop+reject ·
`

describe('each cell', () => {
  const [head, ...rows] = cells.trim().split('\n')
  const columns = (head ?? '').trim().split(/\s+/) as State[]
  const expected = rows.flatMap((row) => {
    const [trigger, ...texts] = row.trim().split(/\s+/) as [Trigger, ...string[]]
    return columns.map((state, i) => [state, trigger, texts[i]] as const)
  })

  it('is named here', () => {
    expect(expected).toHaveLength(states.length * triggers.length)
    expect(new Set(columns)).toEqual(new Set(states))
  })

  it.each(expected)('%s × %s → %s', (state, trigger, text) => {
    const done = step(state, trigger)
    expect(done === null ? '·' : [done.next, ...done.effects].join('+')).toBe(text)
  })
})

describe('whatever happens', () => {
  it('a state that is not connected holds no stream, or is trying to have one', () => {
    for (const state of states) {
      for (const trigger of triggers) {
        const done = step(state, trigger)
        if (done === null || !['suspended', 'failed', 'closed'].includes(done.next)) continue
        expect(done.effects).toContain('drop')
      }
    }
  })

  it('each state can be closed, and closed is for ever', () => {
    for (const state of states) if (state !== 'closed') expect(step(state, 'close')?.next).toBe('closed')
    for (const trigger of triggers) expect(step('closed', trigger)).toBeNull()
  })

  it('whoever waits or tries has a way on: by time, by failing, or by a request', () => {
    expect(step('waiting', 'due')?.effects).toEqual(['open'])
    for (const state of ['connecting', 'retrying'] as const) expect(step(state, 'exhausted')?.effects).toEqual(['wait'])
    expect(step('suspended', 'wake')?.effects).toEqual(['open'])
    expect(step('failed', 'connect')?.effects).toEqual(['open'])
  })

  it('the status of each state is one that applications know', () => {
    expect(new Set(Object.values(statusOf))).toEqual(
      new Set(['idle', 'connecting', 'connected', 'degraded', 'reconnecting', 'failed', 'closed']),
    )
  })
})
