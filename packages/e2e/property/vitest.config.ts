import { defineConfig } from 'vitest/config'
import { doorSources, full, lua, protocolSource } from '../../../.vitest/shared.mjs'

// The doors are aliased to their sources: a mutation of a source shows without a build.
export default defineConfig({
  plugins: [lua()],
  resolve: { alias: [...protocolSource, ...doorSources] },
  test: {
    name: 'property',
    include: ['**/*.test.ts'],
    environment: 'node',
    maxWorkers: 2,
    testTimeout: full ? 1_800_000 : 240_000,
    hookTimeout: 60_000,
  },
})
