import { existsSync } from 'node:fs'
import { defineConfig } from 'tsup'

// RT_BUILD=js (set by `npm start`) leaves out the slow part, the types, and what is already in dist.
const quick = process.env.RT_BUILD === 'js'
const react = 'src/react/index.ts'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'testing/index': 'src/testing/index.ts',
    ...(existsSync(react) ? { 'react/index': react } : {}),
  },
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  sourcemap: true,
  clean: !quick,
  silent: true,
  external: ['ws', 'react'],
  noExternal: ['@rt/protocol', '@standard-schema/spec', 'eventsource-parser'],
  // The types of @rt/protocol are inlined since tsconfig.json maps it to its source: as a package it would stay a name.
  dts: quick ? false : { resolve: ['@standard-schema/spec', 'eventsource-parser'] },
})
