// All projects in one run: `npm run vitest -- --project server`. Each package has its own vitest.config.ts as well.
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    // Most of the time the tests wait; vitest would take one worker on two cores. Projects whose tests do much choose for themselves.
    maxWorkers: 3,
    projects: [
      'packages/protocol/vitest.config.ts',
      'packages/server/vitest.config.ts',
      'packages/client/vitest.config.ts',
      'packages/inspector/vitest.config.ts',
      'packages/e2e/vitest.config.ts',
      'packages/e2e/property/vitest.config.ts',
      'packages/chaos/vitest.config.ts',
    ],
  },
})
