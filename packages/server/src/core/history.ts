/** What of a channel's newest publications is handed out at once; used where a channel joins a stream and by the `history` command. */
import { timeOfId } from '@rt/protocol'
import type { Entry, History } from '../ports/broker'

/** Characters of bodies that are handed out at once: a thousand large publications are no answer to one small request. */
const MOST = 1024 * 1024

/** The newest `last` that the channel promises to keep at the time `now`, and that fit, oldest first. */
export function newest(entries: readonly Entry[], last: number, { size, ttl }: History, now: number): Entry[] {
  const count = Math.min(last, size)
  let from = entries.length
  for (let room = MOST; from > 0 && entries.length - from < count; from--) {
    const { id, body } = entries[from - 1] as Entry
    room -= body.length
    if (room < 0 || timeOfId(id) < now - ttl) break
  }
  return entries.slice(from)
}
