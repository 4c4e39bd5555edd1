/** The bytes of one flush, made once for all connections that print the same one; used by the SSE and the WebSocket transport. */
import type { OutItem } from '../ports/connection'

/** Makes the bytes of a flush: all items in order, then the cursor. */
export type EncodeFlush<Bytes extends Uint8Array> = (items: readonly OutItem[], cursor: string | null) => Bytes

/**
 * Wraps an encoder so that it hands out the bytes of its last call again while the flush is the same one: the same item objects in the same order
 * and an equal cursor. In a fan-out connection after connection flushes the same items, so they all write one buffer.
 */
export function shareFlushes<Bytes extends Uint8Array>(encode: EncodeFlush<Bytes>): EncodeFlush<Bytes> {
  let last: { readonly items: readonly OutItem[]; readonly cursor: string | null; readonly bytes: Bytes } | null = null
  return (items, cursor) => {
    if (last !== null && last.cursor === cursor && sameItems(last.items, items)) return last.bytes
    const bytes = encode(items, cursor)
    // A copy of the list: the caller may empty and reuse its own.
    last = { items: [...items], cursor, bytes }
    return bytes
  }
}

function sameItems(a: readonly OutItem[], b: readonly OutItem[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
