// Every relative link and picture of the documents leads somewhere, anchors included.
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { documents, reference } from './blocks'
import { exists, filesIn, read } from './files'

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '``')

/** The anchors of a page: those that stand there, and those of its headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>()
  const explicit = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id as string)
  const headings = [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) => {
    const anchor = (heading as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
    // The same heading again is numbered.
    const times = seen.get(anchor) ?? 0
    seen.set(anchor, times + 1)
    return times === 0 ? anchor : `${anchor}-${times}`
  })
  return [...explicit, ...headings]
}

/** The relative links and pictures of a page: as they stand there, and where they lead. */
function linksOf(document: string): { readonly target: string; readonly file: string; readonly anchor?: string }[] {
  const text = read(document)
  return [
    ...withoutCode(text).matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g),
    ...withoutCode(text).matchAll(/(?:src|href|srcset)="([^"]+)"/g),
  ]
    .map(([, target]) => target as string)
    .filter((target) => !/^(https?:|mailto:)/.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? document : join(dirname(document), path).replace(/\/$/, '')
      return { target, file, ...(anchor !== undefined && { anchor }) }
    })
}

it.each([...documents, ...reference])('the links of %s lead somewhere', (document) => {
  const broken = linksOf(document).filter(({ file, anchor }) => {
    if (!exists(file)) return true
    return anchor !== undefined && file.endsWith('.md') && !anchorsOf(read(file)).includes(anchor)
  })
  expect(broken).toEqual([])
})

it('README.md leads to every document and picture: link what is new there', () => {
  const linked = linksOf('README.md').map(({ file }) => file)
  const lost = filesIn('docs', /\.(md|png|svg)$/).filter(
    (file) => !linked.some((place) => file === place || file.startsWith(`${place}/`)),
  )
  expect(lost).toEqual([])
})
