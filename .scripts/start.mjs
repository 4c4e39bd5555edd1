// `npm start`: installs what the demo needs, builds it and runs it; `npm start -- --nodes 2` hands its arguments on.
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import {
  cleanEnv,
  filesUnder,
  hashOf,
  isWindows,
  manifests,
  notePnpm,
  pnpm,
  root,
  run,
  stamp,
  stamped,
} from './lib.mjs'

const demo = join(root, 'examples', 'chat')

async function must(what, code) {
  if ((await code) !== 0) {
    console.error(`${what} failed: see above.`)
    process.exit(1)
  }
}

// Both steps are left out when nothing changed that they read.
const wanted = hashOf(manifests())
if (!stamped('demo-install', wanted) || !existsSync(join(demo, 'node_modules'))) {
  console.log('Installing what the demo needs …')
  await must('The install', pnpm(['--filter', 'chat...', 'install', '--frozen-lockfile', '--reporter=append-only']))
  notePnpm()
  stamp('demo-install', wanted)
}

const parts = ['packages/protocol', 'packages/server', 'packages/client', 'examples/chat']
const built = hashOf(
  filesUnder('pnpm-lock.yaml', 'tsconfig.base.json', ...parts).filter((file) => !/\.test\./.test(file)),
)
const outputs = ['packages/server/dist/index.js', 'packages/client/dist/index.js', 'examples/chat/dist/server/start.js']
if (!stamped('demo-build', built) || !outputs.every((file) => existsSync(join(root, file)))) {
  console.log('Building …')
  await must('The build', pnpm(['--filter', 'chat...', 'run', '--if-present', 'build'], { env: { RT_BUILD: 'js' } }))
  stamp('demo-build', built)
}

const { start } = JSON.parse(readFileSync(join(demo, 'package.json'), 'utf8')).scripts ?? {}
if (!start) {
  console.error('examples/chat/package.json has no "start" script.')
  process.exit(1)
}

// The demo's own start script, as `pnpm --filter chat start` runs it. `exec` makes the shell the demo itself, so that a
// signal reaches it.
const env = cleanEnv()
env.PATH = [join(demo, 'node_modules', '.bin'), env.PATH].join(delimiter)
const args = process.argv.slice(2)
const options = { cwd: demo, env, stdio: 'inherit' }
process.exitCode = isWindows
  ? await run(start, args, { ...options, shell: true })
  : await run('/bin/sh', ['-c', `exec ${start} "$@"`, 'sh', ...args], options)
