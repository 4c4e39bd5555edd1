// An empty project of a user, and what is installed into it.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { capture } from '../lib.mjs'

const programs = fileURLToPath(new URL('programs', import.meta.url))

/** A folder with a package.json and the programs of this folder. */
export function project(folder) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true }))
  cpSync(programs, folder, { recursive: true })
  return folder
}

/** Installs by npm; returns what went wrong, or undefined. */
export function install(folder, what) {
  const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  const { code, out, err } = capture('npm', ['install', ...flags, ...what], { cwd: folder })
  return code === 0 ? undefined : `exit code ${code}\n${out}${err}`
}
