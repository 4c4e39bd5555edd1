import { defineConfig } from 'vitest/config'
import { lua, protocolSource } from '../../.vitest/shared.mjs'

// Through the built doors: build first (`npm run build`).
export default defineConfig({
  plugins: [lua()],
  resolve: { alias: protocolSource },
  test: {
    name: 'e2e',
    // The tests of the examples are such as apps have.
    include: ['src/**/*.test.{ts,tsx}', '../../examples/*/src/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
  },
})
