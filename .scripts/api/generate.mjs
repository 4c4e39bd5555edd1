// Writes the API reference, docs/api, from the comments in the sources of the published doors: `npm run api`. With `--check` it compares instead: it fails when
// a page is not what the sources say now, when an export has no comment, or when a link in one leads nowhere.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Application, ReflectionKind } from 'typedoc'
import { root } from '../lib.mjs'

/** The pages, and the doors' sources below `packages`. */
const DOORS = {
  server: 'server/src/index.ts',
  'server-redis': 'server/src/redis.ts',
  'server-prometheus': 'server/src/prometheus.ts',
  'server-opentelemetry': 'server/src/opentelemetry.ts',
  'server-testing': 'server/src/testing/index.ts',
  client: 'client/src/index.ts',
  'client-react': 'client/src/react/index.ts',
  'client-testing': 'client/src/testing/index.ts',
}

const reference = join(root, 'docs', 'api')
const { values: options } = parseArgs({ options: { check: { type: 'boolean' } } })

const target = options.check ? mkdtempSync(join(tmpdir(), 'rt-api-')) : reference
const problems = await generate(target)
if (options.check) {
  const old = readPages(reference)
  const current = readPages(target)
  rmSync(target, { recursive: true, force: true })
  for (const page of new Set([...old.keys(), ...current.keys()])) {
    if (old.get(page) !== current.get(page)) problems.push(`docs/api/${page} is not what the sources say: npm run api`)
  }
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0

/** Writes the pages; returns what is wrong with the comments. */
async function generate(out) {
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    entryPoints: Object.values(DOORS).map((file) => join(root, 'packages', file)),
    tsconfig: join(root, '.scripts', 'api', 'tsconfig.json'),
    out,
    name: 'API reference',
    // The stage `types` does that.
    skipErrorChecking: true,
    readme: 'none',
    disableSources: true,
    excludePrivate: true,
    excludeExternals: true,
    logLevel: 'Warn',
    validation: { notExported: false, notDocumented: false, invalidLink: true },
    sort: ['kind', 'source-order'],
    kindSortOrder: ['Function', 'Class', 'Interface', 'TypeAlias', 'Variable'],
    groupOrder: ['Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Variables', '*'],
    outputFileStrategy: 'modules',
    flattenOutputFiles: true,
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    // Its count of headings of one name is not the one that readers of Markdown make.
    useHTMLAnchors: true,
    expandParameters: true,
    parametersFormat: 'table',
    pageTitleTemplates: { module: ({ rawName }) => `@rt/${rawName.replace('-', '/')}` },
  })
  const project = await app.convert()
  if (!project) return ['typedoc could not read the sources.']
  const doors = project.getChildrenByKind(ReflectionKind.Module)
  const pages = new Map(Object.entries(DOORS).map(([page, file]) => [file.replace(/(\/index)?\.ts$/, ''), page]))
  for (const door of doors) door.name = pages.get(door.name) ?? door.name
  app.validate(project)
  await app.generateOutputs(project)
  const bare = doors.flatMap((door) => (door.children ?? []).filter((one) => !hasComment(one)))
  return [
    ...bare.map((one) => `${one.parent.name}: ${one.name} has no comment.`),
    ...(app.logger.hasErrors() || app.logger.hasWarnings() ? ['typedoc warned, see above.'] : []),
  ]
}

function hasComment(one) {
  // What two doors have is told at one of them.
  if (one.kindOf(ReflectionKind.Reference)) return true
  return one.hasComment() || (one.signatures ?? []).some((signature) => signature.hasComment())
}

function readPages(folder) {
  return new Map(readdirSync(folder).map((page) => [page, readFileSync(join(folder, page), 'utf8')]))
}
