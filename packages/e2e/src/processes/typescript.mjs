// Lets node run the TypeScript of this package, on every version that the repo supports: `node --import ./src/processes/typescript.mjs file.ts`.
import { readFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

// Node loads this file twice: first in the process, then in the thread that resolves modules for it.
if (isMainThread) register(import.meta.url)

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  if (!url.endsWith('.ts') || url.includes('/node_modules/')) return next(url, context)
  const { default: ts } = await import('typescript')
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, inlineSourceMap: true }
  const text = await readFile(new URL(url), 'utf8')
  const { outputText } = ts.transpileModule(text, { compilerOptions: options, fileName: fileURLToPath(url) })
  return { format: 'module', source: outputText, shortCircuit: true }
}
