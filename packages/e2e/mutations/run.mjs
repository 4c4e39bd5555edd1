// Shows that each rule of the stream core is needed: applies each patch of this folder to a copy of the sources and expects the search through random
// schedules to find a breach. `npm run mutations [-- name …]`; exits with 1 when a patch goes unnoticed.
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))
const wanted = process.argv.slice(2)

const run = (command, args, options) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.stdin.end(options.input ?? '')
    child.on('close', (code) => resolve({ code, output }))
  })

/** A copy of what the search needs, with the installed packages of the checkout. */
async function copy() {
  const folder = await mkdtemp(join(tmpdir(), 'rt-mutation-'))
  const link = (path) => symlink(join(root, path, 'node_modules'), join(folder, path, 'node_modules'))
  for (const path of ['.vitest', 'package.json', 'tsconfig.base.json'])
    await cp(join(root, path), join(folder, path), { recursive: true })
  for (const name of ['protocol', 'server', 'client', 'e2e']) {
    const path = join('packages', name)
    const filter = (source) => !/\/(node_modules|dist|\.turbo)$/.test(source)
    await cp(join(root, path), join(folder, path), { recursive: true, filter })
    await link(path)
  }
  await link('.')
  return folder
}

async function search(folder, runs, only) {
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    '.vitest/config.mjs',
    '--project',
    'property',
    'streams',
    '--bail',
    '1',
    '--testTimeout',
    '900000',
  ]
  if (only !== undefined) args.push('-t', only)
  return run(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, RT_RUNS: String(runs), RT_TEST_SIZE: 'quick', NO_COLOR: '1' },
  })
}

const patches = (await readdir(here))
  .filter((name) => name.endsWith('.patch') && (wanted.length === 0 || wanted.some((word) => name.includes(word))))
  .sort()
const folder = await copy()
let unnoticed = 0
try {
  for (const name of patches) {
    const patch = await readFile(join(here, name), 'utf8')
    const runs = Number(/^runs: (\d+)$/m.exec(patch)?.[1] ?? 3000)
    const only = /^only: (.+)$/m.exec(patch)?.[1]
    const applied = await run('git', ['apply', '-'], { cwd: folder, input: patch })
    if (applied.code !== 0) {
      console.log(`${name}: does not apply any more\n${applied.output}`)
      unnoticed++
      continue
    }
    const started = performance.now()
    const { code, output } = await search(folder, runs, only)
    await run('git', ['apply', '-R', '-'], { cwd: folder, input: patch })
    const found = /Error: (.* after \d+ schedules)/.exec(output)?.[1]
    const seconds = Math.round((performance.now() - started) / 1000)
    if (code !== 0 && found !== undefined) console.log(`${name}: noticed in ${seconds} s: ${found}`)
    else {
      unnoticed++
      console.log(
        `${name}: NOT noticed in ${seconds} s and ${runs} schedules a case\n${code === 0 ? '' : output.slice(-2000)}`,
      )
    }
  }
  const { code, output } = wanted.length === 0 ? await search(folder, 500) : { code: 0 }
  if (code !== 0) console.log(`The sources without any patch fail:\n${output.slice(-2000)}`)
  console.log(
    `${patches.length - unnoticed} of ${patches.length} mutations noticed${wanted.length === 0 ? `; without a patch the suite is ${code === 0 ? 'green' : 'RED'}` : ''}`,
  )
  process.exitCode = unnoticed === 0 && code === 0 ? 0 : 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
