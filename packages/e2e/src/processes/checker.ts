/**
 * The judge of what clients wrote down, against what publishers were told to be stored. It shares nothing with the library, on purpose.
 * Lines of clients: { client, kind: 'message' | 'gap' | 'subscribed', channel, id, publisher, sequence }; of publishers: { channel, id, publisher, sequence }.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Line {
  readonly client: string
  readonly kind: 'message' | 'gap' | 'subscribed'
  readonly channel: string
  readonly id: string
  readonly publisher: string
  readonly sequence: number
}

/** Each finding in words. All clients were subscribed before the first publication, and nothing that was stored was taken away: no gap has a reason. */
export interface Verdict {
  readonly acknowledged: number
  readonly deliveries: number
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  readonly reordered: readonly string[]
  readonly gaps: readonly string[]
  /** Delivered under an id that no publisher was told. */
  readonly invented: readonly string[]
}

const lines = (file: string) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line)
const files = (directory: string) =>
  readdirSync(directory)
    .sort()
    .map((name) => join(directory, name))

/** `<ms>-<n>` as one number that grows with it. */
const place = (id: string) => {
  const [ms, n] = id.split('-') as [string, string]
  return (BigInt(ms) << 64n) + BigInt(n)
}

export function check(publishers: string, clients: string): Verdict {
  const acknowledged = new Map<string, Map<string, Line>>()
  for (const line of files(publishers).flatMap(lines)) {
    const channel = acknowledged.get(line.channel) ?? new Map<string, Line>()
    acknowledged.set(line.channel, channel.set(line.id, line))
  }
  const lost: string[] = []
  const doubled: string[] = []
  const reordered: string[] = []
  const gaps: string[] = []
  const invented: string[] = []
  let deliveries = 0
  for (const file of files(clients)) {
    const all = lines(file)
    for (const channel of new Set(all.map((line) => line.channel))) {
      const stored = acknowledged.get(channel) ?? new Map<string, Line>()
      const ids = new Set<string>()
      const named = new Set<string>()
      const sequences = new Map<string, number>()
      let newest = -1n
      for (const line of all.filter((each) => each.channel === channel)) {
        const { client, kind, id, publisher, sequence } = line
        const words = `${client} ${channel} ${publisher}-${sequence} ${id}`
        if (kind === 'gap') gaps.push(`${client} ${channel}`)
        if (kind !== 'message') continue
        deliveries++
        const name = `${publisher}-${sequence}`
        if (ids.has(id) || named.has(name)) doubled.push(words)
        else if (place(id) < newest || sequence < (sequences.get(publisher) ?? -1)) reordered.push(words)
        const known = stored.get(id)
        if (known?.publisher !== publisher || known.sequence !== sequence) invented.push(words)
        ids.add(id)
        named.add(name)
        sequences.set(publisher, Math.max(sequence, sequences.get(publisher) ?? -1))
        if (place(id) > newest) newest = place(id)
      }
      for (const { id, publisher, sequence } of stored.values())
        if (!ids.has(id)) lost.push(`${all[0]?.client} ${channel} ${publisher}-${sequence} ${id}`)
    }
  }
  const count = [...acknowledged.values()].reduce((sum, { size }) => sum + size, 0)
  return { acknowledged: count, deliveries, lost, doubled, reordered, gaps, invented }
}
