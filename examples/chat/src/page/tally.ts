/** Counts what arrived of each sender's numbers; a room's conversation feeds it with every message, the page shows what it found. */
interface Sender {
  readonly seen: Set<number>
  /** Of those that came since the last gap. */
  span: { least: number; most: number; count: number } | null
}

export class Tally {
  received = 0
  /** Numbers that came twice. */
  doubled = 0
  /** Places where the library told that messages may be missing. */
  gaps = 0
  readonly #senders = new Map<string, Sender>()

  /** Numbers that are missing between those that came, with no gap to account for them. */
  get lost(): number {
    let lost = 0
    for (const { span } of this.#senders.values()) if (span !== null) lost += span.most - span.least + 1 - span.count
    return lost
  }

  /** A sender numbers what it sends 1, 2, 3 …; the first one seen may be any, for a history begins somewhere. */
  take(sender: string, number: number): void {
    this.received++
    const known = this.#senders.get(sender) ?? { seen: new Set(), span: null }
    this.#senders.set(sender, known)
    if (known.seen.has(number)) {
      this.doubled++
      return
    }
    known.seen.add(number)
    const { least, most, count } = known.span ?? { least: number, most: number, count: 0 }
    known.span = { least: Math.min(least, number), most: Math.max(most, number), count: count + 1 }
  }

  /** What is missing around here was told: what comes next counts anew. */
  gap(): void {
    this.gaps++
    for (const sender of this.#senders.values()) sender.span = null
  }
}
