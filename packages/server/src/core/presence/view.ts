/** The members of one watched channel as this node sees them, read once and kept by notices, for all streams that watch it. Owned by Presence. */
import { type Clock, compareIds, type Id, type PresenceChange } from '@rt/protocol'
import type { OutItem } from '../../ports/connection'
import type { PresenceNotice, PresenceStore } from '../../ports/presence'
import type { Pulse } from './pulse'

/** A stream that watches. */
export interface Watcher {
  /** It asks again and again and wants only news; others begin with every channel that they watch, so that the client knows where it stands. */
  readonly polled: boolean
  /** Prints it in its place; the same object for all. */
  members(channel: string, item: OutItem): void
  /** The channel's members have been told, as far as this stream did not know of them. */
  told(channel: string): void
}

/** Changes kept for streams that come back. */
const KEPT = 256
/** Pause before a read that failed is tried again, in milliseconds. */
const RETRY = 500

export interface ViewOptions {
  readonly store: PresenceStore
  readonly pulse: Pulse
  readonly clock: Clock
  readonly partition: number
  readonly channel: string
}

interface Kept {
  readonly id: Id
  readonly prev: Id
  readonly item: OutItem
}

export class View {
  readonly #options: ViewOptions
  readonly #watchers = new Map<Watcher, string | undefined>()
  /** Those that know all up to `#id`. */
  readonly #told = new Set<Watcher>()
  /** State by member, as JSON; null: not read on this link. */
  #members: Map<string, string> | null = null
  #epoch: Id = '0-0'
  #id: Id = '0-0'
  #kept: Kept[] = []
  /** Notices that came while the list was being read. */
  #early: PresenceNotice[] = []
  #generation = 0
  #up = false
  #reading = false
  /** Some watcher was given a list while nothing was sure: it may believe in members that are gone. */
  #partial = false
  #list: { readonly id: Id; readonly known: boolean; readonly item: OutItem } | null = null

  constructor(options: ViewOptions, up: boolean) {
    this.#options = options
    if (up) this.linkUp()
  }

  get empty(): boolean {
    return this.#watchers.size === 0
  }

  add(watcher: Watcher, since: string | undefined): void {
    this.#watchers.set(watcher, since)
    this.#told.delete(watcher)
    if (this.#members !== null) this.#tell(watcher, since)
  }

  remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    this.#told.delete(watcher)
  }

  linkUp(): void {
    this.#up = true
    void this.#read()
  }

  linkDown(): void {
    this.#up = false
    this.#generation++
    this.#members = null
    this.#early = []
    this.#reading = false
  }

  /** What is known began or ended. */
  knownChanged(): void {
    if (this.#members === null) {
      // The link is gone: nobody can be told where the watch stands now, but that it stands still.
      if (!this.#options.pulse.known) this.#print(this.#status())
      return
    }
    if (this.#options.pulse.known && this.#partial) {
      this.#partial = false
      this.#print(this.#whole())
    } else this.#print(this.#status())
  }

  notice(notice: PresenceNotice): void {
    if (this.#members === null) {
      if (this.#reading) this.#early.push(notice)
      return
    }
    this.#apply(notice)
  }

  async #read(): Promise<void> {
    if (this.#reading) return
    const { store, partition, channel, pulse, clock } = this.#options
    const generation = this.#generation
    this.#reading = true
    this.#early = []
    try {
      await store.watch(partition, [channel])
      if (generation !== this.#generation) return
      await pulse.decided()
      if (generation !== this.#generation) return
      const { epoch, id, members } = await store.members(channel)
      if (generation !== this.#generation) return
      this.#reading = false
      this.#settle(epoch, id, new Map(members.map(({ member, state }) => [member, state])))
    } catch {
      if (generation !== this.#generation) return
      clock.setTimeout(() => {
        if (generation !== this.#generation || !this.#up) return
        this.#reading = false
        void this.#read()
      }, RETRY)
    }
  }

  #settle(epoch: Id, id: Id, members: Map<string, string>): void {
    const before = { epoch: this.#epoch, id: this.#id }
    this.#members = members
    this.#epoch = epoch
    this.#id = id
    const same = before.epoch === epoch && before.id === id
    if (!same) {
      this.#kept = []
      this.#list = null
    }
    for (const watcher of [...this.#told]) this.#send(watcher, same ? this.#status() : this.#whole())
    for (const [watcher, since] of this.#watchers) if (!this.#told.has(watcher)) this.#tell(watcher, since)
    for (const notice of this.#early.splice(0)) if (this.#members !== null) this.#apply(notice)
  }

  #apply(notice: PresenceNotice): void {
    const members = this.#members as Map<string, string>
    const { epoch, id, prev, changes } = notice
    if (epoch === this.#epoch && compareIds(id, this.#id) <= 0) return
    // Another life of the store, or a notice was missed: only the store knows.
    if (epoch !== this.#epoch || prev !== this.#id) {
      this.#members = null
      void this.#read()
      return
    }
    for (const { action, member, state } of JSON.parse(changes) as PresenceChange[]) {
      if (action === 'leave') members.delete(member)
      else members.set(member, JSON.stringify(state))
    }
    this.#id = id
    const item = this.#item(
      `{"type":"presence","channel":"${this.#options.channel}","id":"${id}","at":"${this.#at()}","changes":${changes}}`,
    )
    this.#kept.push({ id, prev, item })
    if (this.#kept.length > KEPT) this.#kept.shift()
    for (const watcher of this.#told) this.#send(watcher, item)
  }

  /** Brings a watcher to where the view is. */
  #tell(watcher: Watcher, since: string | undefined): void {
    this.#told.add(watcher)
    this.#watchers.set(watcher, undefined)
    const { channel, pulse } = this.#options
    const place = since === undefined ? null : parseAt(since)
    const missed = place?.epoch === this.#epoch ? this.#after(place.id) : null
    // Told while nothing was sure, its list may hold who is gone.
    if (place === null || missed === null || (pulse.known && !place.known)) this.#send(watcher, this.#whole())
    else {
      for (const { item } of missed) this.#send(watcher, item)
      const silent = missed.length === 0 && !watcher.polled
      if (silent || pulse.known !== place.known) this.#send(watcher, this.#status())
    }
    watcher.told(channel)
  }

  /** The changes behind an id; null: not all of them are known here. */
  #after(id: Id): Kept[] | null {
    if (id === this.#id) return []
    const index = this.#kept.findIndex(({ prev }) => prev === id)
    return index < 0 ? null : this.#kept.slice(index)
  }

  #print(item: OutItem): void {
    for (const watcher of this.#told) this.#send(watcher, item)
  }

  #send(watcher: Watcher, item: OutItem): void {
    watcher.members(this.#options.channel, item)
  }

  #at(): string {
    return `${this.#epoch}_${this.#id}_${this.#options.pulse.known ? 1 : 0}`
  }

  #head(): string {
    const { channel, pulse } = this.#options
    return `{"type":"members","channel":"${channel}","id":"${this.#id}","at":"${this.#at()}","known":${pulse.known}`
  }

  #status(): OutItem {
    return this.#item(`${this.#head()}}`)
  }

  #whole(): OutItem {
    const { known } = this.#options.pulse
    if (!known) this.#partial = true
    if (this.#list?.id !== this.#id || this.#list.known !== known) {
      const members = [...(this.#members as Map<string, string>)].map(
        ([id, state]) => `{"id":${JSON.stringify(id)},"state":${state}}`,
      )
      this.#list = { id: this.#id, known, item: this.#item(`${this.#head()},"members":[${members.join()}]}`) }
    }
    return this.#list.item
  }

  #item(json: string): OutItem {
    return { kind: 'presence', channel: this.#options.channel, json }
  }
}

/** `<epoch>_<id>_<known>` */
function parseAt(at: string): { readonly epoch: Id; readonly id: Id; readonly known: boolean } | null {
  const [epoch, id, known] = at.split('_')
  if (epoch === undefined || id === undefined || known === undefined) return null
  return { epoch: epoch as Id, id: id as Id, known: known === '1' }
}
