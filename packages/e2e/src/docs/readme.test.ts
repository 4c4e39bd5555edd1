// The code in the READMEs: it compiles against the built doors, and the start of the first one really runs.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { read, root } from './files'

/** Inside of this package, so that the doors are found as its dependencies. */
const folder = mkdtempSync(join(fileURLToPath(new URL('../..', import.meta.url)), '.readme-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Code blocks by file name, which stands in a comment at their top; those without are numbered. */
function blocks(document: string): ReadonlyMap<string, string> {
  const found = [...read(document).matchAll(/^```tsx?\n([\s\S]*?)^```$/gm)].map(([, code]) => code as string)
  return new Map(found.map((code, i) => [/^\/\/ ([\w-]+\.tsx?)\b.*\n/.exec(code)?.[1] ?? `block-${i}.ts`, code]))
}

/** What a strict user of a new project has. */
const options: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
  jsx: ts.JsxEmit.ReactJSX,
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
  skipLibCheck: true,
  noEmit: true,
}

/** Reads the declarations of the platform and of the packages once for all programs. */
const host = ts.createCompilerHost(options)
const sources = new Map<string, ts.SourceFile | undefined>()
const readSource = host.getSourceFile
host.getSourceFile = (name, ...rest) => {
  if (!name.endsWith('.d.ts')) return readSource(name, ...rest)
  if (!sources.has(name)) sources.set(name, readSource(name, ...rest))
  return sources.get(name)
}

function write(name: string, files: ReadonlyMap<string, string>): string[] {
  return [...files].map(([file, code]) => {
    const path = join(folder, name, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, code)
    return path
  })
}

// The first one reads the declarations of the whole platform.
describe('the code of', { timeout: 180_000 }, () => {
  it('README.md compiles', () => {
    expect(problems(write('readme', blocks('README.md')))).toEqual([])
  })

  it('packages/server/README.md and packages/client/README.md compiles, together', () => {
    const [server = ''] = blocks('packages/server/README.md').values()
    const [client = ''] = blocks('packages/client/README.md').values()
    const files = new Map([
      ['server.ts', server],
      ['client.ts', client],
    ])
    expect(problems(write('packages', files))).toEqual([])
  })

  it.each(['react', 'presence', 'nextjs'])('docs/guides/%s.md compiles', (guide) => {
    expect(problems(write(guide, blocks(`docs/guides/${guide}.md`)))).toEqual([])
  })

  it('a README that is wrong does not compile', () => {
    const files = new Map(blocks('README.md'))
    files.set('client.ts', (files.get('client.ts') as string).replace('text:', 'test:'))
    expect(problems(write('wrong', files)).join()).toContain("'test' does not exist")
  })
})

function problems(files: readonly string[]): string[] {
  return ts
    .getPreEmitDiagnostics(ts.createProgram(files, options, host))
    .map(({ messageText, file }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
}

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Starts a block of README.md as JavaScript, on another port than the one that is printed there. */
function start(file: string, port: number): ChildProcess {
  const code = (blocks('README.md').get(file) as string).replace('3000', String(port))
  const { outputText } = ts.transpileModule(code, { compilerOptions: { ...options, noEmit: false } })
  const [path = ''] = write('run', new Map([[file.replace('.ts', '.mjs'), outputText]]))
  const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

it('the start of README.md prints what was published', async () => {
  const port = await freePort()
  const server = start('server.ts', port)
  // The client comes again until the server is there, as a real one does.
  const client = start('client.ts', port)
  let printed = ''
  for await (const chunk of client.stdout ?? []) {
    printed += String(chunk)
    if (printed.includes('\n')) break
  }
  expect(printed).toBe('ada: hello\n')
  expect(server.exitCode).toBeNull()
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
