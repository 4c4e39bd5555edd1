// What every vitest project of the repo shares; used by the vitest.config.ts of each package.
import { fileURLToPath } from 'node:url'

const source = (path) => fileURLToPath(new URL(`../packages/${path}`, import.meta.url))

/** Lua scripts are imported as text, as tsup does it. */
export const lua = () => ({
  name: 'lua',
  enforce: 'pre',
  transform: (code, id) =>
    id.endsWith('.lua') ? { code: `export default ${JSON.stringify(code)}`, map: null } : undefined,
})

/** The private package has no build: its source is used everywhere. */
export const protocolSource = [{ find: /^@rt\/protocol$/, replacement: source('protocol/src/index.ts') }]

/** The published doors as sources, so that a change of a source (a mutation) shows without a build. */
export const doorSources = [
  { find: /^@rt\/(server|client)$/, replacement: source('$1/src/index.ts') },
  { find: /^@rt\/server\/(redis|prometheus|opentelemetry)$/, replacement: source('server/src/$1.ts') },
  { find: /^@rt\/(server|client)\/testing$/, replacement: source('$1/src/testing/index.ts') },
  { find: /^@rt\/(server|client)\/internal$/, replacement: source('$1/src/testing/internal.ts') },
  { find: /^@rt\/client\/react$/, replacement: source('client/src/react/index.ts') },
]

/** `npm run test:full` sets RT_TEST_SIZE=full; tests read it for their number of runs. */
export const full = process.env.RT_TEST_SIZE === 'full'
