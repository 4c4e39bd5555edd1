// What the scripts of this folder share: paths, child processes, and the pnpm that they call.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '')
export const cache = join(root, 'node_modules', '.cache', 'rt')
const PNPM_MAJOR = '12'

/** The environment of every child: without what a surrounding npm, pnpm or production setting would change. */
export function cleanEnv(more = {}) {
  const env = {
    ...process.env,
    TURBO_TELEMETRY_DISABLED: '1',
    NEXT_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
    ...more,
  }
  delete env.NODE_ENV
  // In CI vitest would colour a log file.
  if (!process.stdout.isTTY && !env.FORCE_COLOR) env.NO_COLOR = '1'
  for (const name of Object.keys(env)) {
    // npm hands its own state and flags down (`npm test --silent` too), and npx and pnpm would warn of them or obey them.
    // What says how to reach a registry stays.
    if (/^npm_(package|lifecycle|command|node|execpath)/.test(name)) delete env[name]
    if (/^npm_config_/.test(name) && !/registry|proxy|_ca|auth/.test(name)) delete env[name]
  }
  return env
}

export const isWindows = process.platform === 'win32'

const children = new Set()

/** Ends the children, then this process; a child that does not listen does not hold us up. */
function end(signal) {
  if (children.size === 0) process.exit(130)
  for (const child of children) child.kill(signal)
  setTimeout(() => process.exit(130), 5000).unref()
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(signal))
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

// `npm start` runs us in a shell, and a signal to npm ends that shell but does not reach us: a new parent tells of it.
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent) end('SIGTERM')
}, 500).unref()

/** Runs a command, its output shown as it comes; resolves with the exit code. Signals are passed on to it. */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: cleanEnv(),
      ...options,
    })
    children.add(child)
    child.on('error', (error) => {
      children.delete(child)
      console.error(`${command}: ${error.message}`)
      resolve(127)
    })
    child.on('exit', (code, signal) => {
      children.delete(child)
      resolve(code ?? 128 + (constants.signals[signal] ?? 0))
    })
  })
}

/** Runs a command and gives back what it printed. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: cleanEnv(),
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  })
  return {
    code: result.status ?? 1,
    out: result.stdout ?? '',
    err: result.stderr || result.error?.message || '',
  }
}

/** Where a program is: a full path, or undefined. */
export function which(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, name)
      if (folder && existsSync(path) && statSync(path).isFile()) return path
    }
  }
  return undefined
}

let pnpmFolder

/**
 * The folder of a pnpm of the right major version: the one in PATH, the one found the last time, or one that npx fetches.
 * It is put in PATH for children, since turbo calls pnpm by name.
 */
function findPnpm() {
  if (pnpmFolder) return pnpmFolder
  const right = (path) =>
    path && existsSync(path) && capture(path, ['--version'], { cwd: dirname(path) }).out.startsWith(`${PNPM_MAJOR}.`)
  const note = join(cache, 'pnpm')
  const noted = existsSync(note) ? readFileSync(note, 'utf8') : undefined
  let found = [which('pnpm'), noted].find(right)
  if (!found) {
    const { code, out, err } = capture('npx', ['-y', '-p', `pnpm@${PNPM_MAJOR}`, '-c', 'node -p process.env.PATH'], {
      shell: isWindows,
    })
    found = out
      .split(delimiter)
      .map((folder) => join(folder, 'pnpm'))
      .find((path) => existsSync(path) && right(path))
    if (code !== 0 || !found) throw new Error(`Could not get pnpm ${PNPM_MAJOR} by npx:\n${err || out}`)
  }
  pnpmFolder = dirname(found)
  return pnpmFolder
}

/** The environment in which `pnpm` is a command. */
export function pnpmEnv(more = {}) {
  const env = cleanEnv({ CI: 'true', ...more })
  env.PATH = `${findPnpm()}${delimiter}${env.PATH ?? ''}`
  return env
}

/** A program of the tools' package beside this file. */
export const tool = (name) => join(root, '.scripts', 'node_modules', '.bin', name)

export const turbo = (args) => run(tool('turbo'), args, { shell: isWindows, env: pnpmEnv() })

export const pnpm = (args, options = {}) =>
  run('pnpm', args, { shell: isWindows, ...options, env: pnpmEnv(options.env) })

/** Keeps the found pnpm for the next run; after an install, since only then is there a node_modules. */
export function notePnpm() {
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, 'pnpm'), join(findPnpm(), 'pnpm'))
}

const MADE = ['node_modules', 'dist', '.turbo', '.git', '.next', 'coverage']

/** All files under the given paths (relative to the root), without folders that are made or installed. */
export const filesUnder = (...paths) => listFiles(paths, MADE)

export function listFiles(paths, skipped = ['node_modules']) {
  const files = []
  const walk = (path) => {
    if (!existsSync(path)) return
    if (statSync(path).isFile()) files.push(path)
    else for (const name of readdirSync(path)) if (!skipped.includes(name)) walk(join(path, name))
  }
  for (const path of paths) walk(resolve(root, path))
  return files.sort()
}

/** One hash over names and contents. */
export function hashOf(files) {
  const hash = createHash('sha256').update(process.version)
  for (const file of files) hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file))
  return hash.digest('hex')
}

/** True if the same hash was stamped under this name before. */
export function stamped(name, hash) {
  const path = join(cache, `${name}.stamp`)
  return existsSync(path) && readFileSync(path, 'utf8') === hash
}

export function stamp(name, hash) {
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, `${name}.stamp`), hash)
}

/** What decides what gets installed. */
export const manifests = () =>
  filesUnder('pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'packages', 'examples').filter((file) =>
    /(pnpm-lock\.yaml|pnpm-workspace\.yaml|package\.json)$/.test(file),
  )
