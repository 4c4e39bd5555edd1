/** The client of one run: hears the run's channel and writes down all that it shows; used in the test's process and by subscriber-process.ts. */
import { createClient, type Gap, type TransportName } from '@rt/client'
import type { App } from './app.ts'
import { HastyClock } from './hasty-clock.ts'
import { down, goodUntil, REVOKED, up } from './names.ts'

export interface SubscriberSettings {
  readonly run: string
  readonly url: string
  /** Null: the client's own order. */
  readonly order: readonly TransportName[] | null
  /** Absent: nobody in particular. `life`: milliseconds of each token; `good`: how many are good ones until {@link Subscriber.connect}. */
  readonly token?: { readonly life: number; readonly good: number }
}

/** By how much each message puts the client's clock forward while it is hasty. Where nothing is heard nothing is hurried: no silence grows by it. */
const STEP = 1200

/** Something that the client showed. `at`: milliseconds since 1970; `clock`: milliseconds of its own clock. */
export type Seen = { readonly at: number; readonly clock: number } & (
  | { readonly type: 'message'; readonly sequence: number; readonly over: TransportName | null }
  | { readonly type: 'status'; readonly status: string }
  | { readonly type: 'transport'; readonly transport: TransportName | null }
  | { readonly type: 'problem'; readonly problem: string | null }
  | { readonly type: 'gap'; readonly reason: Gap['reason'] }
  | { readonly type: 'error'; readonly code: string }
  | { readonly type: 'token' }
)

type Without<T> = T extends unknown ? Omit<T, 'at' | 'clock'> : never

export class Subscriber {
  /** Its clock goes forward with each message. */
  hasty = false
  readonly #client: ReturnType<typeof createClient<App>>
  readonly #clock = new HastyClock()
  readonly #run: string
  #tokensLeft: number

  constructor({ run, url, order, token }: SubscriberSettings, tell: (seen: Seen) => void) {
    const say = (seen: Without<Seen>) => tell({ at: Date.now(), clock: this.#clock.monotonic(), ...seen } as Seen)
    this.#run = run
    this.#tokensLeft = token?.good ?? 0
    const client = createClient<App>(url, {
      clock: this.#clock,
      timeout: 300_000,
      ...(order !== null && { transports: order }),
      ...(token !== undefined && {
        token: () => {
          say({ type: 'token' })
          return this.#tokensLeft-- > 0 ? goodUntil(Date.now() + token.life) : REVOKED
        },
      }),
    })
    this.#client = client
    client.on('status', (status) => say({ type: 'status', status }))
    client.on('transport', (transport) => say({ type: 'transport', transport }))
    client.on('problem', (problem) => say({ type: 'problem', problem }))
    client.on('error', ({ code }) => say({ type: 'error', code }))
    const channel = client.channel(down(run))
    channel.on('gap', ({ reason }) => say({ type: 'gap', reason }))
    channel.on('error', ({ code }) => say({ type: 'error', code }))
    channel.subscribe(
      ({ data: { sequence } }) => {
        say({ type: 'message', sequence, over: client.transport })
        if (this.hasty) setImmediate(() => this.#clock.skip(STEP))
      },
      { last: 1000 },
    )
  }

  /** Publishes to the run's other channel. Resolves when it is stored, else with the code of the refusal. */
  async publish(sequence: number, bytes: number): Promise<string | null> {
    const fill = 'x'.repeat(bytes)
    return this.#client
      .channel(up(this.#run))
      .publish({ sequence, fill })
      .then(
        () => null,
        (error: { code?: string }) => error.code ?? String(error),
      )
  }

  /** Tries again after it was refused; tokens are good from here on. */
  connect(): void {
    this.#tokensLeft = Number.POSITIVE_INFINITY
    this.#client.connect()
  }

  /** What it did, and why, in its own words. */
  async explain(): Promise<string> {
    const steps = await this.#client.explain()
    return steps.map(({ time, text }) => `${new Date(time).toISOString().slice(17, 23)} ${text}`).join('\n')
  }

  close(): void {
    this.#client.close()
  }
}
