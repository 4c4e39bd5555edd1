/** What a schedule runs on: nodes' brokers on one store, and the hand that moves and breaks them. */
import type { Clock } from '@rt/protocol'
import type { Broker } from '@rt/server/testing'

/** A publication that the store took. */
export interface Stored {
  readonly channel: string
  readonly messageId: string
  readonly id: string
}

export interface World {
  readonly brokers: readonly Broker[]
  /** The nodes' clock. */
  readonly clock: Clock
  /** Resolves when the nodes may have reached the store. */
  ready(): Promise<void>
  defer(run: () => void): void
  /** The operations of this world with their weights; `a` and `b` are numbers to use freely. */
  moves(a: number, b: number): readonly (readonly [weight: number, run: () => void | Promise<void>])[]
  /** Lets what can happen between two moves happen. */
  turn(): Promise<void>
  /** Mends everything and lets things go on. Returns true while something moved; called again and again until the schedule is at rest. */
  mend(): Promise<boolean>
  /** False when the schedule is stuck: `mend` was called this often, or the world has waited long enough. */
  patient(round: number): boolean
  /** A publisher was answered, or a reader got this: the store took it. */
  saw(stored: Stored): void
  /** Everything that the store ever took, also what it lost later, in the order in which it took it. */
  stored(): Promise<readonly Stored[]>
  /** Whether the publication concerns a subscription that started at this place. */
  isAfter(stored: Stored, start: { readonly id: string; readonly epoch: string }): boolean
  /** Whether a messageId may have been forgotten between these two places of {@link stored}: `rollback` with the log, `expiry` by time. */
  forgot(kind: 'rollback' | 'expiry', from: number, to: number): boolean
  close(): Promise<void>
}
