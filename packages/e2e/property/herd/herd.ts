/** A herd of real clients on a clock that is moved: who is without a link, and how many connections come in each second. */
import { type Client, createClient } from '@rt/client'
import { Fleet, type FleetSettings } from './fleet'
import { QueueClock } from './queue-clock'

export interface HerdSettings extends Omit<FleetSettings, 'clock'> {
  readonly clients: number
}

export class Herd {
  readonly clock = new QueueClock()
  readonly fleet: Fleet
  readonly clients: readonly Client[]
  /** How often a client was without a link. */
  reconnecting = 0

  constructor({ clients, ...settings }: HerdSettings) {
    const { clock } = this
    this.fleet = new Fleet({ ...settings, clock })
    const { WebSocket, fetch } = this.fleet
    this.clients = Array.from({ length: clients }, () => {
      const client = createClient('http://fleet/rt', {
        transports: ['websocket', 'sse', 'long-poll', 'poll'],
        clock,
        WebSocket,
        fetch,
      })
      client.on('status', (status) => {
        if (status === 'reconnecting') this.reconnecting++
      })
      client.channel('a').subscribe(() => {})
      return client
    })
  }

  get connected(): number {
    return this.clients.filter(({ status }) => status === 'connected').length
  }

  /** Lets so many seconds pass; how many connections came in each. */
  async perSecond(seconds: number): Promise<number[]> {
    return this.per(1000, seconds)
  }

  async per(ms: number, count: number): Promise<number[]> {
    const from = this.clock.monotonic()
    const { arrivals } = this.fleet
    const before = arrivals.length
    await this.clock.advance(count * ms)
    const parts = new Array<number>(count).fill(0)
    for (const at of arrivals.slice(before)) {
      const part = Math.min(count - 1, Math.floor((at - from) / ms))
      parts[part] = (parts[part] ?? 0) + 1
    }
    return parts
  }

  /** Long enough for every link to count as healthy. */
  async settle(): Promise<void> {
    await this.clock.advance(60_000)
  }

  close(): void {
    for (const client of this.clients) client.close()
  }
}

/** For people: one line for each second. */
export function histogram(title: string, perSecond: readonly number[]): string {
  const most = Math.max(1, ...perSecond)
  const lines = perSecond.map(
    (n, i) => `${String(i).padStart(4)} s ${String(n).padStart(6)} ${'#'.repeat(Math.round((50 * n) / most))}`,
  )
  return [title, ...lines].join('\n')
}
