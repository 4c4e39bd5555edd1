// Every relative link and picture of the documents leads somewhere, anchors included.
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { exists, filesIn, read } from './files'

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...filesIn('docs', /\.md$/),
  ...filesIn('examples', /^README\.md$/),
  ...['server', 'client'].map((name) => `packages/${name}/README.md`),
]

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '``')

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

it.each(documents)('%s', (document) => {
  const text = read(document)
  const targets = [
    ...withoutCode(text).matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g),
    ...text.matchAll(/(?:src|href|srcset)="([^"]+)"/g),
  ].map(([, target]) => target as string)
  const broken = targets.filter((target) => {
    if (/^(https?:|mailto:)/.test(target)) return false
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? document : join(dirname(document), path)
    if (!exists(file)) return true
    return anchor !== undefined && file.endsWith('.md') && !anchorsOf(read(file)).includes(anchor)
  })
  expect(broken).toEqual([])
})
