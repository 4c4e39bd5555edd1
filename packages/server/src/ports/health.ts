/** Whether a node can do its work now: what `rt.health()` returns and load balancers are told. */

/**
 * Why new clients should go elsewhere. `draining`: this node is closing. `broker_away`: it never reached the broker, or has not for 5 s. `broker_deaf`: its link to
 * the broker was open but delivered nothing, and there is no new one yet.
 */
export type HealthReason = 'draining' | 'broker_away' | 'broker_deaf'

/** How a node does. */
export interface Health {
  /** The process answers: whoever can ask has the proof. */
  readonly live: true
  /** New clients are served here, completely and at once. */
  readonly ready: boolean
  /** What is missing; empty when it is ready. */
  readonly reasons: readonly HealthReason[]
}
