import { defineConfig } from 'tsup'

// The server of one's own only (server.ts); Next builds the app.
export default defineConfig({
  entry: ['server.ts'],
  format: 'esm',
  target: 'es2022',
  platform: 'node',
  silent: true,
})
