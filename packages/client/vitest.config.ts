import { defineConfig } from 'vitest/config'
import { lua, protocolSource } from '../../.vitest/shared.mjs'

export default defineConfig({
  plugins: [lua()],
  resolve: { alias: protocolSource },
  test: {
    name: 'client',
    include: ['src/**/*.test.{ts,tsx}'],
    environment: 'node',
    restoreMocks: true,
    testTimeout: 30_000,
  },
})
