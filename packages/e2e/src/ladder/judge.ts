/** The judge of a run: what a subscriber heard against what was published; shares nothing with the library, on purpose. */

/** What is wrong, in words; null: it heard exactly 1 to `count`, in order, once. */
export function judge(heard: readonly number[], count: number): string | null {
  const wrong = heard.findIndex((sequence, i) => sequence !== i + 1)
  if (wrong >= 0) return `At place ${wrong + 1} it heard ${heard.slice(wrong, wrong + 5).join(', ')}.`
  return heard.length === count ? null : `It heard ${heard.length} of ${count}.`
}
