/**
 * The members of one channel as this client knows them: takes lists and changes from streams that may overlap, be behind or come again, and says what
 * is new. Each enter, update and leave is told once. Pure; owned by the watches.
 */
import {
  compareIds,
  type Id,
  type Json,
  type MembersEvent,
  type PresenceChange,
  type PresenceEvent,
} from '@rt/protocol'
import type { MemberOf, PresenceChangeOf, PresenceList } from '../types'
import { sameJson } from './same-json'

/** What the application is to be told: the changes that lead to the list; none when only `known` changed or it is the first list. */
export interface RosterNews {
  readonly list: PresenceList<Json>
  readonly changes: readonly PresenceChangeOf<Json>[]
}

/** The list of a channel that nobody watches. */
export const nobody: PresenceList<Json> = Object.freeze({ members: Object.freeze([]), known: false })

export class Roster {
  #list: PresenceList<Json> = nobody
  readonly #members = new Map<string, MemberOf<Json>>()
  /** The members of the list that the server told last, with the changes behind it: ours holds more while the server can't tell who is gone. */
  #confirmed = new Set<string>()
  #at: string | undefined
  #epoch = ''
  #id: Id = '0-0'
  /** Whether the server can tell who is gone. */
  #known = false
  /** Whether we hear of changes. */
  #linked = false

  get list(): PresenceList<Json> {
    return this.#list
  }

  /** Where the stream stands that was heard last; undefined before the first list. */
  get at(): string | undefined {
    return this.#at
  }

  /** What is known here as a server would say it; null before the first list. */
  event(channel: string): MembersEvent | null {
    if (this.#at === undefined || !this.#linked) return null
    const members = [...this.#members.values()].filter(({ id }) => this.#confirmed.has(id))
    return { type: 'members', channel, id: this.#id, at: this.#at, known: this.#known, members }
  }

  accept(event: MembersEvent | PresenceEvent): RosterNews | null {
    const first = this.#at === undefined
    // Changes to a list that we do not have: it will come.
    if (first && (event.type === 'presence' || event.members === undefined)) return null
    const before = this.#newest(event)
    this.#at = event.at
    this.#linked = true
    const changes = event.type === 'members' ? this.#read(event, before) : this.#change(event, before)
    return this.#news(first ? [] : changes, changes.length > 0 || first)
  }

  /** Nothing is heard any more: what is here may be old. */
  unlink(): RosterNews | null {
    this.#linked = false
    return this.#news([], false)
  }

  /** A stream goes on where the last one stood. */
  relink(): RosterNews | null {
    this.#linked = true
    return this.#news([], false)
  }

  /** How the event's place compares with the newest that we know; 1 for one of another life of the store, which can't be compared. */
  #newest({ at, id }: MembersEvent | PresenceEvent): number {
    const epoch = at.slice(0, Math.max(0, at.indexOf('_')))
    const order = epoch === this.#epoch ? compareIds(id, this.#id) : 1
    this.#epoch = epoch
    return order
  }

  #read({ id, members, known }: MembersEvent, order: number): PresenceChangeOf<Json>[] {
    // Told by a node that is behind, when we know the whole: what it has still to tell is here already.
    const behind = order < 0 && this.#known
    this.#known = known
    if (behind) return []
    if (members !== undefined) this.#confirmed = new Set(members.map((member) => member.id))
    if (order > 0 || members !== undefined) this.#id = id
    const changes: PresenceChangeOf<Json>[] = []
    for (const member of members ?? []) this.#put(member.id, member.state, changes)
    if (known)
      for (const member of [...this.#members.keys()]) if (!this.#confirmed.has(member)) this.#drop(member, changes)
    return changes
  }

  #change({ id, changes }: PresenceEvent, order: number): PresenceChangeOf<Json>[] {
    if (order <= 0) return []
    this.#id = id
    const told: PresenceChangeOf<Json>[] = []
    for (const change of changes) this.#apply(change, told)
    return told
  }

  #apply({ action, member, state }: PresenceChange, told: PresenceChangeOf<Json>[]): void {
    if (action === 'leave') {
      this.#confirmed.delete(member)
      this.#drop(member, told)
    } else {
      this.#confirmed.add(member)
      this.#put(member, state, told)
    }
  }

  #put(id: string, state: Json, told: PresenceChangeOf<Json>[]): void {
    const before = this.#members.get(id)
    if (before !== undefined && sameJson(before.state, state)) return
    const member = { id, state }
    this.#members.set(id, member)
    told.push({ action: before === undefined ? 'enter' : 'update', member })
  }

  #drop(id: string, told: PresenceChangeOf<Json>[]): void {
    const member = this.#members.get(id)
    if (member === undefined) return
    this.#members.delete(id)
    told.push({ action: 'leave', member })
  }

  #news(changes: readonly PresenceChangeOf<Json>[], changed: boolean): RosterNews | null {
    const known = this.#known && this.#linked
    if (!changed && known === this.#list.known) return null
    this.#list = { members: changed ? [...this.#members.values()] : this.#list.members, known }
    return { list: this.#list, changes }
  }
}
