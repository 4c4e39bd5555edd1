// docs/guides/hosts.md shows the servers of the examples as they are; these compile and are tested in hosts/. Blocks with the name of a file are an app to copy.
import { expect, it } from 'vitest'
import { filesIn, read } from './files'

const guide = 'docs/guides/hosts.md'
const examples = ['express', 'fastify', 'hono', 'node']

/** Without the first line, which the text around the block says. */
const shown = (example: string) => read(`examples/${example}/src/server.ts`).replace(/^.*\n/, '')

it('each block is the server of an example', () => {
  const blocks = [...read(guide).matchAll(/^```ts\n(?!\/\/ )([\s\S]*?)^```$/gm)].map(([, code]) => code)
  expect(blocks).toEqual(examples.map(shown))
})

it.each(examples)('examples/%s is one page of server code, and its page that of the others', (example) => {
  expect(read(`examples/${example}/src/server.ts`).trim().split('\n').length).toBeLessThanOrEqual(40)
  expect(filesIn(`examples/${example}/src`, /\.ts$/)).toEqual([
    `examples/${example}/src/page/page.ts`,
    `examples/${example}/src/server.ts`,
  ])
  expect(read(`examples/${example}/src/page/page.ts`)).toBe(read('examples/node/src/page/page.ts'))
})
