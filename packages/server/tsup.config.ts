import { defineConfig } from 'tsup'

// RT_BUILD=js (set by `npm start`) leaves out the slow part, the types, and what is already in dist.
const quick = process.env.RT_BUILD === 'js'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    redis: 'src/redis.ts',
    prometheus: 'src/prometheus.ts',
    opentelemetry: 'src/opentelemetry.ts',
    'testing/index': 'src/testing/index.ts',
  },
  format: 'esm',
  target: 'es2022',
  platform: 'node',
  sourcemap: true,
  clean: !quick,
  silent: true,
  loader: { '.lua': 'text' },
  noExternal: ['@rt/protocol', '@rt/inspector', '@standard-schema/spec'],
  // The types of @rt/protocol are inlined since tsconfig.json maps it to its source: as a package it would stay a name.
  dts: quick ? false : { resolve: ['@standard-schema/spec'] },
})
