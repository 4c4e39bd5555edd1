// `npm run pnpm -- add -D x --filter @rt/server`: pnpm without a pnpm on the machine; with --turbo, turbo, which calls pnpm.
import { pnpm, turbo } from './lib.mjs'

const args = process.argv.slice(2)
process.exitCode = args[0] === '--turbo' ? await turbo(args.slice(1)) : await pnpm(args, { stdio: 'inherit' })
