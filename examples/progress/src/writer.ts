/** Writes a report token by token, as a language model would, without one: used by worker.ts. Put your model's stream here. */

const openings = ['In short,', 'Looking closer,', 'On the whole,', 'What stands out:', 'More than once', 'As a rule,']
const subjects = ['the story of #', 'most of what is written about #', 'the daily work with #', 'the idea behind #']
const verbs = ['begins with', 'depends on', 'is held together by', 'owes a great deal to', 'comes back to', 'outlives']
const objects = [
  'a few patient people',
  'one good idea',
  'a drawing on a napkin',
  'small and regular steps',
  'plain luck',
]
const endings = [
  'and nobody planned it that way.',
  'which is easy to miss at first.',
  'as the older sources say, too.',
  'and that has not changed since.',
  'although the figures allow for another reading.',
]

/** The same tokens for the same job, so that a worker that was started again goes on where the last one was. */
export function tokensOf(topic: string, id: string): string[] {
  let seed = 0
  for (const character of id) seed = (Math.imul(seed, 31) + (character.codePointAt(0) ?? 0)) >>> 0
  const pick = (from: readonly string[]): string => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return from[Math.floor((seed / 2 ** 32) * from.length)] as string
  }
  const sentence = () =>
    `${pick(openings)} ${pick(subjects).replace('#', () => topic)} ${pick(verbs)} ${pick(objects)}, ${pick(endings)}`
  const paragraph = () => Array.from({ length: 4 }, sentence).join(' ')
  const text = [paragraph(), paragraph(), paragraph()].join('\n\n')
  return text.match(/\s*\S{1,6}/gu) ?? []
}

/** Yields each token from the given one on, at the pace of a model. */
export async function* write(tokens: readonly string[], from: number, pace: number): AsyncGenerator<string> {
  for (const token of tokens.slice(from)) {
    await new Promise((resolve) => setTimeout(resolve, pace))
    yield token
  }
}
