/** Whether two JSON values say the same; the order of keys says nothing. Asked by the roster before it tells of a change. */
import type { Json } from '@rt/protocol'

export function sameJson(one: Json, other: Json): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (isList(one) || isList(other)) {
    if (!isList(one) || !isList(other) || one.length !== other.length) return false
    return one.every((value, i) => sameJson(value, other[i] as Json))
  }
  const keys = Object.keys(one)
  if (keys.length !== Object.keys(other).length) return false
  return keys.every((key) => Object.hasOwn(other, key) && sameJson(one[key] as Json, other[key] as Json))
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
