import { defineConfig } from 'vitest/config'

// Through the built doors: build first (`npm run build`).
export default defineConfig({
  test: {
    name: 'chaos',
    include: ['src/**/*.test.ts'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 240_000,
  },
})
