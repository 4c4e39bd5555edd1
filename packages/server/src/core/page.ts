/** One page of a stream's way through the log: what to print, in which order, and the position reached. Pure; used by the lane. */
import { compareIds, earlierId, type GapEvent, type Id, laterId, type Position } from '@rt/protocol'
import type { Entry, ReadAnswer } from '../ports/broker'
import { type Crossing, placeOf } from './epochs'
import type { SharedRead } from './reader'

export interface PageChannel {
  readonly channel: string
  /** Where the channel joined the stream: nothing up to here concerns it. Null: it came with the cursor. */
  readonly start: Position | null
  /** A gap up to here, in the log's present life, was printed already. */
  readonly told: Id | null
}

export type PageItem =
  | { readonly kind: 'entry'; readonly channel: string; readonly entry: Entry }
  | {
      readonly kind: 'gap'
      readonly channel: string
      readonly reason: GapEvent['reason']
      readonly epoch?: Id
      /** The life that begins here is over as well. */
      readonly past?: boolean
      readonly until?: Id
    }

export interface Page {
  readonly items: readonly PageItem[]
  readonly position: Position
  /** True when the position is the head: what is newer comes through the link. */
  readonly complete: boolean
}

/** `bytes`: about how much one page may hold. */
export function planPage(position: Position, channels: readonly PageChannel[], read: SharedRead, bytes: number): Page {
  const { lineage, head } = read
  if (position.epoch === lineage.epoch && compareIds(position.id, head) > 0)
    return forged(channels, lineage.epoch, head)
  const { after, crossings } = placeOf(position, lineage)
  const lives = [position.epoch, ...crossings.map(({ epoch }) => epoch)]
  const plans = channels.map(({ channel, start, told }) => {
    // In which life on the way the channel joined; -1: before all of them, or in one that was taken back.
    const joined = start === null ? -1 : lives.indexOf(start.epoch)
    let from = after
    if (start !== null && joined === crossings.length) from = laterId(from, start.id)
    else if (start !== null && joined >= 0)
      from = laterId(from, earlierId(start.id, (crossings[joined] as Crossing).end))
    if (told !== null) from = laterId(from, told)
    return { channel, from, joined, answer: read.after(channel, after) }
  })

  // The page ends where the first truncated channel ends: beyond it that channel is not known, and the cursor speaks for all.
  let cut = head
  let complete = true
  for (const { answer } of plans) {
    if (!answer.more) continue
    complete = false
    cut = earlierId(cut, (answer.entries.at(-1) as Entry).id)
  }
  // The read began further back, for somebody else: no step forward from here, ask again.
  if (!complete && compareIds(cut, after) <= 0) return { items: [], position, complete }

  const items: PageItem[] = []
  const merged: { channel: string; entry: Entry }[] = []
  for (const { channel, from, answer } of plans) {
    const missing = missingUntil(answer, from)
    // Printed now even when it reaches beyond the cut: from the cut on it could not be told any more.
    if (missing !== null) items.push({ kind: 'gap', channel, reason: 'history', until: missing })
    for (const entry of answer.entries) {
      if (compareIds(entry.id, from) > 0 && compareIds(entry.id, cut) <= 0) merged.push({ channel, entry })
    }
  }
  merged.sort((a, b) => compareIds(a.entry.id, b.entry.id))
  for (let i = 0, size = 0; i < merged.length - 1; i++) {
    const { id, body } = (merged[i] as { entry: Entry }).entry
    size += body.length
    if (size <= bytes) continue
    merged.length = i + 1
    cut = id
    complete = false
  }

  let reached = position.epoch
  let next = 0
  for (const [border, { end, epoch }] of crossings.entries()) {
    if (compareIds(cut, end) < 0) break
    while (next < merged.length && compareIds((merged[next] as { entry: Entry }).entry.id, end) <= 0) {
      items.push({ kind: 'entry', ...(merged[next++] as { channel: string; entry: Entry }) })
    }
    for (const { channel, joined } of plans) {
      // A channel that joined behind the border lost nothing at it.
      const past = epoch !== lineage.epoch
      if (joined <= border) items.push({ kind: 'gap', channel, reason: 'epoch', epoch, past })
    }
    reached = epoch
  }
  for (; next < merged.length; next++)
    items.push({ kind: 'entry', ...(merged[next] as { channel: string; entry: Entry }) })
  return { items: withoutNeedless(items), position: { epoch: reached, id: cut }, complete }
}

/** The end of what is missing behind `from`, or null when the channel is whole. */
function missingUntil(answer: ReadAnswer, from: Id): Id | null {
  const first = answer.entries.find((entry) => compareIds(entry.id, from) > 0)
  const whole = first === undefined ? answer.last : first.prev
  if (first === undefined && answer.more) return null
  return compareIds(whole, from) > 0 ? whole : null
}

/** A gap of history says nothing beside a gap that follows before the channel's next publication. */
function withoutNeedless(items: readonly PageItem[]): PageItem[] {
  const pending = new Map<string, number>()
  const kept: (PageItem | null)[] = []
  for (const item of items) {
    const before = pending.get(item.channel)
    pending.delete(item.channel)
    if (item.kind === 'gap') {
      if (before !== undefined) kept[before] = null
      if (item.reason === 'history') pending.set(item.channel, kept.length)
    }
    kept.push(item)
  }
  return kept.filter((item) => item !== null)
}

/** A position that this log has not reached: nothing can be said but that something may be missing; ids may start anew for this stream. */
function forged(channels: readonly PageChannel[], epoch: Id, head: Id): Page {
  const items = channels.map(({ channel }): PageItem => ({ kind: 'gap', channel, reason: 'cursor', epoch: head }))
  return { items, position: { epoch, id: head }, complete: true }
}
