/** The rungs of the ladder, and the names under which applications know them. */
import type { Rung, TransportName } from '../ports/transport'

/** SSE is two rungs: what something on the way holds back over GET may pass over POST. */
export function rungsOf(names: readonly TransportName[]): Rung[] {
  return names.flatMap((name): Rung[] => (name === 'sse' ? ['sse', 'sse-post'] : [name]))
}

export function nameOf(rung: Rung): TransportName {
  return rung === 'sse-post' ? 'sse' : rung
}
