/** One partition's log in the memory of a process: the same clock, epochs and answers as the Redis scripts; used by `memory()` and by simulations. */
import { type Clock, compareIds, earlierId, type Id } from '@rt/protocol'
import {
  type Entry,
  lifeOfLast,
  type PastEpoch,
  type Publication,
  type Published,
  type PublishRequest,
  type ReadAnswer,
  type ReadRequest,
  type ReadResult,
} from '../../ports/broker'

/** Room for random bits under the sequence in an id's `n`: an id is never handed out twice, not even by a log that was rolled back. */
const SEQUENCE = 2 ** 20
/** How much longer than promised a channel's newest id is kept: the wall clock may step back by as much. Milliseconds. */
const MARGIN = 3_600_000
/** Past epochs that are remembered. */
const PAST = 8
/** Entries that a channel's log may hold beyond its history; a long one a quarter more. */
const SLACK = 16

interface Expiring<T> {
  readonly value: T
  readonly expires: number
}

interface ChannelLog {
  entries: Entry[]
  expires: number
}

export class PartitionLog {
  readonly #clock: Clock
  readonly #partition: number
  readonly #page: number
  #ms = 0
  #n = 0
  #identity: string | null = null
  #epoch: Id = '0-0'
  #past: PastEpoch[] = []
  #logs = new Map<string, ChannelLog>()
  #lasts = new Map<string, Expiring<Id>>()
  #published = new Map<string, Expiring<Id>>()

  /** `page`: entries of one channel in one read. */
  constructor(clock: Clock, partition: number, page = 500) {
    this.#clock = clock
    this.#partition = partition
    this.#page = page
  }

  /** `identity`: who stores the data, as the caller knows it; another one than before starts a new epoch. */
  publish(identity: string, request: PublishRequest): { published: Published; publication: Publication | null } {
    this.#enter(identity)
    const { channel, messageId, body, history, dedupe } = request
    const now = this.#clock.now()
    const key = `${channel} ${messageId}`
    const before = this.#published.get(key)
    if (before !== undefined && before.expires > now)
      return { published: { id: before.value, duplicate: true }, publication: null }
    const prev = this.#last(channel, lifeOfLast(history))
    const id = this.#stamp()
    let log = this.#logs.get(channel)
    if (log === undefined || log.expires <= now) {
      log = { entries: [], expires: 0 }
      this.#logs.set(channel, log)
    }
    log.entries.push({ id, prev, body })
    const { length } = log.entries
    const expired = startAfter(log.entries, `${now - history.ttl}-0`)
    const drop = Math.max(length - history.size, Math.min(expired, length - 1))
    // A cut copies what stays, so it waits until enough goes: at least so much is kept is the promise.
    if (drop > Math.max(SLACK, length / 5)) log.entries = log.entries.slice(drop)
    log.expires = now + history.ttl
    // The id may be ahead of the wall clock: it is kept until the wall clock is beyond id + life, and some more for clocks that step back.
    this.#lasts.set(channel, { value: id, expires: Math.max(now, this.#ms) + lifeOfLast(history) + MARGIN })
    // Set alone, a key that has expired would keep its old place, and hold up the sweep before those behind it.
    this.#published.delete(key)
    this.#published.set(key, { value: id, expires: now + dedupe })
    this.#sweep(now)
    return {
      published: { id, duplicate: false },
      publication: { partition: this.#partition, channel, id, prev, epoch: this.#epoch, body },
    }
  }

  read(identity: string, expected: Id | null, requests: readonly ReadRequest[]): ReadResult {
    this.#enter(identity)
    const head = `${this.#ms}-${this.#n}`
    const answers = expected === this.#epoch ? requests.map((request) => this.#answer(request)) : null
    return { epoch: this.#epoch, past: [...this.#past], head, answers }
  }

  /** The log's present life. */
  epoch(identity: string): Id {
    this.#enter(identity)
    return this.#epoch
  }

  /** An id of the clock for something that is not logged. */
  stampOnly(identity: string): { readonly id: Id; readonly epoch: Id } {
    this.#enter(identity)
    return { id: this.#stamp(), epoch: this.#epoch }
  }

  #answer({ channel, after, last, life }: ReadRequest): ReadAnswer {
    const now = this.#clock.now()
    const log = this.#logs.get(channel)
    const all = log !== undefined && log.expires > now ? log.entries : []
    const newest = this.#last(channel, life)
    if (after === null) return { entries: last === 0 ? [] : all.slice(-last), more: false, last: newest }
    const start = startAfter(all, after)
    return { entries: all.slice(start, start + this.#page), more: all.length - start > this.#page, last: newest }
  }

  /** The channel's newest id; when none is stored, none lies after the end of its life, and none beyond the head. */
  #last(channel: string, life: number): Id {
    const now = this.#clock.now()
    const last = this.#lasts.get(channel)
    if (last !== undefined && last.expires > now) return last.value
    return earlierId(`${Math.max(0, Math.max(now, this.#ms) - life)}-0`, `${this.#ms}-${this.#n}`)
  }

  #enter(identity: string): void {
    if (this.#identity === identity) return
    if (this.#identity !== null) {
      this.#past.push({ epoch: this.#epoch, end: `${this.#ms}-${this.#n}` })
      if (this.#past.length > PAST) this.#past.shift()
    }
    this.#identity = identity
    this.#epoch = this.#stamp()
  }

  #stamp(): Id {
    const now = this.#clock.now()
    const random = Math.floor(Math.random() * SEQUENCE)
    if (now > this.#ms) {
      this.#ms = now
      this.#n = random
    } else this.#n = (Math.floor(this.#n / SEQUENCE) + 1) * SEQUENCE + random
    return `${this.#ms}-${this.#n}`
  }

  /** Drops what has expired; Maps keep the order of insertion, so the oldest come first and the cost is that of what goes. */
  #sweep(now: number): void {
    for (const [key, { expires }] of this.#published) {
      if (expires > now) break
      this.#published.delete(key)
    }
    if (Math.random() > 0.001) return
    for (const [channel, { expires }] of this.#logs) if (expires <= now) this.#logs.delete(channel)
    for (const [channel, { expires }] of this.#lasts) if (expires <= now) this.#lasts.delete(channel)
  }

  /** Everything stored, for simulations of stores that lose data. */
  save(): () => void {
    const ms = this.#ms
    const n = this.#n
    const identity = this.#identity
    const epoch = this.#epoch
    const past = [...this.#past]
    const logs = [...this.#logs].map(
      ([channel, log]) => [channel, { entries: [...log.entries], expires: log.expires }] as const,
    )
    const lasts = [...this.#lasts]
    const published = [...this.#published]
    return () => {
      this.#ms = ms
      this.#n = n
      this.#identity = identity
      this.#epoch = epoch
      this.#past = [...past]
      this.#logs = new Map(logs.map(([channel, log]) => [channel, { entries: [...log.entries], expires: log.expires }]))
      this.#lasts = new Map(lasts)
      this.#published = new Map(published)
    }
  }
}

/** Where the entries behind `id` begin. */
function startAfter(entries: readonly Entry[], id: Id): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareIds((entries[middle] as Entry).id, id) > 0) high = middle
    else low = middle + 1
  }
  return low
}
