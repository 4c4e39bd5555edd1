// docs/architecture.md against the sources: who imports whom, which rooms there are, which rules have a mutation.
import { describe, expect, it } from 'vitest'
import { exists, filesIn, importsOf, isFolder, quoted, read, tableBelow } from './files'

const page = read('docs/architecture.md')

interface Room {
  readonly path: string
  /** What it may import: true when types alone. */
  readonly may: ReadonlyMap<string, boolean>
}

const rooms: Room[] = tableBelow(page, '<!-- imports -->').map(([name = '', list = '']) => ({
  path: quoted(name)[0] as string,
  may: new Map(
    [...list.matchAll(/`([^`]+)`( \(types\))?/g)].map(([, to, types]) => [to as string, types !== undefined]),
  ),
}))

/** `packages/server/src/core/hub.ts` → `server/core/hub.ts` */
const short = (file: string): string => file.replace(/^packages\/(\w+)\/src\//, '$1/')

/** The room of a file: the longest row that its path begins with. */
function roomOf(file: string): Room | undefined {
  const name = short(file)
  return rooms
    .filter(({ path }) => name === path || name.startsWith(`${path}/`))
    .sort((a, b) => b.path.length - a.path.length)[0]
}

const sources = ['protocol', 'server', 'client', 'inspector']
  .flatMap((name) => filesIn(`packages/${name}/src`, /\.tsx?$/))
  .filter((file) => !/\.(test|test-d|fixture)\.tsx?$/.test(file))

/** Every file and package that is loaded with a file, or later by one of its imports. */
function loadedBy(file: string, late: boolean, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const { specifier, target, typeOnly, dynamic } of importsOf(file)) {
    if (typeOnly || (dynamic && !late)) continue
    if (target === null) seen.add(specifier)
    else if (target.endsWith('.ts')) loadedBy(target, late, seen)
  }
  return seen
}

describe('the import table', () => {
  it.each(sources)('%s imports what its room may', (file) => {
    const room = roomOf(file)
    expect(room, 'a row for this file').toBeDefined()
    const wrong = importsOf(file).flatMap(({ specifier, target, typeOnly }) => {
      const to =
        target === null ? (specifier === '@rt/protocol' ? 'protocol' : specifier) : (roomOf(target)?.path ?? target)
      if (to === room?.path) return []
      const typesAlone = room?.may.get(to)
      if (typesAlone === undefined) return [`${to} (${specifier})`]
      return typesAlone && !typeOnly ? [`${to} (${specifier}) for more than types`] : []
    })
    expect(wrong).toEqual([])
  })

  it('names rooms that exist, and allows nothing that nobody uses', () => {
    for (const { path, may } of rooms) {
      expect(exists(path.replace(/^(\w+)/, 'packages/$1/src')), path).toBe(true)
      const files = sources.filter((file) => roomOf(file)?.path === path)
      const used = new Set(
        files.flatMap((file) =>
          importsOf(file).map(({ specifier, target }) =>
            target === null ? (specifier === '@rt/protocol' ? 'protocol' : specifier) : roomOf(target)?.path,
          ),
        ),
      )
      expect(
        [...may.keys()].filter((to) => !used.has(to)),
        `unused by ${path}`,
      ).toEqual([])
    }
  })
})

describe('beside the table', () => {
  it('core uses nothing of Node, no ws and no ioredis', () => {
    const outside = filesIn('packages/server/src/core', /\.ts$/)
      .filter((file) => !/\.(test|fixture)\.ts$/.test(file))
      .flatMap(importsOf)
      .filter(({ target, specifier }) => target === null && !/^@(rt\/protocol|standard-schema\/spec)$/.test(specifier))
    expect(outside).toEqual([])
  })

  it('nothing that hosts/fetch.ts loads is ws, and the door loads it late', () => {
    expect(loadedBy('packages/server/src/hosts/fetch.ts', true)).not.toContain('ws')
    expect(loadedBy('packages/server/src/index.ts', false)).not.toContain('ws')
    expect(loadedBy('packages/server/src/index.ts', true)).toContain('ws')
  })

  it('only @rt/server/redis loads ioredis', () => {
    expect(loadedBy('packages/server/src/index.ts', true)).not.toContain('ioredis')
    expect(loadedBy('packages/server/src/testing/index.ts', false)).not.toContain('ioredis')
    expect(loadedBy('packages/server/src/redis.ts', false)).toContain('ioredis')
  })

  it('no other door of the server loads prom-client or OpenTelemetry', () => {
    for (const door of ['index', 'redis', 'testing/index']) {
      const loaded = loadedBy(`packages/server/src/${door}.ts`, true)
      expect(loaded).not.toContain('prom-client')
      expect(loaded).not.toContain('@opentelemetry/api')
    }
    expect(loadedBy('packages/server/src/prometheus.ts', true)).toContain('prom-client')
  })

  it('server and client do not import each other', () => {
    for (const [side, other] of [
      ['server', 'client'],
      ['client', 'server'],
    ] as const) {
      const files = filesIn(`packages/${side}/src`, /\.tsx?$/)
      const wrong = files.filter((file) =>
        importsOf(file).some(
          ({ specifier, target }) =>
            specifier.startsWith(`@rt/${other}`) || target?.startsWith(`packages/${other}/`) === true,
        ),
      )
      expect(wrong).toEqual([])
    }
  })

  it('e2e, bench and examples use published doors', () => {
    const doors = ['server', 'client'].flatMap((name) => {
      const { exports } = JSON.parse(read(`packages/${name}/package.json`)) as { exports: Record<string, unknown> }
      return Object.keys(exports).map((door) => `@rt/${name}${door.slice(1)}`)
    })
    for (const folder of ['packages/e2e', 'packages/bench', 'examples']) {
      for (const file of filesIn(folder, /\.(tsx?|mjs)$/)) {
        const allowed = [...doors]
        if (folder === 'packages/e2e') allowed.push('@rt/protocol')
        if (file.startsWith('packages/e2e/src/fuzz/')) allowed.push('@rt/protocol/fuzz')
        if (file.startsWith('packages/e2e/property/')) allowed.push('@rt/server/internal', '@rt/client/internal')
        for (const { specifier, target } of importsOf(file)) {
          if (specifier.startsWith('@rt/')) expect(allowed, `${file}: ${specifier}`).toContain(specifier)
          if (target !== null)
            expect(target, `${file}: ${specifier}`).not.toMatch(/^packages\/(protocol|server|client)\//)
        }
      }
    }
  })
})

describe('the rooms', () => {
  const named = tableBelow(page, '## Rooms').map(([path = '']) => quoted(path)[0] as string)

  it('exist', () => {
    for (const path of named) expect(isFolder(path), path).toBe(true)
  })

  it('are all named', () => {
    const folders = [
      ...sources,
      ...filesIn('packages/e2e', /\.(tsx?|mjs|patch)$/),
      ...filesIn('packages/bench', /\.mjs$/),
    ]
      .map((file) => file.slice(0, file.lastIndexOf('/')))
      .filter((folder) => folder !== 'packages/e2e')
    const src = /^packages\/(protocol|server|client|inspector)\/src$/
    const unnamed = [...new Set(folders)].filter(
      (folder) => !named.some((room) => folder === room || (folder.startsWith(`${room}/`) && !src.test(room))),
    )
    expect(unnamed).toEqual([])
  })

  it('and files that are named elsewhere on the page exist', () => {
    const parts = page.slice(page.indexOf('## The way of a publication'), page.indexOf('## Defaults'))
    for (const path of quoted(parts).filter((text) => /^[\w-]+(\/[\w-]+)+\.(ts|lua)$/.test(text))) {
      const places = ['server', 'client'].map((name) => `packages/${name}/src/${path}`)
      expect(places.some(exists), path).toBe(true)
    }
  })
})

it('each rule has a mutation, and each mutation a rule', () => {
  const rules = tableBelow(page, '## The rules of the stream core').map(([, patch = '']) => quoted(patch)[0])
  const patches = filesIn('packages/e2e/mutations', /\.patch$/).map((file) => file.replace(/^.*\/|\.patch$/g, ''))
  expect(rules).toEqual(patches.sort())
})
