// Shows that a chaos run notices what it should: applies each patch of this folder to a built copy and expects a run to find something.
// `npm run pnpm -- --filter @rt/chaos run controls [-- name …]`; exits with 1 when one passes, for then the runs that passed are void.
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Milliseconds in which each has to be noticed, all of its runs together. */
const LIMIT = 180_000
const SECONDS = 15
const root = fileURLToPath(new URL('../../..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))
const wanted = process.argv.slice(2).filter((word) => word !== '--')

const run = (args, options) =>
  new Promise((resolve) => {
    const [command, ...rest] = args
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'], ...options })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.stdin.end(options.input ?? '')
    child.on('close', (code) => resolve({ code, output }))
  })

/** A copy whose packages find each other, and all else in the checkout. */
async function copy() {
  const folder = await mkdtemp(join(tmpdir(), 'rt-control-'))
  for (const path of ['.vitest', 'package.json', 'tsconfig.base.json'])
    await cp(join(root, path), join(folder, path), { recursive: true })
  const copied = ['protocol', 'server', 'client', 'e2e', 'chaos']
  for (const name of copied) {
    const path = join('packages', name)
    const filter = (source) => !/\/(node_modules|dist|results|\.turbo)$/.test(source)
    await cp(join(root, path), join(folder, path), { recursive: true, filter })
    const modules = join(path, 'node_modules')
    for (const entry of await readdir(join(root, modules))) {
      if (entry.startsWith('.')) continue
      const inside = entry.startsWith('@')
        ? (await readdir(join(root, modules, entry))).map((e) => `${entry}/${e}`)
        : [entry]
      for (const one of inside) {
        await mkdir(join(folder, modules, one, '..'), { recursive: true })
        const own = one.startsWith('@rt/') && copied.includes(one.slice('@rt/'.length))
        await symlink(
          own ? join(folder, 'packages', one.slice('@rt/'.length)) : join(root, modules, one),
          join(folder, modules, one),
        )
      }
    }
  }
  return folder
}

const build = (folder, name) =>
  run([process.execPath, join('node_modules', 'tsup', 'dist', 'cli-default.js')], {
    cwd: join(folder, 'packages', name),
    env: { ...process.env, RT_BUILD: 'js' },
  })

const patches = (await readdir(here))
  .filter((name) => name.endsWith('.patch') && (wanted.length === 0 || wanted.some((word) => name.includes(word))))
  .sort()
let passed = 0
const folder = await copy()
try {
  await Promise.all(['server', 'client'].map((name) => build(folder, name)))
  for (const name of patches) {
    const patch = await readFile(join(here, name), 'utf8')
    const keeping = /^keeping: (\w+)$/m.exec(patch)?.[1]
    const touched = ['server', 'client'].filter((each) => patch.includes(`a/packages/${each}/`))
    const applied = await run(['git', 'apply', '-'], { cwd: folder, input: patch })
    const built = applied.code === 0 ? await Promise.all(touched.map((each) => build(folder, each))) : []
    let says =
      applied.code === 0 && built.every(({ code }) => code === 0)
        ? null
        : `is out of date\n${applied.output}${built.map(({ output }) => output.slice(-1500)).join('\n')}`
    const started = performance.now()
    const age = () => performance.now() - started
    for (let seed = 1; says === null && age() < LIMIT; seed++) {
      const args = ['--seed', seed, '--seconds', SECONDS, '--keeping', keeping, '--small', '--again'].map(String)
      const { output } = await run(
        [process.execPath, '--import', '@rt/e2e/processes/typescript.mjs', 'src/main.ts', ...args],
        {
          cwd: join(folder, 'packages', 'chaos'),
          env: process.env,
        },
      )
      const found = /^FOUND (.*)$/m.exec(output)?.[1]
      if (found !== undefined) says = `noticed in ${Math.round(age() / 1000)} s, seed ${seed}: ${found}`
      else if (!output.includes(`seed ${seed} (`)) says = `did not run\n${output.slice(-2000)}`
    }
    if (says?.startsWith('noticed') !== true) passed++
    console.log(`${name}: ${says ?? `NOT noticed in ${Math.round(age() / 1000)} s`}`)
    if (applied.code === 0) await run(['git', 'apply', '-R', '-'], { cwd: folder, input: patch })
    // The next patch may be one of the other package.
    await Promise.all(touched.map((each) => build(folder, each)))
  }
  console.log(`${patches.length - passed} of ${patches.length} controls noticed`)
  process.exitCode = passed === 0 ? 0 : 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
