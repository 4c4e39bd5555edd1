/** The load port: what is measured of the process that a node runs in. */

/** What was measured over the last second. */
export interface Load {
  /** Milliseconds that the event loop was late, at the 99th percentile. */
  readonly lag: number
  /** Part of the heap's limit that is in use. */
  readonly heap: number
}
