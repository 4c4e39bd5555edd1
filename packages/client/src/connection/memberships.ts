/**
 * The channels in which this client is present: keeps it so over reconnects and changes of the transport, by naming them to each stream and by entering
 * again where the server says that it does not know. Owned by the connection.
 */
import { type Json, type LeaveCommand, type RealtimeError, toRealtimeError } from '@rt/protocol'
import type { Carrier, Order } from '../channels/outbox'
import { NEVER } from './alarm'
import type { Attempt } from './attempt'
import { backoff, delay } from './backoff'
import type { Streams } from './streams'

interface Membership {
  /** What the server stored last. */
  state: Json
  /** The server has stored it: streams are to keep it. */
  stored: boolean
  /** `enter` commands that are not answered. */
  pending: number
  /** The place of the newest `enter` that was stored among those of this membership, to tell when a retry was overtaken. */
  newest: number
  /** The server may not know of it, or keep it with a stream that is gone. */
  missing: boolean
  /** When the server said last that it does not know of it, how often it did so in a row, and when to enter again for that. */
  absentAt: number
  absences: number
  repairAt: number
}

export interface MembershipsOptions {
  readonly streams: Streams
  /** This client's name. */
  readonly client: string
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  /** Something changed that `nextAt` depends on. */
  readonly changed: () => void
  /** Sends a command, again until it is answered; `sent` learns what carries it. */
  readonly execute: (order: Order, sent?: (carrier: Carrier) => void) => Promise<Json>
  /** No command is taken now. */
  readonly over: () => boolean
  /** Something else is wanted: the stream is to be brought in line. */
  readonly want: () => void
  /** The server does not let the client be there any more. */
  readonly lost: (channel: string, error: RealtimeError) => void
}

export class Memberships {
  readonly #options: MembershipsOptions
  readonly #memberships = new Map<string, Membership>()
  /** How many `leave` commands of a channel are not answered. */
  readonly #leaving = new Map<string, number>()
  #count = 0

  constructor(options: MembershipsOptions) {
    this.#options = options
  }

  /** The channels that a stream is to keep the client in. */
  get entered(): string[] {
    return [...this.#memberships].flatMap(([channel, { stored }]) => (stored ? channel : []))
  }

  /** The same, with what the client says there. */
  get states(): (readonly [channel: string, state: Json])[] {
    return [...this.#memberships].flatMap(([channel, { stored, state }]) => (stored ? [[channel, state] as const] : []))
  }

  /** Enters, or changes the state. Rejects with what the server says; then all is as before. */
  async enter(channel: string, state: Json): Promise<void> {
    const membership = this.#memberships.get(channel) ?? createMembership(state)
    this.#memberships.set(channel, membership)
    try {
      await this.#send(channel, membership, copyOf(state))
    } catch (error) {
      if (this.#memberships.get(channel) === membership && !membership.stored && membership.pending === 0) {
        this.#memberships.delete(channel)
        // The server may have stored it all the same.
        if (toRealtimeError(error).outcome !== 'failed') this.#takeBack(channel)
      }
      this.#repair(channel, membership)
      throw error
    }
  }

  has(channel: string): boolean {
    return this.#memberships.has(channel)
  }

  async leave(channel: string): Promise<void> {
    const { streams, want } = this.#options
    this.#memberships.delete(channel)
    for (const attempt of streams.all) {
      // It would take the seat over, and its node would keep it.
      if (attempt.entered.delete(channel) && attempt !== streams.current) attempt.outdated = true
    }
    // No stream keeps the seat from here on, and so no node enters it again.
    want()
    await this.#leave(channel)
  }

  /** The stream named the channel, but the server knows of no such member. */
  absent(attempt: Attempt, channel: string): void {
    attempt.entered.delete(channel)
    const membership = this.#memberships.get(channel)
    if (membership?.stored !== true) return
    const { now, random, changed } = this.#options
    membership.missing = true
    // A server says so until it knows again: what is under way or planned must not be put off by that.
    if (membership.pending > 0 || membership.repairAt !== NEVER) return
    const again = now() - membership.absentAt < backoff.healthy
    membership.absentAt = now()
    membership.absences = again ? membership.absences + 1 : 0
    // A server that does not know again and again is not to be asked in a circle.
    if (again) membership.repairAt = now() + delay(membership.absences, undefined, random())
    else this.#repair(channel, membership)
    changed()
  }

  /** When to call {@link tick}. */
  nextAt(): number {
    let at = NEVER
    for (const { repairAt } of this.#memberships.values()) at = Math.min(at, repairAt)
    return at
  }

  tick(): void {
    for (const [channel, membership] of [...this.#memberships]) {
      if (membership.repairAt <= this.#options.now()) this.#repair(channel, membership)
    }
  }

  /** On a link that takes commands: what was entered elsewhere is tied to it. */
  command(attempt: Attempt): void {
    for (const [channel, membership] of this.#memberships) {
      if (!membership.stored || attempt.entered.has(channel)) continue
      attempt.entered.add(channel)
      membership.missing = true
      this.#repair(channel, membership)
    }
  }

  /** The stream asks from here on for what is wanted now. */
  asked(attempt: Attempt): void {
    attempt.entered.clear()
    for (const channel of this.entered) attempt.entered.add(channel)
  }

  /** What is said at the end of the client, of the channels that nobody else stays in by it; null: nothing. Nobody waits for an answer. */
  farewell(stays: (channel: string) => boolean): string | null {
    const { client } = this.#options
    const commands = [...this.#memberships.keys()]
      .filter((channel) => !stays(channel))
      .map((channel, ref): LeaveCommand => ({ type: 'leave', ref, channel, client }))
    this.#memberships.clear()
    return commands.length === 0 ? null : JSON.stringify(commands)
  }

  async #send(channel: string, membership: Membership, state: Json): Promise<void> {
    const { client, execute } = this.#options
    const place = ++this.#count
    let carrier: Carrier | null = null
    membership.pending++
    try {
      await execute({ type: 'enter', channel, client, state }, (by) => {
        carrier = by
      })
    } finally {
      membership.pending--
    }
    this.#stored(channel, membership, state, place, carrier)
  }

  #stored(channel: string, membership: Membership, state: Json, place: number, carrier: Carrier | null): void {
    const present = this.#memberships.get(channel)
    if (present !== membership) {
      // Left meanwhile, and this was a retry that came behind what was said later.
      if (present !== undefined) {
        present.missing = true
        this.#repair(channel, present)
      } else if (!this.#leaving.has(channel)) this.#takeBack(channel)
      return
    }
    const overtaken = place < membership.newest
    membership.stored = true
    membership.missing = overtaken
    if (!overtaken) {
      membership.newest = place
      membership.state = state
    }
    const { current } = this.#options.streams
    // What came over the link is tied to it; what came by POST waits for a stream that names it.
    if (current !== null && carrier === current) current.entered.add(channel)
    else if (current?.entered.has(channel) !== true) this.#options.want()
    this.#repair(channel, membership)
  }

  /** Enters again with the last state, unless a command that is under way does that. */
  #repair(channel: string, membership: Membership): void {
    const { over, want, lost } = this.#options
    const idle = membership.missing && membership.stored && membership.pending === 0
    membership.repairAt = NEVER
    if (!idle || over() || this.#memberships.get(channel) !== membership) return
    this.#send(channel, membership, membership.state).catch((reason: unknown) => {
      if (over() || this.#memberships.get(channel) !== membership) return
      const error = toRealtimeError(reason)
      // All the time that a command may take is over: once more. What can't be sent at all waits for the next stream.
      if (error.code === 'timeout') this.#repair(channel, membership)
      if (error.retryable) return
      this.#memberships.delete(channel)
      want()
      lost(channel, error)
    })
  }

  async #leave(channel: string): Promise<void> {
    const { client, execute } = this.#options
    this.#leaving.set(channel, (this.#leaving.get(channel) ?? 0) + 1)
    try {
      await execute({ type: 'leave', channel, client })
    } finally {
      const left = (this.#leaving.get(channel) ?? 1) - 1
      if (left > 0) this.#leaving.set(channel, left)
      else this.#leaving.delete(channel)
    }
  }

  /** Nobody waits for it: if it does not come through, the seat ends with its time. */
  #takeBack(channel: string): void {
    this.#leave(channel).catch(() => {})
  }
}

function createMembership(state: Json): Membership {
  return {
    state,
    stored: false,
    pending: 0,
    newest: 0,
    missing: false,
    absentAt: Number.NEGATIVE_INFINITY,
    absences: 0,
    repairAt: NEVER,
  }
}

/** The state as it is now, whatever the application does with its object later. */
function copyOf(state: Json): Json {
  try {
    return JSON.parse(JSON.stringify(state) ?? 'null') as Json
  } catch {
    // What can't be written is refused where it is sent.
    return state
  }
}
