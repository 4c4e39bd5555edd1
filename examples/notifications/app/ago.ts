/** How long ago something was, in words. */
const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const

const format = new Intl.RelativeTimeFormat('en')

export function ago(at: number, now: number): string {
  const age = now - at
  const [unit, size] = units.find(([, size]) => age >= size) ?? []
  return unit === undefined ? 'just now' : format.format(-Math.floor(age / size), unit)
}
