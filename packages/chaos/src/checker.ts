/**
 * The judge of a history. It shares nothing with the library, on purpose: ids are compared, and otherwise text.
 * What may be missing is decided by what publishers were told, what was heard, and which faults took data away.
 */
import { type Gap, type Heard, LAST, type Line, type Loss, type Stored } from './history.ts'

/** Each finding in words. */
export interface Verdict {
  readonly sent: number
  readonly stored: number
  readonly deliveries: number
  /** Subscriptions: a client and a channel. */
  readonly subscriptions: number
  readonly gaps: number
  /** Gaps told where nothing is missing, after a fault that the store can't tell from a loss. */
  readonly needless: number
  /** Gaps told once more for a fault that the subscription had heard behind already: its last stream ended before it had a cursor behind the gap. */
  readonly repeated: number
  /** Acknowledged, and taken away by Redis. */
  readonly takenByRedis: number
  readonly findings: {
    /** Heard, and never sent like this. */
    readonly corrupt: readonly string[]
    readonly doubled: readonly string[]
    /** Ids of a subscription went back within a life of the log. */
    readonly backwards: readonly string[]
    /** A publisher's publications were heard in another order than they were sent. */
    readonly reordered: readonly string[]
    /** One id stands for two publications. */
    readonly disagreeing: readonly string[]
    /** Missing between two publications that were heard, with no gap between them. */
    readonly lost: readonly string[]
    /** A gap without any fault that could be its cause. */
    readonly unexplained: readonly string[]
    /** Acknowledged, not in the store at the end, and no fault took it. */
    readonly vanished: readonly string[]
    /** Stored under two ids, and no fault took the first one. */
    readonly storedTwice: readonly string[]
    /** Did not hear the last publication, however long one waited. */
    readonly stuck: readonly string[]
    /** A watcher's last list is not who lives. */
    readonly presence: readonly string[]
  }
}

/** Milliseconds by which lines of different processes may be off: a process may have stood still between an event and its line. */
const SLACK = 10_000

/** `<ms>-<n>` as one number that grows with it. */
const place = (id: string) => {
  const [ms, n] = id.split('-') as [string, string]
  return (BigInt(ms) << 64n) + BigInt(n)
}
const name = ({ publisher, sequence }: { readonly publisher: string; readonly sequence: number }) =>
  `${publisher}-${sequence}`
const key = (channel: string, publication: string) => `${channel} ${publication}`

/** The first of a sorted list that lies behind a place. */
function firstBehind(all: readonly { readonly at: bigint }[], at: bigint): number {
  let [low, high] = [0, all.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((all[middle] as { at: bigint }).at <= at) low = middle + 1
    else high = middle
  }
  return low
}

function grouped<T>(all: readonly T[], by: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(by(one))
    if (group === undefined) groups.set(by(one), [one])
    else group.push(one)
  }
  return groups
}

export function check(history: readonly Line[]): Verdict {
  const of = <K extends Line['kind']>(...kinds: K[]) =>
    history.filter((line): line is Extract<Line, { kind: K }> => (kinds as string[]).includes(line.kind))
  const sent = new Map(of('sent').map((line) => [key(line.channel, name(line)), line]))
  const stored = of('stored')
  const heard = of('heard')
  const losses = of('loss', 'restart')
  const storedIn = grouped(stored, ({ channel }) => channel)
  /** By channel, in the order of their ids. */
  const inOrder = new Map(
    [...storedIn].map(([channel, lines]) => {
      const placed = lines.map((line) => ({ line, at: place(line.id) }))
      return [channel, placed.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))] as const
    }),
  )
  const concerns = (channel: string) => (loss: Loss) => loss.channel === null || loss.channel === channel

  const corrupt: string[] = []
  const doubled: string[] = []
  const backwards: string[] = []
  const reordered: string[] = []
  const lost: string[] = []
  const unexplained: string[] = []
  const stuck: string[] = []
  let gaps = 0
  let needless = 0
  let repeated = 0

  const streams = grouped(
    history.filter((line) => line.kind === 'subscribed' || line.kind === 'heard' || line.kind === 'gap'),
    ({ client, channel }) => key(client, channel),
  )
  for (const [who, lines] of streams) {
    const channel = lines[0]?.channel as string
    const ids = new Set<string>()
    const names = new Set<string>()
    const sequences = new Map<string, number>()
    let newest = -1n
    for (const line of lines) {
      if (line.kind === 'gap' && line.reason !== 'history') newest = -1n
      if (line.kind !== 'heard') continue
      const words = `${who} ${name(line)} ${line.id}`
      if (sent.get(key(channel, name(line)))?.hash !== line.hash) corrupt.push(words)
      if (ids.has(line.id) || names.has(name(line))) doubled.push(words)
      else {
        if (place(line.id) < newest) backwards.push(words)
        if (line.sequence < (sequences.get(line.publisher) ?? -1)) reordered.push(words)
      }
      ids.add(line.id)
      names.add(name(line))
      newest = place(line.id)
      sequences.set(line.publisher, line.sequence)
    }
    if (!lines.some((line) => line.kind === 'heard' && line.publisher === LAST)) stuck.push(who)

    // The stream in pieces: from one gap to the next nothing may be missing.
    const first = lines.find(({ kind }) => kind === 'subscribed')
    let before: Heard | null = null
    let told: Gap[] = []
    let began = first?.at ?? Number.POSITIVE_INFINITY
    /** What publishers were told to be stored between the one that was heard last and this one, and was not heard. */
    const missing = (next: Heard): string[] => {
      const all = inOrder.get(channel) ?? []
      const to = place(next.id)
      const absent: string[] = []
      for (let i = before === null ? 0 : firstBehind(all, place(before.id)); i < all.length; i++) {
        const { line, at } = all[i] as { line: Stored; at: bigint }
        if (at >= to) break
        if (names.has(name(line))) continue
        if (before === null && (sent.get(key(channel, name(line)))?.at ?? 0) <= began) continue
        absent.push(`${who} ${name(line)} ${line.id}`)
      }
      return absent
    }
    for (const line of lines) {
      if (line.kind === 'gap') {
        gaps++
        told.push(line)
        const since = before?.at ?? began
        const causes = losses.filter((loss) => concerns(channel)(loss) && loss.since - SLACK <= line.at)
        if (causes.length === 0) unexplained.push(`${who} ${line.reason} at ${line.at}`)
        else if (!causes.some((loss) => loss.at + SLACK >= since)) repeated++
      }
      if (line.kind !== 'heard') continue
      const absent = first === undefined ? [] : missing(line)
      if (told.length === 0) lost.push(...absent)
      else if (absent.length === 0) needless += told.length
      before = line
      began = line.at
      told = []
    }
  }

  // What each publication was stored under, by whoever was told of it.
  const disagreeing: string[] = []
  const storedTwice: string[] = []
  const owner = new Map<string, string>()
  const under = new Map<string, Map<string, number>>()
  for (const line of [...stored, ...heard]) {
    const publication = key(line.channel, name(line))
    const id = key(line.channel, line.id)
    const known = owner.get(id)
    if (known !== undefined && known !== publication) disagreeing.push(`${id}: ${known}, ${publication}`)
    owner.set(id, publication)
    const places = under.get(publication) ?? new Map<string, number>()
    under.set(publication, places.set(line.id, Math.min(line.at, places.get(line.id) ?? line.at)))
  }
  for (const [publication, places] of under) {
    const all = [...places].sort(([, a], [, b]) => a - b)
    for (const [i, [id, at]] of all.entries()) {
      if (i === 0) continue
      const [, earlier] = all[i - 1] as [string, number]
      const taken = losses.some(
        ({ kind, since, at: until }) =>
          kind === 'loss' && since - SLACK <= earlier && until + SLACK >= earlier && until <= at + SLACK,
      )
      if (!taken) storedTwice.push(`${publication}: ${all[i - 1]?.[0]}, ${id}`)
    }
  }

  const vanished: string[] = []
  let takenByRedis = 0
  for (const { channel, ids } of of('kept')) {
    const kept = new Set(ids)
    const newestOf = new Map<string, Stored>()
    for (const line of storedIn.get(channel) ?? []) newestOf.set(name(line), line)
    for (const line of newestOf.values()) {
      if (kept.has(line.id)) continue
      takenByRedis++
      const from = sent.get(key(channel, name(line)))?.at ?? line.at
      const taken = losses.some(
        (loss) => loss.kind === 'loss' && concerns(channel)(loss) && loss.since <= line.at && loss.at >= from,
      )
      if (!taken) vanished.push(`${channel} ${name(line)} ${line.id}`)
    }
  }

  const gone = new Set(of('vanished').map(({ member }) => member))
  const living = [...new Set(of('entered').map(({ member }) => member))].filter((member) => !gone.has(member)).sort()
  const presence: string[] = []
  for (const [watcher, lines] of grouped(of('members'), ({ watcher }) => watcher)) {
    const last = lines.at(-1)
    const said = [...(last?.members ?? [])].sort()
    if (last?.known !== true || said.join() !== living.join())
      presence.push(`${watcher}: ${last?.known ? 'sure of' : 'unsure of'} ${said.join()} and not ${living.join()}`)
  }

  return {
    sent: sent.size,
    stored: new Set(stored.map((line) => key(line.channel, name(line)))).size,
    deliveries: heard.length,
    subscriptions: streams.size,
    gaps,
    needless,
    repeated,
    takenByRedis,
    findings: {
      corrupt,
      doubled,
      backwards,
      reordered,
      disagreeing,
      lost,
      unexplained,
      vanished,
      storedTwice,
      stuck,
      presence,
    },
  }
}

/** How many findings of each kind there are, without those of which there are none. */
export function found({ findings }: Verdict): Record<string, number> {
  const counts = Object.entries(findings).map(([rule, all]) => [rule, all.length] as const)
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}
