/** Clients on every transport of several nodes, what each of them was told in order, and the judge of it, which shares nothing with the library. */
import { type Client, createClient, type TransportName } from '@rt/client'
import type { App } from '../processes/app.ts'
import { log } from '../processes/app.ts'

const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

/** A publication by its sequence number, or that something may be missing here. */
type Told = number | 'gap'

export class Audience {
  readonly #listeners: readonly Listener[]

  /** One client for each transport of each node. Resolves when all of them hear the channel. */
  static async at(ports: readonly number[]): Promise<Audience> {
    const listeners = ports.flatMap((port, node) => rungs.map((rung) => new Listener(node, rung, port)))
    await Promise.all(listeners.map(({ subscribed }) => subscribed))
    return new Audience(listeners)
  }

  private constructor(listeners: readonly Listener[]) {
    this.#listeners = listeners
  }

  /** Resolves when each has heard this one. */
  async heard(sequence: number): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.heard(sequence)))
  }

  /** What each was told, by `<node> <transport>`. */
  get told(): ReadonlyMap<string, readonly Told[]> {
    return new Map(this.#listeners.map(({ name, told }) => [name, told]))
  }

  /** Findings in words. Each of `acknowledged`, in this order, is to be heard once; only where a gap stands in its place it may be missing. */
  judge(acknowledged: readonly number[]): string[] {
    return this.#listeners.flatMap(({ name, told }) =>
      judge(told, acknowledged).map((finding) => `${name}: ${finding}`),
    )
  }

  close(): void {
    for (const listener of this.#listeners) listener.client.close()
  }
}

export function judge(told: readonly Told[], acknowledged: readonly number[]): string[] {
  const findings: string[] = []
  const seen = new Set<number>()
  let newest = 0
  let gap = false
  for (const one of told) {
    if (one === 'gap') {
      gap = true
      continue
    }
    if (seen.has(one)) findings.push(`${one} twice`)
    else if (one < newest) findings.push(`${one} behind ${newest}`)
    const missing = acknowledged.filter((sequence) => sequence > newest && sequence < one)
    if (missing.length > 0 && !gap) findings.push(`no ${missing.join(', ')}, and no gap before ${one}`)
    seen.add(one)
    newest = Math.max(newest, one)
    gap = false
  }
  const behind = acknowledged.filter((sequence) => sequence > newest)
  if (behind.length > 0) findings.push(`no ${behind.join(', ')} at the end`)
  return findings
}

class Listener {
  readonly name: string
  readonly client: Client<App>
  readonly told: Told[] = []
  readonly subscribed: Promise<void>
  readonly #waiting = new Map<number, () => void>()

  constructor(node: number, rung: TransportName, port: number) {
    this.name = `${node} ${rung}`
    this.client = createClient<App>(`http://127.0.0.1:${port}/rt`, { transports: [rung] })
    const channel = this.client.channel(log(0))
    channel.on('gap', () => this.told.push('gap'))
    channel.subscribe(({ data: { sequence } }) => {
      this.told.push(sequence)
      this.#waiting.get(sequence)?.()
    })
    this.subscribed = new Promise((resolve) => channel.on('subscribed', () => resolve()))
  }

  async heard(sequence: number): Promise<void> {
    if (this.told.includes(sequence)) return
    await new Promise<void>((resolve) => this.#waiting.set(sequence, resolve))
  }
}
