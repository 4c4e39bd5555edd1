/** Ids of publications: the one clock of a partition, `<milliseconds>-<n>`; every part of rt compares them with this. */

/** `<ms>-<n>`, both decimal without leading zeros. Strictly increasing over all channels of a partition. */
export type Id = string

const ID = /^(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/

/** True for a well-formed id. The only check to trust for ids that come from outside. */
export function isId(text: unknown): text is Id {
  return typeof text === 'string' && ID.test(text)
}

/** Negative when `a` is older than `b`, 0 when they are the same id, positive when `a` is newer. */
export function compareIds(a: Id, b: Id): number {
  const dashA = a.indexOf('-')
  const dashB = b.indexOf('-')
  if (dashA !== dashB) return dashA - dashB
  // Decimal numbers of equal width compare like their text.
  if (a.length === b.length) return a < b ? -1 : a > b ? 1 : 0
  const msA = a.slice(0, dashA)
  const msB = b.slice(0, dashB)
  if (msA !== msB) return msA < msB ? -1 : 1
  return a.length - b.length
}

/** The newer of two ids. */
export function laterId(a: Id, b: Id): Id {
  return compareIds(a, b) >= 0 ? a : b
}

/** The older of two ids. */
export function earlierId(a: Id, b: Id): Id {
  return compareIds(a, b) <= 0 ? a : b
}

/** The time of an id in milliseconds since 1970, by the broker's clock. */
export function timeOfId(id: Id): number {
  return Number(id.slice(0, id.indexOf('-')))
}
