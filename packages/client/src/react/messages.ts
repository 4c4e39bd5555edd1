/** The store of a channel's messages: one subscription for all components that ask for the same. Used by useChannel. */
import { compareIds, type Id, type RealtimeError } from '@rt/protocol'
import type { Gap, Message } from '../types'
import { merge } from './merge'
import { holdState } from './state'
import { type AnyClient, follow, type Standing, unknown } from './status'
import type { Source } from './store'

export type AnyMessage = Message<unknown>

export interface Messages extends Standing {
  readonly messages: readonly AnyMessage[]
}

export interface MessageSource extends Source<Messages> {
  /** A component shows up to `limit` messages, and has all up to `since` already: between the two nothing may be missing. */
  want(limit: number, since: Id | undefined): void
}

/** As many as `history` gives at once. */
const MOST = 1000

export const nothing: Messages = { ...unknown, messages: [] }

export const messageKey = (name: string, last: number) => `messages ${last} ${name}`

export function messageSource(client: AnyClient, name: string, last: number, changed: () => void): MessageSource {
  const channel = client.channel(name)
  const late = channel.established
  let list: readonly AnyMessage[] = []
  /** Messages that came since they were last read: joined to the list all at once. */
  let fresh: AnyMessage[] = []
  let limit = 0
  /** All from here on is to be in the list. */
  let since: Id | undefined
  let ready = false
  let stopped = false
  let filling = false
  let gap: Gap | null = null
  /** The last message before the gap. */
  let edge: Id | null = null

  /** Whatever the page came with is not shown any more. */
  const full = () => limit > 0 && list.length >= limit
  const join = () => {
    if (fresh.length > 0) {
      list = [...list, ...fresh]
      fresh = []
    }
    if (!full()) return
    if (list.length > limit) list = list.slice(-limit)
    // What is missing has left the list at its other end.
    if (edge !== null && list[0] !== undefined && compareIds(list[0].id, edge) > 0) gap = edge = null
  }
  const missing = (found: Gap) => {
    join()
    gap = found
    edge = list.at(-1)?.id ?? null
    changed()
  }
  const reaches = (): boolean => {
    join()
    const [oldest] = list
    return since === undefined || full() || (oldest !== undefined && compareIds(oldest.id, since) <= 0)
  }
  const read = async (count: number) => {
    try {
      list = merge(await channel.history({ last: count }), list.concat(fresh.splice(0)))
    } catch (error) {
      if (!stopped) standing.fail(error as RealtimeError)
    }
  }
  /** Reads what the stream does not bring, then shows it all: at no time with a hole. */
  const fill = async (count: number) => {
    if (filling) return
    filling = true
    if (count > 0) await read(count)
    for (let goal: Id | undefined; !stopped && goal !== since; ) {
      goal = since
      if (reaches()) continue
      await read(MOST)
      if (stopped || reaches()) continue
      gap = { channel: name, reason: 'history' }
      edge = since ?? null
    }
    filling = false
    ready = true
    changed()
  }

  const standing = follow(
    client,
    channel,
    late ? 0 : last,
    (message) => {
      fresh.push(message)
      // Bounded also while nothing is read.
      if (fresh.length > 2 * MOST) join()
      changed()
    },
    changed,
  )
  const offs = [channel.on('gap', missing), channel.on('subscribed', () => void fill(0)), holdState(client, name)]
  // One turn later, when the components have said what they want.
  if (late) queueMicrotask(() => void fill(last))

  return {
    want(most, newest) {
      limit = Math.max(limit, most)
      if (newest === undefined || (since !== undefined && compareIds(since, newest) <= 0)) return
      since = newest
      if (ready) void fill(0)
    },
    read() {
      if (!ready) return { ...standing.read(ready, gap), messages: nothing.messages }
      join()
      return { ...standing.read(ready, gap), messages: list }
    },
    stop() {
      stopped = true
      for (const off of offs) off()
      standing.stop()
    },
  }
}
