/** Numbers by chance that a seed repeats. */
export interface Draw {
  /** From 0 to below 1. */
  (): number
  /** One of them. */
  <T>(from: readonly T[]): T
}

export function createDraw(seed: number): Draw {
  let state = seed >>> 0
  // mulberry32
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return ((from?: readonly unknown[]) => (from === undefined ? next() : from[Math.floor(next() * from.length)])) as Draw
}
