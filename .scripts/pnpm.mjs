// `npm run pnpm -- add -D x --filter @rt/server`: pnpm without a pnpm on the machine.
import { pnpm } from './lib.mjs'

process.exitCode = await pnpm(process.argv.slice(2), { stdio: 'inherit' })
