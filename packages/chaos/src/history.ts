/** What each process of a run writes down, one JSON line an event, a file a process; read by the checker. */
import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Which publication of which publisher; a publisher sends the next one of a channel only when the one before is stored. */
interface Publication {
  readonly channel: string
  readonly publisher: string
  readonly sequence: number
}

interface At {
  /** Milliseconds since 1970; all processes are on one machine. */
  readonly at: number
}

/** Before the first try. */
export type Sent = At & Publication & { readonly kind: 'sent'; readonly hash: string }
/** The publisher was told so, perhaps more than once for one publication. */
export type Stored = At & Publication & { readonly kind: 'stored'; readonly id: string }
export type Subscribed = At & { readonly kind: 'subscribed'; readonly client: string; readonly channel: string }
/** `hash` is computed from what came. */
export type Heard = At &
  Publication & { readonly kind: 'heard'; readonly client: string; readonly id: string; readonly hash: string }
export type Gap = At & {
  readonly kind: 'gap'
  readonly client: string
  readonly channel: string
  readonly reason: string
}
/** One call of a watcher's callback. */
export type Members = At & {
  readonly kind: 'members'
  readonly watcher: string
  readonly known: boolean
  readonly members: readonly string[]
}
/** Somebody entered and stays, or was killed. */
export type Life = At & { readonly kind: 'entered' | 'vanished'; readonly member: string }
/**
 * A fault took stored data away, or may have: what was stored from `since` to `at` in this channel, or (null) in all.
 * `restart`: nothing is taken, but the store can't know it.
 */
export type Loss = At & {
  readonly kind: 'loss' | 'restart'
  readonly by: string
  readonly since: number
  readonly channel: string | null
}
/** What the store holds of a channel at the end, read without the library: ids in order. */
export type Kept = At & { readonly kind: 'kept'; readonly channel: string; readonly ids: readonly string[] }
/** The publisher whose publications come after the last fault, one a channel; everybody has to hear them. */
export const LAST = 'last'

export type Line = Sent | Stored | Subscribed | Heard | Gap | Members | Life | Loss | Kept
type Written<L> = L extends Line ? Omit<L, 'at'> : never

/** Each line is written at once, so that it survives the end of its process. */
export function historyFile(directory: string, name: string): (line: Written<Line>) => void {
  const file = join(directory, `${name}.jsonl`)
  return (line) => appendFileSync(file, `${JSON.stringify({ at: Date.now(), ...line })}\n`)
}

/** All lines; those of one file in their order. A process that was killed may leave half a line at its end. */
export function readHistory(directory: string): Line[] {
  return readdirSync(directory)
    .sort()
    .flatMap((name) => {
      const parts = readFileSync(join(directory, name), 'utf8').split('\n')
      return parts.slice(0, -1).map((line) => JSON.parse(line) as Line)
    })
}
