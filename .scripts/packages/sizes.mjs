// What the client costs a page, held against limits. By the esbuild that tsup has, whose metafile tells what is loaded at once, what later and what is in it,
// rather than by size-limit, which would need a plugin and a configuration for each of these rows. `npm test -- --only packages` prints them.
import { createRequire, isBuiltin } from 'node:module'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { root } from '../lib.mjs'

/** Bytes, minified and gzipped: `limit` fails, `target` is where we want to be (docs/sizes.md). */
const ROWS = [
  {
    name: 'client with all transports, at load',
    code: `export * from '@rt/client'`,
    limit: 26_900,
    target: 9500,
  },
  {
    name: "client with `transports: ['websocket']`, at load",
    code: `import { createClient } from '@rt/client'\nexport const client = createClient('/rt', { transports: ['websocket'] })`,
    limit: 26_900,
    target: 5000,
  },
  {
    name: 'client: sharing, loaded later',
    code: `export * from '@rt/client'`,
    chunk: /^sharing-/,
    limit: 3900,
    target: 3000,
  },
  {
    name: 'client: explain(), loaded later',
    code: `export * from '@rt/client'`,
    chunk: /^words-/,
    limit: 1500,
    target: 3000,
  },
  {
    name: 'client/react, without client and React',
    code: `export * from '@rt/client/react'`,
    limit: 2900,
    target: 2000,
  },
]

export async function checkSizes(folder, report) {
  const bundles = new Map()
  for (const { name, code, chunk, limit, target } of ROWS) {
    if (!bundles.has(code)) bundles.set(code, await bundle(folder, code))
    const { atLoad, later, problem } = bundles.get(code)
    const text = chunk ? later.find(([entry]) => chunk.test(entry))?.[1] : atLoad
    const size = text === undefined ? 0 : gzipSync(text).length
    const figures = `${size} bytes of ${limit} (target ${target})`
    report.check(
      `${name}: ${figures}`,
      problem ?? (text === undefined ? 'there is no such chunk' : size > limit ? 'too large' : undefined),
    )
  }
}

/** The server's main door must not load an optional peer, nor anything else but Node's own modules and `ws`. */
export async function checkServerImports(folder, report) {
  const { metafile } = await esbuild().build({
    ...options(folder, `export * from '@rt/server'`),
    platform: 'node',
    external: ['ws', 'ioredis', 'prom-client', '@opentelemetry/api'],
  })
  const outside = Object.values(metafile.outputs)
    .flatMap(({ imports }) => imports)
    .flatMap(({ path, external }) => (external && path !== 'ws' && !isBuiltin(path) ? [path] : []))
  report.check(
    'server: the main door loads no optional peer',
    outside.length > 0 ? `It imports ${outside.join(', ')}.` : undefined,
  )
}

const esbuild = () => {
  const tsup = createRequire(join(root, 'packages/client/package.json')).resolve('tsup')
  return createRequire(tsup)('esbuild')
}

const options = (folder, code) => ({
  absWorkingDir: folder,
  stdin: { contents: code, resolveDir: folder },
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  outdir: 'sizes',
  write: false,
  metafile: true,
  logLevel: 'silent',
})

async function bundle(folder, code) {
  try {
    const { outputFiles, warnings, metafile } = await esbuild().build({
      ...options(folder, code),
      platform: 'browser',
      external: ['react'],
    })
    const { inputs, outputs } = metafile
    const paths = Object.keys(outputs)
    const text = (path) => outputFiles[paths.indexOf(path)].text
    // What is loaded at once: the entry, and the chunks that it imports as such.
    const entry = paths.find((path) => outputs[path].entryPoint === '<stdin>')
    const first = new Set([entry])
    for (const path of first) {
      for (const { path: next, kind } of outputs[path].imports)
        if (kind === 'import-statement' && outputs[next]) first.add(next)
    }
    const later = paths.filter((path) => outputs[path].entryPoint && path !== entry)
    const foreign = Object.keys(inputs).filter(
      (path) => path !== '<stdin>' && !/node_modules\/@rt\/client\//.test(path),
    )
    // `ws` is switched off for pages by the package's `browser` field, and an empty file is in its place.
    const extra = foreign.filter((path) => inputs[path].bytes > 0)
    return {
      // As a page's own bundle would hold it, in one file.
      atLoad: [...first].map(text).join(''),
      later: later.map((path) => [basename(outputs[path].entryPoint), text(path)]),
      problem:
        warnings.map(({ text }) => text).join('\n') ||
        (extra.length > 0 ? `It brings ${extra.join(', ')}.` : undefined),
    }
  } catch (error) {
    return { atLoad: '', later: [], problem: String(error) }
  }
}
