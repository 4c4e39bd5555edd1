import { describe, expect, it } from 'vitest'
import { Overload } from './overload'

const limits = { lag: 100, heap: 0.8 }
const well = { lag: 1, heap: 0.1 }
const late = { lag: 101, heap: 0.1 }
const full = { lag: 1, heap: 0.81 }

/** The states after each second. */
const run = (...seconds: { lag: number; heap: number }[]) => {
  const overload = new Overload(limits)
  return seconds.map((load) => {
    overload.measured(load)
    return overload.state
  })
}
const times = <T>(n: number, value: T) => Array.from({ length: n }, () => value)

describe('overload', () => {
  it.each([['the event loop is late', late] as const, ['the heap is nearly full', full] as const])(
    'begins when %s for five seconds in a row, and ends after five that are well',
    (_, load) => {
      expect(run(...times(5, load), ...times(5, well))).toEqual([
        ...times(4, 'rising'),
        'shedding',
        ...times(4, 'falling'),
        'calm',
      ])
    },
  )

  it('does not begin by less', () => {
    expect(run(...times(4, late), well, ...times(4, full))).not.toContain('shedding')
    expect(run(...times(60, { lag: 100, heap: 0.8 }))).toEqual(times(60, 'calm'))
  })

  it('sends newcomers away while it lasts, and while it is not sure that it is over', () => {
    const overload = new Overload(limits)
    const shed = [...times(5, late), well, late, ...times(5, well)].map((load) => {
      overload.measured(load)
      return overload.shedding
    })
    expect(shed).toEqual([...times(4, false), ...times(7, true), false])
  })

  it('does not end at the border: only well below it', () => {
    expect(run(...times(5, late), ...times(60, { lag: 60, heap: 0.1 })).at(-1)).toBe('shedding')
    expect(run(...times(5, full), ...times(60, { lag: 1, heap: 0.75 })).at(-1)).toBe('shedding')
  })
})
