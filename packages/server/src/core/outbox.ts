/** What one stream has yet to print: references to shared items, bounded in bytes; filled by its lanes, emptied once a turn. */
import type { OutItem } from '../ports/connection'
import type { CursorItem } from './events'

/** The list of every empty outbox; never pushed onto. */
const NOTHING: (OutItem | null)[] = []

/** What waits in all outboxes of a node together. */
export interface Waiting {
  bytes: number
}

export class Outbox {
  readonly #waiting: Waiting
  #items = NOTHING
  #bytes = 0
  /** Where the waiting publication of a `latest` channel stands. */
  #latest: Map<string, number> | null = null

  constructor(waiting: Waiting) {
    this.#waiting = waiting
  }

  get bytes(): number {
    return this.#bytes
  }

  get empty(): boolean {
    return this.#items.length === 0
  }

  push(item: OutItem): void {
    // A list with one place: most flushes have one item, and `push` on an empty list makes room for 17.
    if (this.#items.length === 0) this.#items = [item]
    else this.#items.push(item)
    this.#grow(item.json.length)
  }

  /** Keeps only the newest of its channel, at the tail: in the place of the older one, ids would go backwards. Returns whether it replaced one. */
  pushLatest(item: OutItem): boolean {
    const channel = item.channel as string
    this.#latest ??= new Map()
    const before = this.#latest.get(channel)
    if (before !== undefined) {
      this.#grow(-(this.#items[before] as OutItem).json.length)
      this.#items[before] = null
    }
    this.#latest.set(channel, this.#items.length)
    this.push(item)
    return before !== undefined
  }

  /** All items in order; the outbox is empty then. */
  take(): OutItem[] {
    const items = this.#latest === null ? (this.#items as OutItem[]) : this.#items.filter((item) => item !== null)
    this.#latest = null
    this.#items = NOTHING
    this.#grow(-this.#bytes)
    return items
  }

  /** Drops publications, presence and live messages; answers and other control events stay. */
  drop(): void {
    for (const item of this.take()) if (item.kind === 'control') this.push(item)
  }

  /** Says the stream's cursor anew in the events that hold it. */
  renew(cursor: string | null): void {
    for (const item of this.take()) this.push('renew' in item ? (item as CursorItem).renew(cursor) : item)
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    this.#waiting.bytes += bytes
  }
}
