/** Makes a failing schedule short: removes chunks of moves, then single ones, as long as it still fails. */
export async function minimize<T>(
  moves: readonly T[],
  fails: (moves: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let current = moves
  for (let size = Math.ceil(current.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = current.length - size; at > -size; at -= size) {
      const without = [...current.slice(0, Math.max(0, at)), ...current.slice(at + size)]
      if (await fails(without)) current = without
    }
  }
  return current
}
