// Checks the published packages as a user gets them: packed, installed by npm into an empty project. Called by test.mjs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { capture, listFiles, pnpmEnv, root, tool } from './lib.mjs'

const PUBLISHED = ['server', 'client']
/** Doors that need an optional peer; every other one must load without any. */
const PEERS = { '@rt/server/redis': ['ioredis@6'], '@rt/client/react': ['react@19', '@types/react@19'] }
/** What an installed package may bring along. */
const DEPENDENCIES = { '@rt/server': ['ws'], '@rt/client': [] }
/** Packages that are bundled, so that an installed one must not name them. */
const PRIVATE = /['"](@rt\/protocol|@standard-schema\/spec|eventsource-parser)['"]/

const bin = (name) => join(root, 'node_modules', '.bin', name)

export async function checkPackages(folder) {
  const counts = { passed: 0, failed: 0 }
  const check = (name, problem) => {
    console.log(`${problem ? '✗' : '✓'} ${name}${problem ? `\n${problem.trim().replace(/^/gm, '    ')}` : ''}`)
    counts[problem ? 'failed' : 'passed']++
    return !problem
  }
  const command = (name, file, args, options) => {
    const { code, out, err } = capture(file, args, options)
    return check(name, code === 0 ? undefined : `exit code ${code}\n${out}${err}`)
  }

  const packed = []
  for (const name of PUBLISHED) {
    const target = join(folder, name)
    mkdirSync(target, { recursive: true })
    const file = join(target, `${name}.tgz`)
    // `pnpm pack`, since npm's leaves workspace: in the manifest.
    const options = { cwd: join(root, 'packages', name), env: pnpmEnv() }
    if (!command(`${name}: pack`, 'pnpm', ['pack', '--out', file], options)) continue
    command(`${name}: publint --strict`, tool('publint'), ['run', '--strict', file])
    command(`${name}: attw`, tool('attw'), [file, '--profile', 'esm-only', '--no-emoji', '--no-color'])
    packed.push({ name, file })
  }
  if (packed.length < PUBLISHED.length) return counts

  const all = project(join(folder, 'all'))
  const files = packed.map(({ file }) => file)
  if (!command('npm install of both into an empty project', 'npm', install(files), { cwd: all })) return counts

  const doors = []
  for (const { name } of packed) {
    const place = join(all, 'node_modules', '@rt', name)
    const manifest = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'))
    const names = Object.keys(manifest.exports)
      .filter((door) => !door.endsWith('.json'))
      .map((door) => manifest.name + door.slice(1))
    doors.push(...names)
    check(`${name}: no workspace: or catalog: in package.json`, found(JSON.stringify(manifest), /workspace:|catalog:/))
    const contents = listFiles([place])
    const types = contents.filter((file) => file.endsWith('.d.ts'))
    check(
      `${name}: types say nothing of private or bundled packages`,
      types.length === 0
        ? 'no .d.ts in the package'
        : types.map((file) => found(readFileSync(file, 'utf8'), PRIVATE, file)).find(Boolean),
    )
    const dependencies = Object.keys(manifest.dependencies ?? {})
    const extra = dependencies.filter((dependency) => !DEPENDENCIES[manifest.name].includes(dependency))
    check(`${name}: dependencies are those allowed`, extra.length > 0 ? `also: ${extra.join(', ')}` : undefined)
    check(
      `${name}: brings its licence`,
      contents.some((file) => file.endsWith('LICENSE')) ? undefined : 'no LICENSE in the package',
    )
  }

  const load = (door) => {
    // The process must end by itself: loading a door starts nothing.
    const options = { cwd: all, timeout: 20_000 }
    const byImport = `await import(${JSON.stringify(door)})`
    command(`import ${door}`, process.execPath, ['--input-type=module', '-e', byImport], options)
    command(`require ${door}`, process.execPath, ['-e', `require(${JSON.stringify(door)})`], options)
  }
  for (const door of doors) if (!PEERS[door]) load(door)
  const peers = doors.flatMap((door) => PEERS[door] ?? [])
  command('npm install of the optional peers', 'npm', install(['@types/node@20', ...peers]), { cwd: all })
  for (const door of doors) if (PEERS[door]) load(door)
  command('types as a strict user with nodenext compiles them', bin('tsc'), typescript(all, doors, ['node']))

  const clientOnly = project(join(folder, 'client-only'))
  const client = packed.find(({ name }) => name === 'client')
  if (command('npm install of the client alone', 'npm', install([client.file]), { cwd: clientOnly })) {
    const listed = capture('npm', ['ls', '--all', '--parseable'], { cwd: clientOnly }).out.trim().split('\n').slice(1)
    check('the client alone brings nothing else', listed.length === 1 ? undefined : listed.join('\n'))
    const clientDoors = doors.filter((door) => door.startsWith('@rt/client') && !PEERS[door])
    command('client types without Node types', bin('tsc'), typescript(clientOnly, clientDoors, []))
    await browserBundle(clientOnly, check)
  }
  return counts
}

const found = (text, pattern, file = '') => {
  const match = text.match(pattern)
  return match ? `${file} ${match[0]}` : undefined
}

const install = (what) => ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error', ...what]

function project(folder) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true }))
  return folder
}

/** The arguments of tsc for a project that uses the doors, libraries' types checked too. */
function typescript(folder, doors, types) {
  const lines = doors.map((door, i) => `export * as d${i} from ${JSON.stringify(door)}`)
  writeFileSync(join(folder, 'use.mts'), `${lines.join('\n')}\n`)
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable', 'esnext.disposable'],
    noEmit: true,
    types,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.mts'] }))
  return ['-p', folder]
}

/** Bundles the client for a page with esbuild (the one that tsup has): no package may be missing, no Node module used. */
async function browserBundle(folder, check) {
  const tsup = createRequire(join(root, 'packages/client/package.json')).resolve('tsup')
  const { build } = createRequire(tsup)('esbuild')
  writeFileSync(join(folder, 'page.mjs'), `export * from '@rt/client'\n`)
  try {
    const { outputFiles, warnings } = await build({
      absWorkingDir: folder,
      entryPoints: ['page.mjs'],
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      logLevel: 'silent',
    })
    const size = gzipSync(outputFiles[0].contents).length
    check(
      `client bundles for a browser (${size} bytes minified and gzipped)`,
      warnings.length > 0 ? warnings.map(({ text }) => text).join('\n') : undefined,
    )
  } catch (error) {
    check('client bundles for a browser', String(error))
  }
}
