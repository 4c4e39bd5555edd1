/** The store of a channel's state, and of what happened to it since: also for components that come later. Used by useChannelState, and held by useChannel. */
import { compareIds, type Id } from '@rt/protocol'
import type { Gap, Message } from '../types'
import { type AnyClient, follow, type Standing, unknown } from './status'
import { listen, type Source } from './store'

export type Reduce = (state: unknown, message: Message<unknown>) => unknown

export interface ChannelState extends Standing {
  /** As the server computed it; undefined before it came. */
  readonly state: unknown
  /** The same after the messages behind it. */
  readonly reduced: unknown
}

export interface StateSource extends Source<ChannelState> {
  /** The newest function counts, for the messages that come from now on. */
  reduceBy(reduce: Reduce): void
}

/** Messages that are kept for a `reduce` that comes later. */
const KEPT = 1000

export const nothing: ChannelState = { ...unknown, state: undefined, reduced: undefined }

export const stateKey = (name: string) => `state ${name}`

export function stateSource(client: AnyClient, name: string, changed: () => void): StateSource {
  const channel = client.channel(name)
  // Somebody else subscribed before: the state is known, but not what came behind it.
  let { state } = channel
  let gap: Gap | null = state === undefined ? null : { channel: name, reason: 'history' }
  let at: Id | null = null
  let behind: Message<unknown>[] = []
  let whole = true
  let reduced = state
  let by: Reduce | null = null

  const offs = [
    channel.on('state', (event) => {
      state = reduced = event.state
      at = event.id
      behind = []
      whole = true
      gap = null
      changed()
    }),
    channel.on('gap', (found) => {
      gap = found
      changed()
    }),
  ]
  const standing = follow(
    client,
    channel,
    0,
    (message) => {
      // The history may reach further back than the state.
      if (state === undefined || (at !== null && compareIds(message.id, at) <= 0)) return
      if (by !== null) reduced = by(reduced, message)
      else if (behind.push(message) > KEPT) {
        behind = []
        whole = false
      }
      changed()
    },
    changed,
  )

  return {
    reduceBy(reduce) {
      const first = by === null
      by = reduce
      if (!first || state === undefined) return
      reduced = behind.reduce(reduce, reduced)
      behind = []
      if (!whole) gap = { channel: name, reason: 'history' }
      changed()
    },
    read: () => ({ ...standing.read(true, gap), state, reduced }),
    stop() {
      for (const off of offs) off()
      standing.stop()
    },
  }
}

/** Keeps what a `useChannelState` needs that is mounted later, when the state has been told already. */
export function holdState(client: AnyClient, name: string): () => void {
  return listen(
    client,
    stateKey(name),
    (changed) => stateSource(client, name, changed),
    () => {},
  )
}
