// Lists and changes of members in any overlap: what is told leads from one list to the next, each change once.
import type { Json, Member, MembersEvent, PresenceChange, PresenceEvent } from '@rt/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PresenceList } from '../types'
import { nobody, Roster, type RosterNews } from './roster'

const members = (id: number, known: boolean, list?: readonly Member[], epoch = '1-0'): MembersEvent => ({
  type: 'members',
  channel: 'a',
  id: `5-${id}`,
  at: `${epoch}_5-${id}_${known ? 1 : 0}`,
  known,
  ...(list !== undefined && { members: list }),
})
const presence = (id: number, changes: readonly PresenceChange[], epoch = '1-0'): PresenceEvent => ({
  type: 'presence',
  channel: 'a',
  id: `5-${id}`,
  at: `${epoch}_5-${id}_1`,
  changes,
})
const enter = (member: string, state: Json = 1): PresenceChange => ({ action: 'enter', member, state })
const update = (member: string, state: Json): PresenceChange => ({ action: 'update', member, state })
const leave = (member: string): PresenceChange => ({ action: 'leave', member, state: null })
const ada = { id: 'ada', state: 1 }
const bob = { id: 'bob', state: 1 }
const told = (news: RosterNews | null) => news?.changes.map(({ action, member }) => `${action} ${member.id}`)

describe('a roster', () => {
  it('knows nothing before the first list, and ignores changes to a list that it does not have', () => {
    const roster = new Roster()
    expect(roster.list).toBe(nobody)
    expect(roster.accept(presence(1, [enter('ada')]))).toBeNull()
    expect(roster.accept(members(1, true))).toBeNull()
    expect(roster.at).toBeUndefined()
    expect(roster.accept(members(1, true, [ada]))).toEqual({ list: { members: [ada], known: true }, changes: [] })
    expect(roster.at).toBe('1-0_5-1_1')
  })

  it('tells changes, and keeps the list as it is where nothing changed', () => {
    const roster = new Roster()
    roster.accept(members(1, true, [ada]))
    const { list } = roster
    expect(told(roster.accept(presence(2, [enter('bob'), update('ada', { x: [1] })])))).toEqual([
      'enter bob',
      'update ada',
    ])
    expect(list.members).toEqual([ada])
    const now = roster.list
    expect(roster.accept(presence(2, [leave('bob')]))).toBeNull()
    expect(roster.accept(members(2, true, [bob, { id: 'ada', state: { x: [1] } }]))).toBeNull()
    expect(roster.list).toBe(now)
    expect(roster.list.members[1]).toBe(now.members[1])
  })

  it('tells a leave with the last state', () => {
    const roster = new Roster()
    roster.accept(members(1, true, [ada]))
    expect(roster.accept(presence(2, [leave('ada')]))?.changes).toEqual([{ action: 'leave', member: ada }])
  })

  it('tells what a newer list brings as changes', () => {
    const roster = new Roster()
    roster.accept(members(1, true, [ada]))
    expect(told(roster.accept(members(9, true, [bob])))).toEqual(['enter bob', 'leave ada'])
  })

  it('lets nobody go while the server can’t tell, and then those who are not on its list', () => {
    const roster = new Roster()
    roster.accept(members(1, true, [ada]))
    const news = roster.accept(members(2, false, [bob]))
    expect(told(news)).toEqual(['enter bob'])
    expect(news?.list).toEqual({ members: [ada, bob], known: false })
    roster.accept(presence(3, [enter('cy')]))
    const after = roster.accept(members(3, true))
    expect(told(after)).toEqual(['leave ada'])
    expect(after?.list).toMatchObject({ members: [{ id: 'bob' }, { id: 'cy' }], known: true })
  })

  it('does not go back to the list of a node that is behind', () => {
    const roster = new Roster()
    roster.accept(members(5, true, [ada, bob]))
    expect(roster.accept(members(3, true, [ada]))).toBeNull()
    expect(roster.accept(presence(4, [leave('ada')]))).toBeNull()
    expect(roster.at).toBe('1-0_5-4_1')
    expect(told(roster.accept(presence(6, [leave('bob')])))).toEqual(['leave bob'])
  })

  it('goes along into another life of the store, whose ids may be lower', () => {
    const roster = new Roster()
    roster.accept(members(5, true, [ada, bob]))
    expect(told(roster.accept(members(2, true, [ada], '9-0')))).toEqual(['leave bob'])
    expect(told(roster.accept(presence(3, [enter('bob')], '9-0')))).toEqual(['enter bob'])
  })

  it('keeps the list while nothing is heard, and says so', () => {
    const roster = new Roster()
    roster.accept(members(1, true, [ada]))
    expect(roster.unlink()).toEqual({ list: { members: [ada], known: false }, changes: [] })
    expect(roster.unlink()).toBeNull()
    expect(roster.relink()?.list).toEqual({ members: [ada], known: true })
    roster.unlink()
    expect(roster.accept(members(1, true))?.list.known).toBe(true)
  })
})

/** A channel's history of members: one change an id. */
class Truth {
  readonly changes: PresenceChange[] = []

  push(member: string, state: number | null): void {
    const present = this.at(this.changes.length).some(({ id }) => id === member)
    if (state === null && !present) return
    if (state === null) this.changes.push(leave(member))
    else this.changes.push(present ? update(member, state) : enter(member, state))
  }

  at(id: number): Member[] {
    const list = new Map<string, Json>()
    for (const { action, member, state } of this.changes.slice(0, id)) {
      if (action === 'leave') list.delete(member)
      else list.set(member, state)
    }
    return [...list].map(([member, state]) => ({ id: member, state }))
  }
}

const sorted = ({ members }: PresenceList) => [...members].sort((one, other) => (one.id < other.id ? -1 : 1))

describe('whatever streams overlap', () => {
  const happening = fc.tuple(fc.constantFrom('ada', 'bob', 'cy', 'di'), fc.option(fc.integer({ min: 0, max: 2 })))
  // A stream begins at some place that was reached, with the whole list, partly known, or only what lies behind the roster's own place.
  const stream = fc.record({
    behind: fc.integer({ min: 0, max: 6 }),
    start: fc.constantFrom('list', 'unknown', 'resume'),
    forgets: fc.array(fc.nat(3), { maxLength: 2 }),
    steps: fc.integer({ min: 0, max: 8 }),
    cut: fc.boolean(),
  })

  it('what is told leads from list to list, each change once, and ends at the truth', () => {
    fc.assert(
      fc.property(
        fc.array(happening, { minLength: 1, maxLength: 40 }),
        fc.array(stream, { maxLength: 8 }),
        (all, streams) => {
          const truth = new Truth()
          const roster = new Roster()
          const mirror = new Map<string, Json>()
          let begun = false
          const hear = (news: RosterNews | null) => {
            if (news === null) return
            if (!begun) for (const { id, state } of news.list.members) mirror.set(id, state)
            begun = true
            for (const { action, member } of news.changes) {
              if (action === 'enter') expect(mirror.has(member.id)).toBe(false)
              else expect(mirror.has(member.id)).toBe(true)
              if (action === 'update') expect(mirror.get(member.id)).not.toEqual(member.state)
              if (action === 'leave') expect(mirror.get(member.id)).toEqual(member.state)
              if (action === 'leave') mirror.delete(member.id)
              else mirror.set(member.id, member.state)
            }
            expect(news.list).toBe(roster.list)
            expect([...mirror].map(([id, state]) => ({ id, state })).sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(
              sorted(roster.list),
            )
          }
          const left = [...all]
          const grow = () => {
            const next = left.shift()
            if (next !== undefined) truth.push(...next)
          }
          for (const { behind, start, forgets, steps, cut } of streams) {
            for (let i = 0; i < 3; i++) grow()
            // Where the node of this stream stands.
            let at = Math.max(0, truth.changes.length - behind)
            const since = Number(/_5-(\d+)_/.exec(roster.at ?? '')?.[1] ?? -1)
            if (start === 'resume' && since >= 0) {
              // Told is what lies behind the place; a node that is behind it has nothing to tell yet.
              at = Math.max(at, since)
              if (since < at) hear(roster.accept(presence(at, truth.changes.slice(since, at))))
              else hear(roster.accept(members(since, true)))
            } else if (start === 'unknown') {
              const list = truth.at(at)
              hear(
                roster.accept(
                  members(
                    at,
                    false,
                    list.filter((_, i) => !forgets.includes(i)),
                  ),
                ),
              )
              hear(roster.accept(members(at, true, list)))
            } else hear(roster.accept(members(at, true, truth.at(at))))
            for (let i = 0; i < steps; i++) {
              grow()
              const change = truth.changes[at]
              if (change !== undefined) hear(roster.accept(presence(++at, [change])))
            }
            if (cut) hear(roster.unlink())
          }
          hear(roster.accept(members(truth.changes.length, true, truth.at(truth.changes.length))))
          expect(roster.list.known).toBe(true)
          const end = truth.at(truth.changes.length)
          expect(sorted(roster.list)).toEqual(sorted({ members: end, known: true }))
        },
      ),
      { numRuns: 2000 },
    )
  })
})
