import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/page.ts'],
  format: 'esm',
  target: 'es2022',
  platform: 'browser',
  outDir: 'dist/page',
  publicDir: 'src/public',
  clean: process.env.RT_BUILD !== 'js',
  silent: true,
  // One file, since it is served as a text.
  noExternal: [/./],
  splitting: false,
  minify: true,
})
