// `npm start`: installs what the demo needs, builds it and runs it; `npm start -- --nodes 2` hands its arguments on, and
// `npm start -- notifications` takes another example than the chat.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
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

const args = process.argv.slice(2)
const name = args[0]?.startsWith('-') === false ? args.shift() : 'chat'
const demo = join(root, 'examples', name)
const examples = readdirSync(join(root, 'examples')).filter((each) =>
  existsSync(join(root, 'examples', each, 'package.json')),
)
if (!examples.includes(name)) {
  console.error(`There is no example ${name}. There are: ${examples.join(', ')}.`)
  process.exit(2)
}

const { name: packageName, scripts } = JSON.parse(readFileSync(join(demo, 'package.json'), 'utf8'))

async function must(what, code) {
  if ((await code) !== 0) {
    console.error(`${what} failed: see above.`)
    process.exit(1)
  }
}

// Both steps are left out when nothing changed that they read.
const wanted = hashOf(manifests())
if (!stamped(`${name}-install`, wanted) || !existsSync(join(demo, 'node_modules'))) {
  console.log('Installing what the demo needs …')
  await must(
    'The install',
    pnpm(['--filter', `${packageName}...`, 'install', '--frozen-lockfile', '--reporter=append-only']),
  )
  notePnpm()
  stamp(`${name}-install`, wanted)
}

const parts = ['packages/protocol', 'packages/inspector', 'packages/server', 'packages/client', `examples/${name}`]
const built = hashOf(
  filesUnder('pnpm-lock.yaml', 'tsconfig.base.json', ...parts).filter(
    (file) => !/\.test\.|\.tsbuildinfo$|next-env\.d\.ts$/.test(file),
  ),
)
const outputs = [
  'packages/server/dist/index.js',
  'packages/client/dist/index.js',
  `examples/${name}/${scripts.build === 'next build' ? '.next/BUILD_ID' : 'dist'}`,
]
if (!stamped(`${name}-build`, built) || !outputs.every((file) => existsSync(join(root, file)))) {
  console.log('Building …')
  await must(
    'The build',
    pnpm(['--filter', `${packageName}...`, 'run', '--if-present', 'build'], { env: { RT_BUILD: 'js' } }),
  )
  stamp(`${name}-build`, built)
}

const { start } = scripts
if (!start) {
  console.error(`examples/${name}/package.json has no "start" script.`)
  process.exit(1)
}

// The demo's own start script, as `pnpm --filter chat start` runs it. `exec` makes the shell the demo itself, so that a
// signal reaches it.
const env = cleanEnv()
env.PATH = [join(demo, 'node_modules', '.bin'), env.PATH].join(delimiter)
const options = { cwd: demo, env, stdio: 'inherit' }
process.exitCode = isWindows
  ? await run(start, args, { ...options, shell: true })
  : await run('/bin/sh', ['-c', `exec ${start} "$@"`, 'sh', ...args], options)
