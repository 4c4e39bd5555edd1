/** Durations as people write them (`'5m'`); read when the app starts, by the options and the contract. */

/** `'500ms'`, `'30s'`, `'5m'`, `'1h'`, `'1d'`, or a number of milliseconds. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a duration, from `least` to `most`. Throws a TypeError that names the option. */
export function milliseconds(option: string, duration: Duration, least: number, most: number): number {
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : null
  const ms = match === null ? duration : Math.round(Number(match[1]) * UNITS[match[2] as keyof typeof UNITS])
  if (typeof ms !== 'number' || !Number.isFinite(ms)) {
    throw new TypeError(
      `${option}: ${JSON.stringify(duration)} is not a duration. Write '500ms', '30s', '5m', '1h', '1d' or a number of milliseconds.`,
    )
  }
  if (ms < least || ms > most) {
    throw new TypeError(`${option}: ${JSON.stringify(duration)} is not between ${least} and ${most} ms.`)
  }
  return ms
}
