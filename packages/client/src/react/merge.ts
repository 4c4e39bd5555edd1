/** Two lists of messages, each in its order, as one: what the page came with and what the subscription brought. Used by useChannel and its store. */
import { compareIds, type Id } from '@rt/protocol'

/** Each message once, that of `list` before that of `older`. Returns one of the two where nothing is to be merged. */
export function merge<M extends { readonly id: Id | null }>(older: readonly M[], list: readonly M[]): readonly M[] {
  const known = new Set(list.map(({ id }) => id))
  const rest = older.filter(({ id }) => !known.has(id))
  if (rest.length === 0) return list
  // Not sorted: in another life of the log ids begin anew, and the order in which a list came is right.
  const merged: M[] = []
  let at = 0
  for (const message of list) {
    for (let next = rest[at]; next !== undefined && isBefore(next, message); next = rest[++at]) merged.push(next)
    merged.push(message)
  }
  return merged.concat(rest.slice(at))
}

const isBefore = (a: { readonly id: Id | null }, b: { readonly id: Id | null }): boolean =>
  compareIds(a.id ?? '', b.id ?? '') < 0
