/** What the page counts, for each transport: what was sent, what came, and everything that must not happen. */
import type { TransportName } from '@rt/client'

export const columns = ['sent', 'received', 'lost', 'doubled', 'reordered', 'gaps'] as const
export type Row = Record<(typeof columns)[number], number>

export class Counters {
  readonly #rows = new Map<TransportName, Row>()
  /** Ids that were received. */
  readonly #received = new Set<string>()
  /** Messages that were received. */
  readonly #seen = new Set<string>()
  /** By id: stored, not received yet, and on which transport it was sent. */
  readonly #expected = new Map<string, TransportName>()
  #last: string | null = null

  /** The server has stored a message of ours. */
  stored(id: string, transport: TransportName): void {
    this.#row(transport).sent++
    if (!this.#received.has(id)) this.#expected.set(id, transport)
  }

  received(id: string, messageId: string, transport: TransportName): void {
    const row = this.#row(transport)
    if (this.#seen.has(messageId)) row.doubled++
    else row.received++
    this.#seen.add(messageId)
    if (this.#last !== null && isBefore(id, this.#last)) row.reordered++
    else this.#last = id
    this.#received.add(id)
    this.#expected.delete(id)
  }

  /** The server says that something may be missing: it is not lost in silence. */
  gap(transport: TransportName): void {
    this.#row(transport).gaps++
    this.#expected.clear()
  }

  /** Stored, and neither received nor overtaken. */
  get onTheWay(): number {
    return [...this.#expected.keys()].filter((id) => !this.#overtaken(id)).length
  }

  /** With what counts as lost now: what is overtaken by a later message. */
  row(transport: TransportName): Row {
    const lost = [...this.#expected].filter(([id, sentOn]) => sentOn === transport && this.#overtaken(id)).length
    return { ...this.#row(transport), lost }
  }

  #overtaken(id: string): boolean {
    return this.#last !== null && isBefore(id, this.#last)
  }

  #row(transport: TransportName): Row {
    const known = this.#rows.get(transport)
    if (known !== undefined) return known
    const row = { sent: 0, received: 0, lost: 0, doubled: 0, reordered: 0, gaps: 0 }
    this.#rows.set(transport, row)
    return row
  }
}

/** Ids are `<milliseconds>-<number>`, and grow. */
function isBefore(a: string, b: string): boolean {
  const [timeA = 0, restA = 0] = a.split('-').map(Number)
  const [timeB = 0, restB = 0] = b.split('-').map(Number)
  return timeA === timeB ? restA < restB : timeA < timeB
}
