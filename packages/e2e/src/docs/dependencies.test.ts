// docs/dependencies.md against every package.json of the repository.
import { expect, it } from 'vitest'
import { filesIn, quoted, read, tableBelow } from './files'

type Names = Readonly<Record<string, string>>
interface Manifest {
  readonly name: string
  readonly dependencies?: Names
  readonly devDependencies?: Names
  readonly peerDependencies?: Names
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

const manifests = [
  'package.json',
  '.scripts/package.json',
  ...filesIn('packages', /^package\.json$/),
  ...filesIn('examples', /^package\.json$/),
].map((file) => JSON.parse(read(file)) as Manifest)

const page = read('docs/dependencies.md')
const rows = ['## Published packages', '## Bundled', '## Development'].flatMap((mark) => tableBelow(page, mark))
const told = rows.map(([name = '', dependency = '', kind]) => `${quoted(name)[0]} ${quoted(dependency)[0]} ${kind}`)

it('docs/dependencies.md names each dependency once, with its kind', () => {
  const declared = manifests.flatMap((manifest) => {
    const { name, dependencies = {}, devDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifest
    return [
      ...Object.keys(dependencies).map((dependency) => `${name} ${dependency} runtime`),
      ...Object.keys(devDependencies).map((dependency) => `${name} ${dependency} dev`),
      ...Object.keys(peerDependencies).map(
        (peer) => `${name} ${peer} ${peerDependenciesMeta[peer]?.optional === true ? 'optional peer' : 'peer'}`,
      ),
    ]
  })
  expect(told.sort()).toEqual(declared.sort())
})

it('each has a reason', () => {
  expect(rows.filter(([, , , reason = '']) => reason.length < 5)).toEqual([])
})

it('what the builds bundle stands under its heading', () => {
  const bundled = tableBelow(page, '## Bundled').map(
    ([name = '', dependency = '']) => `${quoted(name)[0]} ${quoted(dependency)[0]}`,
  )
  const built = ['server', 'client'].flatMap((name) => {
    const list = /noExternal: \[(.*)\]/.exec(read(`packages/${name}/tsup.config.ts`))?.[1] ?? ''
    return [...list.matchAll(/'([^']+)'/g)].map(([, dependency]) => `@rt/${name} ${dependency}`)
  })
  expect(bundled.sort()).toEqual(built.sort())
})
