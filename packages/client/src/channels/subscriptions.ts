/**
 * What the client wants to hear and how streams that may overlap become one stream per channel: no publication twice, none out of order, none
 * silently skipped. Pure bookkeeping without timers; the connection feeds it events and opens streams with its requests.
 */
import {
  type ChannelRequest,
  compareIds,
  type GapEvent,
  type HistoryItem,
  type Id,
  type Json,
  type LiveEvent,
  type MessageEvent,
  type ServerEvent,
  type SubscribedEvent,
  type UnsubscribedEvent,
} from '@rt/protocol'
import type { ResumeRequest } from '../ports/transport'

/** How many `messageId`s of a channel are remembered for the case that the broker rolls back and a publisher's retry is stored again. */
const SEEN = 512
/** How many publishers' sequences of a `live` channel are remembered. */
const SOURCES = 64

interface ChannelState {
  /** How many of the newest publications to ask for while the channel is new. */
  last: number
  /** Some stream has established it: from then on it resumes from a cursor, and what can't be resumed is a gap. */
  established: boolean
  /** It is not logged: there is nothing to resume, and every stream may carry it. */
  live: boolean
  /** The server computes a state for it, which is to be had anew after a gap; `anew`: that is so now. */
  stateful: boolean
  anew: boolean
  /** The newest id that was delivered, or that the subscription started behind; null: ids start anew. */
  newest: Id | null
  /** The life of the log in which the application is, and how often it came into another one: the broker lost data then. */
  life: Id | undefined
  losses: number
  /** Publisher and messageId → the id under which it was seen, and how many losses were before. */
  readonly seen: Map<string, { readonly id: Id; readonly losses: number }>
  readonly sources: Map<string, number>
}

/** One stream's side of the bookkeeping; opaque to the connection but for the fields that it reads. */
export interface StreamState {
  readonly order: number
  /** The channels whose publications this stream's cursor accounts for. */
  readonly covered: Set<string>
  /** The channels that were asked for on this stream, established or not. */
  readonly requested: Set<string>
  /** The life of the log in which the stream is, by channel; replaced, never changed. */
  lives: ReadonlyMap<string, Id | undefined>
  /** The same at its cursor. */
  livesAtCursor: ReadonlyMap<string, Id | undefined>
  /** The life in which the application was when the stream was opened: what the stream comes to later is no older. */
  readonly opened: ReadonlyMap<string, Id | undefined>
  /** `unsubscribed` answers that are still to come: until then the stream speaks of an earlier subscription. */
  readonly leaving: Map<string, number>
  /** Channels to be asked for once more on this stream, for their state. */
  readonly again: Set<string>
  cursor: string | undefined
  hello: boolean
  /** What it said could not count, and it will not say it again: another stream must take over. */
  missed: boolean
}

/** A place in a channel: in which life of the log, and at which id. Of a `live` channel neither is known. */
export interface ChannelPlace {
  readonly channel: string
  readonly life: Id | undefined
  readonly newest: Id | undefined
}

/** What the application is to be told. */
export type Delivery =
  | { readonly kind: 'message'; readonly channel: string; readonly message: HistoryItem }
  | { readonly kind: 'live'; readonly channel: string; readonly message: LiveEvent }
  | { readonly kind: 'state'; readonly channel: string; readonly state: Json; readonly id: Id }
  | { readonly kind: 'gap'; readonly channel: string; readonly gap: GapEvent }
  | { readonly kind: 'subscribed'; readonly channel: string; readonly id: Id | undefined }
  | { readonly kind: 'refused'; readonly channel: string; readonly event: UnsubscribedEvent }

export class Subscriptions {
  readonly #channels = new Map<string, ChannelState>()
  #order = 0
  /** The newest stream that said hello and covers every established channel, alive or not: the next stream resumes from what it printed. */
  #base: StreamState | null = null

  /** Wants a channel; `last` counts only until it is established. */
  add(channel: string, last: number): void {
    const state = this.#channels.get(channel)
    if (state !== undefined) {
      if (!state.established) state.last = Math.max(state.last, last)
      return
    }
    this.#channels.set(channel, {
      last,
      established: false,
      live: false,
      stateful: false,
      anew: false,
      newest: null,
      life: undefined,
      losses: 0,
      seen: new Map(),
      sources: new Map(),
    })
  }

  /** Wants it no more; what is still under way for it is dropped, and a later `add` starts anew. */
  remove(channel: string): void {
    this.#channels.delete(channel)
    this.#base?.covered.delete(channel)
  }

  get channels(): ReadonlySet<string> {
    return new Set(this.#channels.keys())
  }

  isEstablished(channel: string): boolean {
    return this.#channels.get(channel)?.established === true
  }

  /** True for a channel that was established and waits for its state after a gap. */
  isAnew(channel: string): boolean {
    return this.#channels.get(channel)?.anew === true
  }

  /** The request for the next stream: resumes where the newest stream stood, with what no stream established yet marked as new. */
  request(): ResumeRequest {
    const base = this.#base
    const channels: ChannelRequest[] = []
    for (const [channel, state] of this.#channels) {
      // A live channel has no place to resume from; told as new each time it would be answered for each time, which ends every held poll.
      const resumes = state.established && base?.covered.has(channel) === true
      if (resumes || (state.live && base !== null)) channels.push({ channel })
      else channels.push({ channel, new: true, ...(state.last > 0 && { last: state.last }) })
    }
    return { channels, cursor: base?.cursor }
  }

  /** The state of a stream that is opened right now with {@link request}. */
  open(): StreamState {
    const { channels, cursor } = this.request()
    const stream: StreamState = {
      order: ++this.#order,
      covered: new Set(),
      requested: new Set(),
      lives: new Map(),
      livesAtCursor: new Map(),
      opened: new Map([...this.#channels].map(([channel, { life }]) => [channel, life])),
      leaving: new Map(),
      again: new Set(),
      cursor,
      hello: false,
      missed: false,
    }
    const lives = new Map<string, Id | undefined>()
    for (const { channel, new: fresh } of channels) {
      stream.requested.add(channel)
      if (fresh === true) continue
      stream.covered.add(channel)
      lives.set(channel, this.#base?.livesAtCursor.get(channel))
    }
    stream.lives = stream.livesAtCursor = lives
    return stream
  }

  /** True when the stream may take over: it accounts for every channel that the application relies on. */
  covers(stream: StreamState): boolean {
    if (stream.missed) return false
    for (const [channel, state] of this.#channels) if (state.established && !stream.covered.has(channel)) return false
    return true
  }

  /** Where the application is in a channel that something established; null: nowhere. */
  place(channel: string): ChannelPlace | null {
    const state = this.#channels.get(channel)
    if (state === undefined || !(state.established || state.live)) return null
    return { channel, life: state.life, newest: state.newest ?? undefined }
  }

  /** Where a stream that covers the channel is in it; `newest` is a publication's, told in this life of the log. Null: it does not cover it. */
  placeOn(stream: StreamState, channel: string): ChannelPlace | null {
    const state = this.#channels.get(channel)
    if (state === undefined || stream.missed || !stream.covered.has(channel)) return null
    const told = [...state.seen.values()].at(-1)
    return {
      channel,
      life: stream.lives.get(channel),
      newest: told?.losses === state.losses ? told.id : undefined,
    }
  }

  /** Notes that `unsubscribe` was sent on this stream. */
  leave(stream: StreamState, channel: string): void {
    stream.covered.delete(channel)
    stream.requested.delete(channel)
    stream.again.delete(channel)
    stream.leaving.set(channel, (stream.leaving.get(channel) ?? 0) + 1)
  }

  /** Notes that `subscribe` was sent on this stream. */
  join(stream: StreamState, channel: string): void {
    stream.requested.add(channel)
    stream.again.delete(channel)
  }

  /** Takes one event of a stream in and returns what the application is to be told, in order. */
  accept(stream: StreamState, event: ServerEvent): readonly Delivery[] {
    switch (event.type) {
      case 'hello':
        stream.hello = true
        this.#rebase(stream)
        return []
      case 'cursor':
        // What was missed lies before it: the next stream resumes from where this one was still right.
        if (!stream.missed) this.#moved(stream, event.cursor)
        this.#rebase(stream)
        return []
      case 'subscribed':
        return this.#subscribed(stream, event)
      case 'unsubscribed':
        return this.#unsubscribed(stream, event)
      case 'message':
        return this.#message(stream, event.channel, event)
      case 'gap':
        return this.#gap(stream, event)
      case 'live':
        return this.#live(stream, event)
      default:
        return []
    }
  }

  #moved(stream: StreamState, cursor: string): void {
    stream.cursor = cursor
    stream.livesAtCursor = stream.lives
  }

  #rebase(stream: StreamState): void {
    if (!stream.hello || stream.cursor === undefined || !this.covers(stream)) return
    if (this.#base === null || stream.order >= this.#base.order || !this.covers(this.#base)) this.#base = stream
  }

  /** The stream is gone and `others` go on: without need the next one does not resume from an old place. */
  closed(stream: StreamState, others: readonly StreamState[]): void {
    if (this.#base !== stream) return
    for (const other of others) {
      if (other.hello && other.cursor !== undefined && this.covers(other)) this.#base = other
    }
  }

  #subscribed(stream: StreamState, event: SubscribedEvent): readonly Delivery[] {
    const { channel } = event
    const state = this.#channels.get(channel)
    if (state === undefined || stream.leaving.has(channel)) return []
    if (event.id === undefined) {
      stream.covered.add(channel)
      const first = !state.live
      state.live = true
      return first ? [{ kind: 'subscribed', channel, id: undefined }] : []
    }
    // Another stream established it before: this one starts later and would skip what lies between, so it never covers the channel. And a stream that
    // does not cover what is established establishes nothing: some stream must account for all, for the next one to resume from.
    if (state.established) return []
    if (!this.covers(stream)) {
      stream.missed = true
      return []
    }
    state.established = true
    state.life = event.epoch
    stream.covered.add(channel)
    stream.lives = new Map(stream.lives).set(channel, event.epoch)
    const deliveries: Delivery[] = []
    for (const message of event.history ?? []) deliveries.push(...this.#message(stream, channel, message))
    if (event.state !== undefined) {
      const updates = event.updates ?? []
      const [first] = updates
      state.stateful = true
      deliveries.push({
        kind: 'state',
        channel,
        state: event.state,
        id: first === undefined ? event.id : before(first.id),
      })
      for (const message of updates) deliveries.push(...this.#message(stream, channel, message))
    }
    state.anew = false
    state.newest = event.id
    if (event.cursor !== undefined) this.#moved(stream, event.cursor)
    this.#rebase(stream)
    deliveries.push({ kind: 'subscribed', channel, id: event.id })
    return deliveries
  }

  #unsubscribed(stream: StreamState, event: UnsubscribedEvent): readonly Delivery[] {
    const { channel } = event
    const leaving = stream.leaving.get(channel)
    if (leaving !== undefined && event.error === undefined) {
      if (leaving > 1) stream.leaving.set(channel, leaving - 1)
      else stream.leaving.delete(channel)
      return []
    }
    if (leaving !== undefined || event.error === undefined || !this.#channels.has(channel)) return []
    this.remove(channel)
    stream.covered.delete(channel)
    stream.requested.delete(channel)
    return [{ kind: 'refused', channel, event }]
  }

  /** The channel's state when this stream may speak for it. */
  #covered(stream: StreamState, channel: string): ChannelState | null {
    const state = this.#channels.get(channel)
    return state !== undefined && stream.covered.has(channel) ? state : null
  }

  #message(stream: StreamState, channel: string, message: HistoryItem | MessageEvent): readonly Delivery[] {
    const state = this.#covered(stream, channel)
    if (state === null) return []
    const { id, from = '', messageId } = message
    // What a stream says that is behind the application lies before the gap that the application was told.
    if (stream.lives.get(channel) !== state.life) return []
    if (state.newest !== null && compareIds(id, state.newest) <= 0) return []
    const key = `${from} ${messageId}`
    const before = state.seen.get(key)
    // The same once more, after ids began anew.
    if (before?.id === id) return []
    state.newest = id
    remember(state.seen, key, { id, losses: state.losses }, SEEN)
    // The dedupe window was lost with the log: a publisher's retry was stored again.
    if (before !== undefined && before.losses !== state.losses) return []
    return [{ kind: 'message', channel, message }]
  }

  /** Never taken for a duplicate: what another stream delivered says nothing about what is missing here. */
  #gap(stream: StreamState, gap: GapEvent): readonly Delivery[] {
    const { channel, epoch, past } = gap
    const state = this.#covered(stream, channel)
    if (state === null) return []
    if (epoch !== undefined) {
      const together = stream.lives.get(channel) === state.life
      // Opened when the application was there already, it finds the present life, which is no older.
      const later = past !== true && stream.opened.get(channel) === state.life
      stream.lives = new Map(stream.lives).set(channel, epoch)
      if (epoch === state.life) {
        // It was behind, and has caught up.
      } else if (together || later) {
        state.life = epoch
        state.losses++
        // The clock fell behind with the data: what follows has lower ids than what was lost.
        if (state.newest !== null && compareIds(epoch, state.newest) < 0) state.newest = null
      } else if (past !== true) {
        // Into a life that the application does not know, by a way that did not lead through the application's: nobody can tell which is the later.
        // A stream that is opened now finds out.
        stream.missed = true
      }
    }
    if (state.stateful) this.#renew(stream, channel, state)
    return [{ kind: 'gap', channel, gap }]
  }

  /** Nothing is told until the state comes, and then what lies behind it, which may have been told before the gap. */
  #renew(stream: StreamState, channel: string, state: ChannelState): void {
    state.established = false
    state.anew = true
    state.last = 0
    state.newest = null
    state.seen.clear()
    stream.covered.delete(channel)
    stream.again.add(channel)
    this.#base?.covered.delete(channel)
  }

  #live(stream: StreamState, event: LiveEvent): readonly Delivery[] {
    const { channel, source, seq } = event
    const state = this.#channels.get(channel)
    if (state === undefined || !stream.covered.has(channel)) return []
    const newest = state.sources.get(source)
    if (newest !== undefined && seq <= newest) return []
    remember(state.sources, source, seq, SOURCES)
    return [{ kind: 'live', channel, message: event }]
  }
}

/** An id that nothing lies between and this one. */
function before(id: Id): Id {
  const [ms, n] = id.split('-').map(Number) as [number, number]
  return n > 0 ? `${ms}-${n - 1}` : `${Math.max(0, ms - 1)}-${Number.MAX_SAFE_INTEGER}`
}

/** Sets and keeps only the `limit` newest keys. */
function remember<K, V>(map: Map<K, V>, key: K, value: V, limit: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > limit) map.delete(map.keys().next().value as K)
}
