// Packs the published packages and looks at what is in them.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { listFiles, pnpmEnv, root, tool } from '../lib.mjs'

const PUBLISHED = ['server', 'client']
/** What an installed package may bring along. */
const DEPENDENCIES = { '@rt/server': ['ws'], '@rt/client': [] }
/** Packages that are bundled, so that an installed one must not name them. */
const PRIVATE = /['"](@rt\/protocol|@rt\/inspector\/\w+|@standard-schema\/spec|eventsource-parser)['"]/

/** Returns the packed files by the packages' short names; null when one could not be packed. */
export function pack(folder, report) {
  const packed = {}
  for (const name of PUBLISHED) {
    const target = join(folder, name)
    mkdirSync(target, { recursive: true })
    const file = join(target, `${name}.tgz`)
    // `pnpm pack`, since npm's leaves workspace: in the manifest.
    const options = { cwd: join(root, 'packages', name), env: pnpmEnv() }
    if (!report.command(`${name}: pack`, 'pnpm', ['pack', '--out', file], options)) continue
    report.command(`${name}: publint --strict`, tool('publint'), ['run', '--strict', file])
    report.command(`${name}: attw`, tool('attw'), [file, '--profile', 'esm-only', '--no-emoji', '--no-color'])
    packed[name] = file
  }
  return Object.keys(packed).length === PUBLISHED.length ? packed : null
}

/** Looks at the packages installed in `folder`; returns their doors. */
export function checkContents(folder, report) {
  const doors = []
  for (const name of PUBLISHED) {
    const place = join(folder, 'node_modules', '@rt', name)
    const manifest = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'))
    const names = Object.keys(manifest.exports)
      .filter((door) => !door.endsWith('.json'))
      .map((door) => manifest.name + door.slice(1))
    doors.push(...names)
    report.check(
      `${name}: no workspace: or catalog: in package.json`,
      found(JSON.stringify(manifest), /workspace:|catalog:/),
    )
    const contents = listFiles([place])
    const types = contents.filter((file) => file.endsWith('.d.ts'))
    report.check(
      `${name}: types say nothing of private or bundled packages`,
      types.length === 0
        ? 'no .d.ts in the package'
        : types.map((file) => found(readFileSync(file, 'utf8'), PRIVATE, file)).find(Boolean),
    )
    const dependencies = Object.keys(manifest.dependencies ?? {})
    const extra = dependencies.filter((dependency) => !DEPENDENCIES[manifest.name].includes(dependency))
    report.check(`${name}: dependencies are those allowed`, extra.length > 0 ? `also: ${extra.join(', ')}` : undefined)
    report.check(
      `${name}: brings its licence`,
      contents.some((file) => file.endsWith('LICENSE')) ? undefined : 'no LICENSE in the package',
    )
  }
  return doors
}

const found = (text, pattern, file = '') => {
  const match = text.match(pattern)
  return match ? `${file} ${match[0]}` : undefined
}
