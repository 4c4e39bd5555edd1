/** A channel's recent publications as they came through this node's link: what a resume is served from without asking the broker. */
import { compareIds, type Id } from '@rt/protocol'
import type { Entry } from '../ports/broker'

/** Bytes (characters of bodies) that all rings of a node hold together, and may hold. */
export interface RingBudget {
  used: number
  readonly limit: number
  /** The rings that hold something; the first is the next to give something up. */
  readonly rings: Set<Ring>
}

export class Ring {
  readonly #budget: RingBudget
  readonly #size: number
  #entries: Entry[] = []
  /** Every publication of the channel newer than this is in the ring, or still under way on the link; null: unknown. */
  coversFrom: Id | null = null
  /** Up to here everything of the channel is known from the link or a read; null: nothing is known. */
  newest: Id | null = null

  constructor(budget: RingBudget, size: number) {
    this.#budget = budget
    this.#size = size
  }

  get length(): number {
    return this.#entries.length
  }

  /** A publication came through the link. Returns false when one before it was missed: the link can't be trusted any more. */
  push(entry: Entry): boolean {
    if (this.newest !== null) {
      // Late on the link: a read was faster.
      if (compareIds(entry.id, this.newest) <= 0) return true
      if (compareIds(entry.prev, this.newest) > 0) return false
    }
    // The chain, not the oldest id, tells from where on the ring is complete.
    if (this.coversFrom === null) this.coversFrom = entry.prev
    this.newest = entry.id
    this.#add(entry)
    this.#evict()
    return true
  }

  /**
   * A complete read that was sent after the link carried the channel: `entries` are all between `from` and `head`. Only for a ring that knows
   * nothing yet; what the link still brings up to `head` is in the read.
   */
  seed(from: Id, entries: readonly Entry[], head: Id): void {
    if (this.coversFrom !== null) return
    for (const entry of entries) this.#add(entry)
    this.coversFrom = from
    this.newest = head
    this.#evict()
  }

  /** True when everything newer than `id` can be had from here. */
  covers(id: Id): boolean {
    return this.coversFrom !== null && compareIds(this.coversFrom, id) <= 0
  }

  /** The publications newer than `id`, oldest first. */
  after(id: Id): Entry[] {
    let i = this.#entries.length
    while (i > 0 && compareIds((this.#entries[i - 1] as Entry).id, id) > 0) i--
    return this.#entries.slice(i)
  }

  /** The newest `count`, oldest first. */
  tail(count: number): Entry[] {
    return count === 0 ? [] : this.#entries.slice(-count)
  }

  /** Forgets everything: the link was lost. */
  reset(): void {
    this.#clear()
    this.coversFrom = null
    this.newest = null
  }

  #add(entry: Entry): void {
    this.#entries.push(entry)
    this.#budget.used += entry.body.length
    this.#budget.rings.add(this)
  }

  #evict(): void {
    while (this.#entries.length > this.#size) this.#dropOldest()
    // Each in turn, so that channels at rest do not keep the room for ever.
    const { rings, limit } = this.#budget
    for (const ring of rings) {
      if (this.#budget.used <= limit) return
      rings.delete(ring)
      ring.#dropOldest()
      if (ring.length > 0) rings.add(ring)
    }
  }

  #dropOldest(): void {
    const gone = this.#entries.shift() as Entry
    this.#budget.used -= gone.body.length
    this.coversFrom = gone.id
  }

  #clear(): void {
    for (const entry of this.#entries) this.#budget.used -= entry.body.length
    this.#budget.rings.delete(this)
    this.#entries = []
  }
}
