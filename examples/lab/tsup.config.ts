import { defineConfig } from 'tsup'

const common = { format: 'esm', target: 'es2022', clean: process.env.RT_BUILD !== 'js', silent: true } as const

export default defineConfig([
  { ...common, entry: ['src/start.ts', 'src/node.ts'], outDir: 'dist/server', platform: 'node' },
  {
    ...common,
    entry: ['src/page/page.ts'],
    outDir: 'dist/page',
    platform: 'browser',
    publicDir: 'src/page/public',
    // Served as it is, so everything goes into the one file.
    noExternal: [/./],
    splitting: false,
    minify: true,
    sourcemap: true,
  },
])
