/** Where a position of some earlier life of a partition's log stands in its present one. Pure; used by the reader and the page. */
import { earlierId, type Id, type Position } from '@rt/protocol'
import type { PastEpoch } from '../ports/broker'

/** The present life of a partition's log, and the ones before it that it grew out of. */
export interface Lineage {
  readonly epoch: Id
  readonly past: readonly PastEpoch[]
}

/** A border between two lives: everything in the log up to `end` is older, and what follows belongs to `epoch`. */
export interface Crossing {
  readonly end: Id
  readonly epoch: Id
}

export interface Place {
  /** Read the log from behind this id. */
  readonly after: Id
  /** The borders on the way to the present, oldest first: at each, publications may be lost. */
  readonly crossings: readonly Crossing[]
}

export function placeOf(position: Position, lineage: Lineage): Place {
  if (position.epoch === lineage.epoch) return { after: position.id, crossings: [] }
  const lives = [...lineage.past, { epoch: lineage.epoch, end: lineage.epoch }]
  const index = lineage.past.findIndex(({ epoch }) => epoch === position.epoch)
  // A life that this log never knew (a rollback took it back, or it is forgotten): only the present one can be trusted.
  if (index < 0) return { after: lineage.epoch, crossings: [{ end: lineage.epoch, epoch: lineage.epoch }] }
  const crossings: Crossing[] = []
  for (let i = index; i < lineage.past.length; i++) {
    crossings.push({ end: (lives[i] as PastEpoch).end, epoch: (lives[i + 1] as PastEpoch).epoch })
  }
  return { after: earlierId(position.id, (lives[index] as PastEpoch).end), crossings }
}
