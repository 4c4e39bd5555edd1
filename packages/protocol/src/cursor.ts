/** The cursor: a connection's whole resume state as one short opaque string. Servers print and parse it; clients only echo it. */
import type { Id } from './ids'
import { limits } from './limits'

/** A place in one partition: which life of its log (the epoch, named by the id of its start), and the last id passed. */
export interface Position {
  readonly epoch: Id
  readonly id: Id
}

/** Positions by partition number; a partition that the connection does not use is absent. */
export type Positions = ReadonlyMap<number, Position>

const VERSION = '1'
const ENTRY = /^([0-9a-z]{1,3})_([0-9a-z]{1,11})-([0-9a-z]{1,11})_([0-9a-z]{1,11})-([0-9a-z]{1,11})$/

/** One partition's part of a cursor. */
export function printPosition(partition: number, position: Position): string {
  return `${partition.toString(36)}_${to36(position.epoch)}_${to36(position.id)}`
}

/**
 * Prints a cursor from parts made by {@link printPosition}, in order of partition.
 * `partitions` is the broker's count: a cursor of another count is not valid here.
 */
export function printCursor(partitions: number, parts: readonly string[]): string {
  let text = `${VERSION}.${partitions.toString(36)}`
  for (const part of parts) text += `.${part}`
  return text
}

/** The positions in a cursor, or null for anything that this server did not print (too long, malformed, another partition count). */
export function parseCursor(text: string, partitions: number): Positions | null {
  if (text.length > limits.cursorLength) return null
  const [version, count, ...entries] = text.split('.')
  if (version !== VERSION || count !== partitions.toString(36) || entries.length > partitions) return null
  const positions = new Map<number, Position>()
  for (const entry of entries) {
    const match = ENTRY.exec(entry)
    if (match === null) return null
    const [, p, epochMs, epochN, ms, n] = match as unknown as [string, string, string, string, string, string]
    const partition = Number.parseInt(p, 36)
    const epoch = from36(epochMs, epochN)
    const id = from36(ms, n)
    if (partition >= partitions || positions.has(partition) || epoch === null || id === null) return null
    positions.set(partition, { epoch, id })
  }
  return positions
}

function to36(id: Id): string {
  const dash = id.indexOf('-')
  return `${Number(id.slice(0, dash)).toString(36)}-${Number(id.slice(dash + 1)).toString(36)}`
}

function from36(ms: string, n: string): Id | null {
  const milliseconds = Number.parseInt(ms, 36)
  const count = Number.parseInt(n, 36)
  if (!Number.isSafeInteger(milliseconds) || !Number.isSafeInteger(count)) return null
  return `${milliseconds}-${count}`
}
