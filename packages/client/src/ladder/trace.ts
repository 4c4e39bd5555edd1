/** What the client did to stay connected, step by step, as data: kept for `client.explain()`, which puts it into words. */
import type { Rung } from '../ports/transport'
import type { Need, Standing } from './decide'
import type { Lesson } from './evidence'

/** Why there is no connection. */
export type Problem =
  /** Nothing answers: no network, or no way to the server. */
  | 'offline'
  /** The server answers plain requests, and none of the transports comes through. */
  | 'blocked'
  /** Somebody else answers in the server's place, such as the log-in page of a public network. */
  | 'captive-portal'
  /** The server does not accept who this is. */
  | 'unauthorized'
  /** The way leads to a server that is away, overloaded or closing. */
  | 'server'

export type Step =
  | { readonly step: 'need'; readonly need: Need }
  | { readonly step: 'order'; readonly rungs: readonly { readonly rung: Rung; readonly standing: Standing }[] }
  | { readonly step: 'try'; readonly rung: Rung; readonly why: 'connect' | 'climb' | 'switch' | 'replace' }
  | { readonly step: 'proven'; readonly rung: Rung; readonly ms: number }
  /** `silent`: no first frame in time. `held`: the first, and no second. `dead`: silent for too long. `ended`: by the other side, with what it said. */
  | {
      readonly step: 'failed'
      readonly rung: Rung
      readonly how: 'silent' | 'held' | 'dead' | 'ended'
      readonly said?: string
    }
  | { readonly step: 'blocked'; readonly rungs: readonly Rung[] }
  | { readonly step: 'learned'; readonly rung: Rung; readonly lesson: Lesson }
  | { readonly step: 'problem'; readonly problem: Problem | null }
  /** Another tab's connection, in place of one of this tab's own. */
  | { readonly step: 'relay'; readonly how: 'asked' | 'given' | 'ended' }
  | { readonly step: 'wait'; readonly ms: number }
  | { readonly step: 'woke'; readonly trust: 'look' | 'doubt' | 'none' }

export type TimedStep = Step & {
  /** Milliseconds since 1970. */
  readonly time: number
}

/** Steps that are kept. */
const KEPT = 200

export class Trace {
  readonly #now: () => number
  readonly #steps: TimedStep[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  get steps(): readonly TimedStep[] {
    return this.#steps
  }

  add(step: Step): void {
    this.#steps.push({ time: this.#now(), ...step })
    if (this.#steps.length > KEPT) this.#steps.shift()
  }
}
