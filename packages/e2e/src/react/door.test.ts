// The built door `@rt/client/react` as bundlers of apps get it.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'

const client = new URL('../../../client/', import.meta.url)
const door = fileURLToPath(new URL('dist/react/index.js', client))

/** What of esbuild is used here; it is the one that tsup has. */
interface Esbuild {
  build(options: Readonly<Record<string, unknown>>): Promise<{
    readonly outputFiles: readonly { readonly contents: Uint8Array; readonly text: string }[]
    readonly metafile: { readonly outputs: Readonly<Record<string, { readonly imports: readonly { path: string }[] }>> }
  }>
}
const tsup = createRequire(new URL('package.json', client)).resolve('tsup')
const { build } = createRequire(tsup)('esbuild') as Esbuild

it('begins with "use client", so that the App Router of Next keeps it out of server components', () => {
  expect(readFileSync(door, 'utf8')).toMatch(/^["']use client["']/)
})

it('brings less than 3 kB, and React is the only package that it imports', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [door],
    bundle: true,
    minify: true,
    format: 'esm',
    external: ['react'],
    write: false,
    metafile: true,
    outdir: 'out',
  })
  expect(gzipSync(outputFiles[0]?.contents ?? '').length).toBeLessThan(3000)
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path))
  expect([...new Set(imports)]).toEqual(['react'])
})
