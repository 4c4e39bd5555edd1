/** The seats that streams of this node hold, and the identities that are connected here: kept alive in batches. Owned by Presence. */
import type { Clock, Timer } from '@rt/protocol'
import type { PresenceStore, Seat } from '../../ports/presence'

/** A stream that holds seats. */
export interface Sitter {
  /** The store does not know of its seat in this channel: the client has to enter again. */
  absent(channel: string): void
}

export interface SeatsOptions {
  readonly store: PresenceStore
  /** Name of this node: which of its streams keeps a seat is known here. */
  readonly owner: string
  /** By channel, or by identity. */
  readonly partition: (name: string) => number
  readonly clock: Clock
  readonly ttl: number
  readonly grace: number
}

interface Held {
  readonly seat: Seat
  readonly sitter: Sitter
  readonly ttl: number
  /** The stream ends soon and comes again: its end says nothing. */
  readonly polled: boolean
}

/** Seats of one call. */
const BATCH = 200

export class Seats {
  readonly #options: SeatsOptions
  /** By partition, by channel, member and client. */
  readonly #held = new Map<number, Map<string, Held>>()
  /** Identity id → how many streams of it are open here, and when it was marked last (monotonic). */
  readonly #identities = new Map<string, { streams: number; marked: number }>()
  #beat: Timer

  constructor(options: SeatsOptions) {
    this.#options = options
    this.#beat = this.#schedule()
  }

  /**
   * A stream opened that holds these seats already; `ttl`: of a stream that will be gone soon and come again. Resolves when the sitter was told what is
   * missing, or the store did not say.
   */
  async attach(sitter: Sitter, seats: readonly Seat[], ttl: number | null): Promise<void> {
    for (const seat of seats) this.hold(sitter, seat, ttl)
    await Promise.all(
      [...this.#byPartition(seats)].map(([partition, all]) =>
        this.#touch(partition, all, sitter, ttl ?? this.#options.ttl),
      ),
    )
  }

  /** The stream keeps the seat from now on; `ttl` as for {@link attach}. */
  hold(sitter: Sitter, seat: Seat, ttl: number | null): void {
    const held = { seat, sitter, ttl: ttl ?? this.#options.ttl, polled: ttl !== null }
    this.#of(seat.channel).set(keyOf(seat), held)
  }

  /** It was left. */
  drop(seat: Seat): void {
    this.#of(seat.channel).delete(keyOf(seat))
  }

  /** The stream is gone: what it still holds expires after the grace. */
  release(sitter: Sitter, seats: Iterable<Seat>): void {
    const gone: Seat[] = []
    for (const seat of seats) {
      const held = this.#of(seat.channel)
      const key = keyOf(seat)
      // Another stream of the client has it by now.
      const own = held.get(key)
      if (own?.sitter !== sitter) continue
      held.delete(key)
      if (!own.polled) gone.push(seat)
    }
    const { store, owner, grace } = this.#options
    for (const [partition, all] of this.#byPartition(gone)) {
      for (const batch of inBatches(all)) store.release(partition, batch, owner, grace).catch(ignore)
    }
  }

  /** The store answers again: whatever it forgot or had expire is to be there again. */
  recovered(partition: number): void {
    this.#refresh(partition)
    this.#mark(this.#present().filter((id) => this.#options.partition(id) === partition))
  }

  /** An identity's stream opened here; call the result when it is gone. */
  arrived(id: string): () => void {
    let entry = this.#identities.get(id)
    if (entry === undefined) {
      entry = { streams: 0, marked: Number.NEGATIVE_INFINITY }
      this.#identities.set(id, entry)
    }
    const present = entry
    present.streams++
    if (this.#options.clock.monotonic() - present.marked > this.#options.ttl / 4) this.#mark([id])
    return () => {
      present.streams--
    }
  }

  close(): void {
    this.#options.clock.clearTimeout(this.#beat)
  }

  #schedule(): Timer {
    const { clock, ttl } = this.#options
    return clock.setTimeout(
      () => {
        this.#beat = this.#schedule()
        for (const partition of this.#held.keys()) this.#refresh(partition)
        // Those that were marked a moment ago and are gone are left to expire.
        const old = clock.monotonic() - ttl
        for (const [id, { streams, marked }] of this.#identities)
          if (streams === 0 && marked < old) this.#identities.delete(id)
        this.#mark(this.#present())
      },
      // So that a seat outlives a silent node until its client calls the link dead (1.75 heartbeats) and has come back elsewhere.
      (ttl / 3) * (0.85 + 0.15 * Math.random()),
    )
  }

  /** The identities that have a stream here. */
  #present(): string[] {
    return [...this.#identities].filter(([, { streams }]) => streams > 0).map(([id]) => id)
  }

  #refresh(partition: number): void {
    const all = [...(this.#held.get(partition)?.values() ?? [])]
    const { store } = this.#options
    for (const batch of inBatches(all)) {
      store
        .touch(
          partition,
          batch.map(({ seat, ttl }) => ({ ...seat, owner: null, ttl })),
        )
        .then((states) => {
          for (const [i, held] of batch.entries())
            if (states[i] === null && this.#of(held.seat.channel).get(keyOf(held.seat)) === held)
              held.sitter.absent(held.seat.channel)
        })
        .catch(ignore)
    }
  }

  async #touch(partition: number, seats: readonly Seat[], sitter: Sitter, ttl: number): Promise<void> {
    const { store, owner } = this.#options
    const touches = inBatches(seats).map((batch) =>
      store
        .touch(
          partition,
          batch.map((seat) => ({ ...seat, owner, ttl })),
        )
        .then((states) => {
          for (const [i, seat] of batch.entries()) if (states[i] === null) sitter.absent(seat.channel)
        })
        // Not answered now: the pulse says when the store is back, and all is touched again.
        .catch(ignore),
    )
    await Promise.all(touches)
  }

  #mark(ids: readonly string[]): void {
    if (ids.length === 0) return
    const { store, clock, ttl } = this.#options
    const now = clock.monotonic()
    for (const id of ids) (this.#identities.get(id) as { marked: number }).marked = now
    store.online(ids, ttl).catch(() => {
      for (const id of ids) {
        const entry = this.#identities.get(id)
        if (entry !== undefined) entry.marked = Number.NEGATIVE_INFINITY
      }
    })
  }

  #of(channel: string): Map<string, Held> {
    const partition = this.#options.partition(channel)
    let held = this.#held.get(partition)
    if (held === undefined) {
      held = new Map()
      this.#held.set(partition, held)
    }
    return held
  }

  #byPartition(seats: readonly Seat[]): Map<number, Seat[]> {
    const all = new Map<number, Seat[]>()
    for (const seat of seats) {
      const partition = this.#options.partition(seat.channel)
      const list = all.get(partition)
      if (list === undefined) all.set(partition, [seat])
      else list.push(seat)
    }
    return all
  }
}

/** Channel names and clients hold no blank. */
function keyOf({ channel, client, member }: Seat): string {
  return `${channel} ${client} ${member}`
}

function inBatches<T>(all: readonly T[]): T[][] {
  const batches: T[][] = []
  for (let i = 0; i < all.length; i += BATCH) batches.push(all.slice(i, i + BATCH))
  return batches
}

function ignore(): void {}
