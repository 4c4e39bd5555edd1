/** The documents for people, and the code blocks in them: read by the tests that compile, parse or run these. */
import { filesIn, read } from './files'

/** What `npm run api` writes: signatures, which are no programs. */
export const reference: readonly string[] = filesIn('docs/api', /\.md$/)

/** Every other document that is published with the repository or with a package. */
export const documents: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...filesIn('docs', /\.md$/).filter((page) => !reference.includes(page)),
  ...filesIn('packages', /^README\.md$/),
  ...filesIn('examples', /^README\.md$/),
]

export interface Block {
  /** What stands behind the three backquotes; empty when nothing does. */
  readonly language: string
  readonly code: string
}

/** The code blocks of a document in their order. */
export function blocksOf(document: string): Block[] {
  return [...read(document).matchAll(/^ *```([^\n]*)\n([\s\S]*?)^ *```$/gm)].map(([, language = '', code = '']) => ({
    language,
    code,
  }))
}

/**
 * The TypeScript of a document by file name, which stands in a comment at the top of a block; those without are numbered. A file that is shown again
 * says what is new ("app/page.tsx, with users"): blocks that say the same are an app of their own, in a folder.
 */
export function typescriptOf(document: string): ReadonlyMap<string, string> {
  const blocks = blocksOf(document).filter(({ language }) => /^tsx?$/.test(language))
  const named = blocks.map(({ language, code }, i) => {
    const [first = ''] = code.split('\n', 1)
    const [, name = `block-${i}.${language}`, variant] = /^\/\/ ([\w./-]+\.tsx?)\b(?:, (with \w+)$)?/.exec(first) ?? []
    return [variant === undefined ? name : `${variant}/${name}`, code] as const
  })
  const files = new Map(named)
  if (files.size < named.length) throw new Error(`${document} has two blocks of one name.`)
  return files
}
