/** One partition's members in the memory of a process: the same seats, notices and holds as the Redis scripts; used by the memory broker. */
import { type Clock, type Id, limits, type PresenceChange, timeOfId } from '@rt/protocol'
import type {
  EnterRequest,
  MembersResult,
  PresenceNotice,
  PulseRequest,
  PulseResult,
  Seat,
  TouchRequest,
} from '../../ports/presence'
import type { PartitionLog } from './log'

/** Seats that one sweep removes. */
const SWEPT = 200
/** Channels of one pulse, and how long they are left to who asked, in milliseconds. */
const DUE = 100
const CLAIM = 5000
/** How long an empty channel's newest change is remembered, in milliseconds. */
const REST = 3_600_000

interface Place {
  readonly member: string
  readonly client: string
  owner: string
  state: string
  expires: number
}

interface Hall {
  /** By client and member. */
  readonly seats: Map<string, Place>
  /** A member's seats; the one that set a state last comes last. */
  readonly members: Map<string, Place[]>
  rev: Id
}

export class PartitionPresence {
  readonly #clock: Clock
  readonly #partition: number
  readonly #log: PartitionLog
  readonly #identity: string
  readonly #announce: (notice: PresenceNotice) => void
  readonly #halls = new Map<string, Hall>()
  /** Channel → when one of its seats may expire, at the earliest. */
  readonly #due = new Map<string, number>()
  readonly #online = new Map<string, number>()
  #pulse: { at: number; epoch: Id; gap: number } | null = null
  #hold = 0

  constructor(
    clock: Clock,
    partition: number,
    log: PartitionLog,
    identity: string,
    announce: (notice: PresenceNotice) => void,
  ) {
    this.#clock = clock
    this.#partition = partition
    this.#log = log
    this.#identity = identity
    this.#announce = announce
  }

  enter({ channel, member, client, state, owner, ttl }: EnterRequest): boolean {
    const hall = this.#hall(channel)
    const seats = hall.members.get(member) ?? []
    const expires = this.#clock.now() + ttl
    let place = hall.seats.get(keyOf({ client, member }))
    const before = seats.at(-1)?.state
    if (place === undefined) {
      if (seats.length >= limits.clients) return false
      place = { member, client, owner, state, expires }
      hall.seats.set(keyOf(place), place)
    } else {
      if (owner !== '') place.owner = owner
      place.expires = Math.max(place.expires, expires)
      if (place.state === state) {
        this.#expects(channel, place.expires)
        return true
      }
      place.state = state
      seats.splice(seats.indexOf(place), 1)
    }
    seats.push(place)
    hall.members.set(member, seats)
    this.#expects(channel, place.expires)
    if (before !== state) this.#tell(channel, hall, [change(before === undefined ? 'enter' : 'update', member, state)])
    return true
  }

  leave({ channel, member, client }: Seat): void {
    const hall = this.#halls.get(channel)
    const place = hall?.seats.get(keyOf({ client, member }))
    if (hall === undefined || place === undefined) return
    const changes = this.#remove(hall, place)
    if (hall.seats.size === 0) this.#due.delete(channel)
    this.#tell(channel, hall, changes)
  }

  touch(requests: readonly TouchRequest[]): (string | null)[] {
    const now = this.#clock.now()
    return requests.map(({ channel, member, client, owner, ttl }) => {
      const place = this.#halls.get(channel)?.seats.get(keyOf({ client, member }))
      if (place === undefined) return null
      if (owner !== null) place.owner = owner
      place.expires = now + ttl
      this.#expects(channel, place.expires)
      return place.state
    })
  }

  release(seats: readonly Seat[], owner: string, grace: number): void {
    const expires = this.#clock.now() + grace
    for (const { channel, member, client } of seats) {
      const place = this.#halls.get(channel)?.seats.get(keyOf({ client, member }))
      if (place === undefined || place.owner !== owner) continue
      place.expires = Math.min(place.expires, expires)
      this.#expects(channel, place.expires)
    }
  }

  members(channel: string): MembersResult {
    const hall = this.#halls.get(channel)
    const members = [...(hall?.members ?? [])].map(([member, seats]) => ({
      member,
      state: (seats.at(-1) as Place).state,
    }))
    return { epoch: this.#log.epoch(this.#identity), id: hall?.rev ?? '0-0', members }
  }

  count(channel: string): number {
    return this.#halls.get(channel)?.members.size ?? 0
  }

  pulse({ epoch: before, ttl, gap }: PulseRequest): PulseResult {
    const now = this.#clock.now()
    const epoch = this.#log.epoch(this.#identity)
    const last = this.#pulse
    const away = this.#due.size > 0 && (last === null || now - last.at > gap)
    const other = (last !== null && last.epoch !== epoch) || (before !== null && before !== epoch)
    if (away || other) this.#hold = now + ttl
    // The clock may have stepped back.
    this.#hold = Math.min(this.#hold, now + ttl)
    this.#pulse = { at: now, epoch, gap }
    if (Math.random() < 0.01)
      for (const [channel, { seats, rev }] of this.#halls)
        if (seats.size === 0 && timeOfId(rev) < now - REST) this.#halls.delete(channel)
    const hold = Math.max(0, this.#hold - now)
    const due: string[] = []
    if (hold === 0) {
      for (const [channel, at] of this.#due) {
        if (at > now || due.length === DUE) continue
        due.push(channel)
        this.#due.set(channel, now + CLAIM)
      }
    }
    return { epoch, hold, due }
  }

  sweep(channel: string): boolean {
    const now = this.#clock.now()
    const hall = this.#halls.get(channel)
    if (hall === undefined || this.#hold > now) return false
    // Behind an older pulse the process may have stood still.
    if (this.#pulse === null || now - this.#pulse.at > this.#pulse.gap) return false
    const changes: PresenceChange[] = []
    let swept = 0
    let next = Number.POSITIVE_INFINITY
    for (const place of [...hall.seats.values()]) {
      if (place.expires > now || swept === SWEPT) next = Math.min(next, place.expires)
      else {
        swept++
        changes.push(...this.#remove(hall, place))
      }
    }
    if (next === Number.POSITIVE_INFINITY) this.#due.delete(channel)
    else this.#due.set(channel, next)
    this.#tell(channel, hall, changes)
    return next <= now
  }

  online(ids: readonly string[], ttl: number): void {
    const now = this.#clock.now()
    for (const id of ids) {
      const expires = Math.max(this.#online.get(id) ?? 0, now + ttl)
      // Set alone, it would keep its old place, and hold up the removal of those behind it.
      this.#online.delete(id)
      this.#online.set(id, expires)
    }
    for (const [id, expires] of this.#online) {
      if (expires > now) break
      this.#online.delete(id)
    }
  }

  isOnline(id: string): boolean {
    return (this.#online.get(id) ?? 0) > this.#clock.now()
  }

  /** Of all that are marked. */
  match(fits: (id: string) => boolean): string[] {
    const now = this.#clock.now()
    return [...this.#online].filter(([id, expires]) => expires > now && fits(id)).map(([id]) => id)
  }

  #remove(hall: Hall, place: Place): PresenceChange[] {
    const { member, state } = place
    hall.seats.delete(keyOf(place))
    const seats = hall.members.get(member) as Place[]
    seats.splice(seats.indexOf(place), 1)
    const next = seats.at(-1)
    if (next === undefined) {
      hall.members.delete(member)
      return [change('leave', member, state)]
    }
    // The last one had its say before unless it is the one that went.
    return next.state === state ? [] : [change('update', member, next.state)]
  }

  #tell(channel: string, hall: Hall, changes: readonly PresenceChange[]): void {
    if (changes.length === 0) return
    const prev = hall.rev
    const { id, epoch } = this.#log.stampOnly(this.#identity)
    hall.rev = id
    this.#announce({ partition: this.#partition, channel, epoch, id, prev, changes: JSON.stringify(changes) })
  }

  #hall(channel: string): Hall {
    let hall = this.#halls.get(channel)
    if (hall === undefined) {
      hall = { seats: new Map(), members: new Map(), rev: '0-0' }
      this.#halls.set(channel, hall)
    }
    return hall
  }

  #expects(channel: string, expires: number): void {
    this.#due.set(channel, Math.min(this.#due.get(channel) ?? expires, expires))
  }
}

function keyOf({ client, member }: { readonly client: string; readonly member: string }): string {
  return `${client} ${member}`
}

function change(action: PresenceChange['action'], member: string, state: string): PresenceChange {
  return { action, member, state: JSON.parse(state) as PresenceChange['state'] }
}
