// Lets node run the TypeScript of this package, on every version that the repo supports: `node --import ./src/processes/typescript.mjs file.ts`.
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

// Node loads this file twice: first in the process, then in the thread that resolves modules for it.
if (isMainThread) register(import.meta.url)

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  if (!url.endsWith('.ts') || url.includes('/node_modules/')) return next(url, context)
  const text = await readFile(new URL(url), 'utf8')
  return { format: 'module', source: await translated(url, text), shortCircuit: true }
}

/** What was translated once is kept, since the compiler takes longer to load than all else that a process does at its start. */
async function translated(url, text) {
  const { version } = JSON.parse(await readFile(new URL('../../node_modules/typescript/package.json', import.meta.url)))
  const hash = createHash('sha256').update([version, url, text].join('\0')).digest('hex')
  const folder = new URL('../../node_modules/.cache/rt-typescript/', import.meta.url)
  const file = new URL(`${hash}.mjs`, folder)
  const kept = await readFile(file, 'utf8').catch(() => null)
  if (kept !== null) return kept
  const { default: ts } = await import('typescript')
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, inlineSourceMap: true }
  const { outputText } = ts.transpileModule(text, { compilerOptions: options, fileName: fileURLToPath(url) })
  await mkdir(folder, { recursive: true })
  // Whole or not at all: several processes start at the same time.
  const own = new URL(`${hash}.${process.pid}`, folder)
  await writeFile(own, outputText)
  await rename(own, file)
  return outputText
}
