/** Events as texts, made once for all who get them; used wherever the core prints. */
import { type GapEvent, type Id, type ServerEvent, type SubscribedEvent, timeOfId } from '@rt/protocol'
import type { Entry } from '../ports/broker'
import type { OutItem } from '../ports/connection'

const items = new WeakMap<Entry, OutItem>()

/** A publication as an event. The same object for the same entry, so that a page shared by many is encoded once. */
export function messageItem(channel: string, entry: Entry): OutItem {
  let item = items.get(entry)
  if (item === undefined) {
    // Channel names and ids need no escapes, and the body is JSON already.
    item = {
      kind: 'publication',
      channel,
      time: timeOfId(entry.id),
      json: `{"type":"message","channel":"${channel}","id":"${entry.id}",${entry.body}}`,
    }
    items.set(entry, item)
  }
  return item
}

/** A publication inside `subscribed.history` and answers to `history`. */
export function historyJson(entry: Entry): string {
  return `{"id":"${entry.id}",${entry.body}}`
}

/** `body`: members `"source":…,"seq":…,"from":…` and the payload's. */
export function liveItem(channel: string, body: string): OutItem {
  return { kind: 'live', channel, json: `{"type":"live","channel":"${channel}",${body}}` }
}

export function controlItem(event: ServerEvent): OutItem {
  return { kind: 'control', channel: null, json: JSON.stringify(event) }
}

export function gapItem(channel: string, reason: GapEvent['reason'], epoch: Id | undefined, past: boolean): OutItem {
  const life = epoch === undefined ? {} : { epoch, ...(past && { past }) }
  return controlItem({ type: 'gap', channel, reason, ...life })
}

/** An event that holds the stream's cursor; after a rewind of the stream it must be printed with the cursor that is true then. */
export interface CursorItem extends OutItem {
  renew(cursor: string | null): CursorItem
}

/** What a channel's `state` computed, and what came meanwhile. */
export interface StateAnswer {
  /** JSON text. */
  readonly state: string
  /** Oldest first. */
  readonly updates: readonly Entry[]
}

export function subscribedItem(
  event: Pick<SubscribedEvent, 'channel' | 'id' | 'epoch'>,
  history: readonly Entry[] | null,
  answer: StateAnswer | null,
  cursor: string | null,
): CursorItem {
  const json = JSON.stringify({
    type: 'subscribed',
    ...event,
    ...(cursor !== null && { cursor }),
  } satisfies SubscribedEvent)
  return {
    kind: 'control',
    channel: null,
    json: `${json.slice(0, -1)}${listJson('history', history)}${answer === null ? '' : `,"state":${answer.state}${listJson('updates', answer.updates)}`}}`,
    renew: (later) => subscribedItem(event, history, answer, later),
  }
}

function listJson(name: string, entries: readonly Entry[] | null): string {
  return entries === null ? '' : `,"${name}":[${entries.map(historyJson).join()}]`
}
