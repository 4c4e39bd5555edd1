// The code in the documents: TypeScript compiles against the built doors, each page by itself; JSON and shell are parsed; the start of README.md really runs.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../free-port'
import { blocksOf, documents, typescriptOf } from './blocks'
import { exists, filesIn, read, root } from './files'

/** Inside of this package, so that the doors are found as its dependencies. */
const folder = mkdtempSync(join(fileURLToPath(new URL('../..', import.meta.url)), '.docs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

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

/** Frameworks, and what else a page shows that is no dependency here, are those of the examples and the benchmarks. */
const elsewhere = ['examples', 'packages/bench']
  .flatMap((place) => filesIn(place, /^package\.json$/))
  .map((file) => join(root, file))
const found = ts.createModuleResolutionCache(root, (name) => name, options)
host.resolveModuleNameLiterals = (literals, from) =>
  literals.map(({ text }) => {
    const places = text.startsWith('.') ? [from] : [from, ...elsewhere]
    const tries = places.map((place) => () => ts.resolveModuleName(text, place, options, host, found))
    const resolved = tries.reduce<ts.ResolvedModuleWithFailedLookupLocations | undefined>(
      (one, next) => (one?.resolvedModule === undefined ? next() : one),
      undefined,
    )
    return resolved ?? { resolvedModule: undefined }
  })

function write(name: string, files: ReadonlyMap<string, string>): string[] {
  return [...files].map(([file, code]) => {
    const path = join(folder, name, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, code)
    return path
  })
}

/** The pages with TypeScript, and where theirs was written to. */
const pages = documents
  .map((page) => ({ page, files: typescriptOf(page) }))
  .filter(({ files }) => files.size > 0)
  .map(({ page, files }) => ({ page, paths: write(page.replace(/\.md$/, ''), files) }))

/** README.md with a mistake, so that it is seen that mistakes are. */
const wrong = write(
  'wrong',
  new Map([...typescriptOf('README.md')].map(([file, code]) => [file, code.replace("text: 'hello'", "test: 'hello'")])),
)

/** Where a library's types need it off, the page says so. */
const exactly = (page: string): boolean => !/`exactOptionalPropertyTypes`[^.]* off\b/.test(read(page))

/** One program for all pages of one kind: nothing of one is seen by another one, and what they import is read and bound once. */
function programOf(exact: boolean): ts.Program {
  const files = pages.filter(({ page }) => exactly(page) === exact).flatMap(({ paths }) => paths)
  return ts.createProgram(exact ? [...files, ...wrong] : files, { ...options, exactOptionalPropertyTypes: exact }, host)
}

// The first one reads the declarations of the whole platform.
describe('the code of', { timeout: 180_000 }, () => {
  const programs = new Map<boolean, ts.Program>()

  it.each(pages)('$page compiles, by itself', ({ page, paths }) => {
    const exact = exactly(page)
    const program = programs.get(exact) ?? programOf(exact)
    programs.set(exact, program)
    expect(problems(program, paths)).toEqual([])
  })

  it('a page that is wrong does not compile', () => {
    expect(problems(programs.get(true) ?? programOf(true), wrong).join()).toContain("'test' does not exist")
  })
})

function problems(program: ts.Program, paths: readonly string[]): string[] {
  return paths
    .flatMap((path) => ts.getPreEmitDiagnostics(program, program.getSourceFile(path)))
    .map(({ messageText, file }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
}

/** What a block may be. All but the last row are held by a test, here or where it says. */
const languages = [
  /^tsx?$/,
  /^json$/,
  /^sh$/,
  // proxies.test.ts
  /^(nginx|haproxy)$/,
  // packages/e2e/src/transcript.ts
  /^transcript /,
  // What is printed, sent or stored; settings of programs that are not at hand.
  /^(|text|http|html|toml|yaml)$/,
]

it.each(documents)('what else is in blocks in %s is what it says', (document) => {
  const blocks = blocksOf(document)
  expect(blocks.filter(({ language }) => !languages.some((known) => known.test(language)))).toEqual([])
  for (const { language, code } of blocks) {
    if (language === 'json') expect(() => JSON.parse(code), code).not.toThrow()
    if (language === 'sh') checkShell(code)
  }
})

/** The syntax, and that what `npm` is asked to run is there. */
function checkShell(code: string): void {
  expect(spawnSync('sh', ['-n'], { input: code, encoding: 'utf8' }).stderr).toBe('')
  let folder = '.'
  for (const [, to, script] of code.matchAll(/\bcd (\S+)|\bnpm run ([\w:]+)/g)) {
    folder = to ?? folder
    if (script !== undefined) expect(JSON.parse(read(`${folder}/package.json`)).scripts).toHaveProperty([script])
  }
  for (const [, example] of code.matchAll(/\bnpm start -- (\w[\w-]*)/g)) {
    expect(exists(`examples/${example}`), example).toBe(true)
  }
}

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** Starts a block of README.md as JavaScript, on another port than the one that is printed there. */
function start(file: string, port: number): ChildProcess {
  const code = (typescriptOf('README.md').get(file) as string).replace('3000', String(port))
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
