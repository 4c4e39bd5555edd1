/** Globs over identity ids, the same for every backend of the presence port: `*` stands for any text, `?` for one character, all else for itself. */

/** Takes time in proportion to both lengths at most, whatever the glob: it may come from a user. */
export function fitsGlob(glob: string, text: string): boolean {
  let g = 0
  let t = 0
  /** Where the last `*` stood, and up to where it reaches so far. */
  let star = -1
  let reach = 0
  while (t < text.length) {
    if (glob[g] === '*') {
      star = g++
      reach = t
    } else if (glob[g] === '?') {
      g++
      t += unitsAt(text, t)
    } else if (glob[g] === text[t]) {
      g++
      t++
    } else if (star >= 0) {
      reach += unitsAt(text, reach)
      g = star + 1
      t = reach
    } else return false
  }
  while (glob[g] === '*') g++
  return g === glob.length
}

/** How many units of UTF-16 a character takes. */
function unitsAt(text: string, at: number): number {
  return (text.codePointAt(at) as number) > 0xffff ? 2 : 1
}
