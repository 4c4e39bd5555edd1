// The tests of docs/guides/testing.md pass as they stand there, under Node's own runner, and leave nothing behind that would keep it going.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { afterAll, expect, it } from 'vitest'
import { typescriptOf } from '../docs/blocks'

/** Inside of this package, so that the doors are found as its dependencies. */
const folder = mkdtempSync(join(fileURLToPath(new URL('../..', import.meta.url)), '.testing-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Kills a Redis and waits for it, which other tests do at length. */
const skipped = ['redis.test.ts']

it('the tests of the guide pass', () => {
  const files = [...typescriptOf('docs/guides/testing.md')].filter(([file]) => !skipped.includes(file))
  const paths = files.map(([file, code]) => {
    const { outputText } = ts.transpileModule(code.replaceAll("'./realtime'", "'./realtime.mjs'"), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
    })
    const path = join(folder, file.replace('.ts', '.mjs'))
    writeFileSync(path, outputText)
    return path
  })
  // All in one process, which is quicker than one for each.
  const all = join(folder, 'all.mjs')
  writeFileSync(all, paths.map((path) => `import ${JSON.stringify(path)}\n`).join(''))
  const options = { encoding: 'utf8', timeout: 50_000 } as const
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--test-reporter=tap', all], options)
  const tests = files.flatMap(([, code]) => code.match(/^test\(/gm) ?? [])
  expect(tests).toHaveLength(4)
  expect(stdout).toContain(`# pass ${tests.length}\n# fail 0\n`)
  expect(status, stderr).toBe(0)
})
