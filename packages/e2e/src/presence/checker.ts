/** The judge of what watchers of one room were told, against who really lived. It shares nothing with the library, on purpose; used by faults.test.ts. */

/** One call of one watcher's callback. */
export interface Heard {
  readonly watcher: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly known: boolean
  readonly members: readonly string[]
  readonly change: { readonly action: string; readonly member: string } | null
}

export interface Truth {
  readonly watchers: readonly string[]
  /** Who was there until the end. */
  readonly living: readonly string[]
  /** Who was there, and was killed. */
  readonly vanished: readonly string[]
  /** Times at which nobody could tell: from when on each watcher must have known so, until the store was back. */
  readonly outages: readonly { readonly from: number; readonly to: number }[]
}

/** Each finding in words. */
export interface Verdict {
  readonly heard: number
  readonly enters: number
  readonly leaves: number
  /** The last list of a watcher is not the living, or is said to be unsure. */
  readonly disagreeing: readonly string[]
  /** The list is not what the changes make of the one before. */
  readonly inconsistent: readonly string[]
  /** Somebody who lived was said to leave. */
  readonly wronglyLeft: readonly string[]
  /** Somebody who vanished was not said to leave, or more than once. */
  readonly notLeftOnce: readonly string[]
  /** Somebody was not said to enter (and was not in the first list), or more than once. */
  readonly notEnteredOnce: readonly string[]
  /** Said to be known while nobody could tell. */
  readonly certain: readonly string[]
}

const sorted = (members: Iterable<string>) => [...members].sort().join(' ')

export function check(log: readonly Heard[], { watchers, living, vanished, outages }: Truth): Verdict {
  const verdict = {
    heard: log.length,
    enters: log.filter(({ change }) => change?.action === 'enter').length,
    leaves: log.filter(({ change }) => change?.action === 'leave').length,
    disagreeing: [] as string[],
    inconsistent: [] as string[],
    wronglyLeft: [] as string[],
    notLeftOnce: [] as string[],
    notEnteredOnce: [] as string[],
    certain: [] as string[],
  }
  for (const watcher of watchers) {
    const lines = log.filter((line) => line.watcher === watcher)
    const last = lines.at(-1)
    if (last?.known !== true || sorted(last.members) !== sorted(living)) verdict.disagreeing.push(watcher)

    // It begins with a list; from there on the changes make the list.
    const [first] = lines
    const replayed = new Set(first?.members)
    const count = new Map<string, { enters: number; leaves: number }>()
    const of = (member: string) => count.get(member) ?? { enters: 0, leaves: 0 }
    for (const line of lines) {
      if (line.change === null) {
        if (sorted(line.members) !== sorted(replayed)) verdict.inconsistent.push(`${watcher} at ${line.at}`)
        continue
      }
      const { action, member } = line.change
      const { enters, leaves } = of(member)
      if (action === 'enter') {
        count.set(member, { enters: enters + 1, leaves })
        replayed.add(member)
      } else if (action === 'leave') {
        count.set(member, { enters, leaves: leaves + 1 })
        if (!replayed.delete(member)) verdict.inconsistent.push(`${watcher}: ${member} left without being there`)
      }
    }
    if (last !== undefined && sorted(last.members) !== sorted(replayed)) verdict.inconsistent.push(`${watcher} at last`)

    for (const member of new Set([...living, ...vanished, ...count.keys()])) {
      const { enters, leaves } = of(member)
      const words = `${watcher}: ${member} (${enters} enters, ${leaves} leaves)`
      if (enters !== (first?.members.includes(member) === true ? 0 : 1)) verdict.notEnteredOnce.push(words)
      if (vanished.includes(member)) {
        if (leaves !== 1) verdict.notLeftOnce.push(words)
      } else if (leaves > 0) verdict.wronglyLeft.push(words)
    }

    for (const { from, to } of outages) {
      const before = lines.findLast(({ at }) => at <= from)
      const within = lines.filter(({ at }) => at > from && at <= to)
      for (const line of before === undefined ? within : [before, ...within])
        if (line.known) verdict.certain.push(`${watcher} at ${line.at}`)
    }
  }
  return verdict
}
