/** Makes a failing schedule short: removes chunks of moves, then single ones, as long as it still fails. */

/** Milliseconds that it may take. */
const BUDGET = 40_000

export async function minimize<T>(
  moves: readonly T[],
  fails: (moves: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  const end = performance.now() + BUDGET
  let current = moves
  for (let size = Math.ceil(current.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = current.length - size; at > -size; at -= size) {
      if (performance.now() > end) return current
      const without = [...current.slice(0, Math.max(0, at)), ...current.slice(at + size)]
      if (await fails(without)) current = without
    }
  }
  return current
}
