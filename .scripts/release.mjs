// `npm run release`: publishes those of the packages whose version is not on the registry yet, and tags them; `-- --dry-run` does all but that. The release
// workflow calls it, with `--provenance`. Not `changeset publish`, which hands no such flag on and calls the pnpm that it finds.
import { pnpm, run, tool, turbo } from './lib.mjs'

const flags = process.argv.slice(2)

await must(turbo(['run', 'build', '--filter=./packages/*']))
await must(
  pnpm([
    '--recursive',
    '--filter=@rt/server',
    '--filter=@rt/client',
    'publish',
    '--access=public',
    '--no-git-checks',
    ...flags,
  ]),
)
if (!flags.includes('--dry-run')) await must(run(tool('changeset'), ['tag']))

async function must(running) {
  const code = await running
  if (code !== 0) process.exit(code)
}
