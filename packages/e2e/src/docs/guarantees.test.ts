// docs/guarantees.md against the tests: each promise names some, and each one that it names exists.
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { exists, parse, read } from './files'

const page = read('docs/guarantees.md')

/** A sentence of the page with the tests below it. */
interface Promised {
  readonly sentence: string
  readonly tests: readonly (readonly [file: string, name: string])[]
}

function promised(part: string): Promised[] {
  return part
    .split(/^- /m)
    .slice(1)
    .map((item) => ({
      sentence: item.slice(0, item.indexOf('\n')),
      tests: [...item.matchAll(/^ {2}- `(\S+) > (.+)`$/gm)].map(
        ([, file, name]) => [file as string, (name as string).replaceAll('\\`', '`')] as const,
      ),
    }))
}

const [promises = '', others = ''] = page.split('## What is not promised')
const named = [...promised(promises), ...promised(others)].flatMap(({ tests }) => tests)

const titles = new Map<string, ReadonlySet<string>>()

/** The titles of a file's tests: first arguments of calls with a function, and the rows of tables of tests. */
function titlesOf(file: string): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const [title, ...rest] = node.arguments
      if (title !== undefined && ts.isStringLiteralLike(title) && rest.some(ts.isFunctionLike)) found.add(title.text)
      if (ts.isPropertyAccessExpression(node.expression) && node.expression.name.text === 'each') {
        const table = title !== undefined && ts.isAsExpression(title) ? title.expression : title
        if (table !== undefined && ts.isArrayLiteralExpression(table)) {
          for (const row of table.elements) {
            const first = ts.isArrayLiteralExpression(row) ? row.elements[0] : row
            if (first !== undefined && ts.isStringLiteralLike(first)) found.add(first.text)
          }
        }
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(parse(file))
  return found
}

describe('docs/guarantees.md', () => {
  it.each(promised(promises))('names tests: $sentence', ({ tests }) => {
    expect(tests.length).toBeGreaterThan(0)
  })

  it('has its tests in the form that is read here', () => {
    expect(page.match(/^ +- `packages/gm)?.length).toBe(named.length)
  })

  it.each(named)('%s > %s exists', (file, name) => {
    expect(exists(file)).toBe(true)
    const known = titles.get(file) ?? titlesOf(file)
    titles.set(file, known)
    expect([...known]).toContain(name)
  })
})
