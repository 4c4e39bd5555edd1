/** Bad frames that are kept: each is one class of them, or once found something, and its file's name says which. Used by the fuzz tests of all packages. */
import { readdirSync, readFileSync } from 'node:fs'

export type Corpus = 'commands' | 'open' | 'events'

export function readCorpus(corpus: Corpus): { readonly name: string; readonly text: string }[] {
  const folder = new URL(`./corpus/${corpus}/`, import.meta.url)
  return readdirSync(folder)
    .sort()
    .map((file) => ({ name: file.replace('.txt', ''), text: readFileSync(new URL(file, folder), 'utf8') }))
}
