// `npm test`: sets the machine up, installs, and runs all stages in order; `-- --only unit,lint` runs some of them.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { cleanEnv, filesUnder, notePnpm, pnpm, root, run, tool, turbo } from './lib.mjs'
import { checkPackages } from './packages/stage.mjs'
import { setup } from './setup.mjs'

const { values: options } = parseArgs({
  options: { size: { type: 'string' }, only: { type: 'string' }, help: { type: 'boolean' } },
})

const started = performance.now()
const temp = mkdtempSync(join(tmpdir(), 'rt-test-'))
process.on('exit', () => rmSync(temp, { recursive: true, force: true }))

/** What tests read: where the programs are, and how much to run. Filled by the set-up. */
const testEnv = { RT_TEST_SIZE: options.size ?? process.env.RT_TEST_SIZE ?? 'quick' }
let missing = []

const bin = (name) => join(root, 'node_modules', '.bin', name)
const one = async (code) => ((await code) === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 })
const task = (name, ...more) =>
  one(turbo(['run', name, ...more, '--output-logs=errors-only', '--continue=dependencies-successful']))

/** Runs vitest projects; every test is counted, every skipped one named. `more`: further arguments. */
async function vitest(projects, folders, ...more) {
  const tests = filesUnder(...folders).filter((file) => /\.test\.tsx?$/.test(file))
  if (tests.length === 0) throw new Error(`${folders.join(', ')}: there are no test files.`)
  const report = join(temp, `${projects.join('-')}.json`)
  rmSync(report, { force: true })
  const code = await run(
    bin('vitest'),
    [
      'run',
      '--config=.vitest/config.mjs',
      ...projects.map((project) => `--project=${project}`),
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...more,
    ],
    { env: cleanEnv(testEnv) },
  )
  const result = { passed: 0, failed: 0, notRun: [] }
  if (existsSync(report)) {
    for (const file of JSON.parse(readFileSync(report, 'utf8')).testResults) {
      const name = relative(root, file.name)
      if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) result.failed++
      for (const test of file.assertionResults) {
        if (test.status === 'passed') result.passed++
        else if (test.status === 'failed') result.failed++
        else result.notRun.push(`${name}: ${[...test.ancestorTitles, test.title].join(' > ')}`)
      }
    }
  }
  // An error outside of any test (or no report at all) is a failure as well.
  if (code !== 0 && result.failed === 0) result.failed = 1
  return result
}

/** Folders of tests in which a process that gets no time for seconds looks like a fault: with fewer of them at once. */
const TIMED = ['presence', 'processes', 'herds', 'ladder', 'sharing']

/** Those that take all of a machine, so that nothing which is timed runs beside them. */
const HEAVY = ['floods']

const stages = [
  {
    name: 'setup',
    always: true,
    run: () => {
      const found = setup()
      Object.assign(testEnv, found.env)
      missing = found.missing
      return {}
    },
  },
  {
    name: 'install',
    always: true,
    vital: true,
    run: async () => {
      const result = await one(pnpm(['install', '--frozen-lockfile']))
      if (result.failed === 0) notePnpm()
      return result
    },
  },
  {
    name: 'lint',
    run: async () => {
      const sources = await one(run(tool('biome'), ['check', '--max-diagnostics=50']))
      const reference = await one(run(process.execPath, [join(root, '.scripts', 'api', 'generate.mjs'), '--check']))
      return { passed: sources.passed + reference.passed, failed: sources.failed + reference.failed }
    },
  },
  // The Next.js example is built by its own tests, with what they add to it.
  { name: 'build', run: () => task('build', '--filter=!notifications') },
  { name: 'types', needs: 'build', run: () => task('typecheck') },
  {
    name: 'unit',
    // It waits for much of its time, and types never do.
    beside: 'types',
    run: () =>
      vitest(
        ['protocol', 'server', 'client', 'inspector'],
        ['packages/protocol', 'packages/server', 'packages/client', 'packages/inspector'],
      ),
  },
  {
    name: 'packages',
    needs: 'build',
    run: () =>
      checkPackages(join(temp, 'packages'), {
        full: testEnv.RT_TEST_SIZE === 'full',
        chromium: testEnv.CHROMIUM_PATH,
      }),
  },
  { name: 'property', beside: 'packages', run: () => vitest(['property'], ['packages/e2e/property']) },
  {
    name: 'e2e',
    needs: 'build',
    run: () =>
      vitest(
        ['e2e'],
        ['packages/e2e/src'],
        '--maxWorkers=4',
        ...[...TIMED, ...HEAVY].map((name) => `--exclude=**/src/${name}/**`),
      ),
  },
  {
    name: 'faults',
    needs: 'build',
    run: () =>
      vitest(
        ['e2e'],
        TIMED.map((name) => `packages/e2e/src/${name}`),
        ...TIMED.map((name) => `src/${name}/`),
      ),
  },
  {
    name: 'load',
    needs: 'build',
    run: () =>
      vitest(
        ['e2e', 'chaos'],
        [...HEAVY.map((name) => `packages/e2e/src/${name}`), 'packages/chaos/src'],
        ...HEAVY.map((name) => `src/${name}/`),
        'packages/chaos/src/',
      ),
  },
]

const names = stages.map((stage) => stage.name)
const only = options.only?.split(',')
const unknown = only?.filter((name) => !names.includes(name)) ?? []
if (options.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`No such stage: ${unknown.join(', ')}.`)
  console.log(`npm test -- [--only STAGE,STAGE] [--size quick|full]\nStages: ${names.join(', ')}`)
  process.exit(unknown.length > 0 ? 2 : 0)
}

const results = []
const wanted = stages.filter(
  ({ name, always }) =>
    !only || always || only.includes(name) || stages.some(({ name: of, needs }) => needs === name && only.includes(of)),
)
for (const group of grouped(wanted)) results.push(...(await Promise.all(group.map(runStage))))

/** One stage at a time, but those that say so together with the one before them. */
function grouped(list) {
  const groups = []
  for (const stage of list) {
    const last = groups.at(-1)
    if (last?.some(({ name }) => name === stage.beside)) last.push(stage)
    else groups.push([stage])
  }
  return groups
}

async function runStage(stage) {
  const broken = results.find(
    (result) => result.failed > 0 && (result.stage.vital || result.stage.name === stage.needs),
  )
  if (broken) {
    const notRun = [`the whole stage ${stage.name}: ${broken.stage.name} failed`]
    return { stage, passed: 0, failed: 0, notRun }
  }
  console.log(`\n── ${stage.name} ${'─'.repeat(Math.max(0, 60 - stage.name.length))}`)
  const from = performance.now()
  let result
  try {
    result = await stage.run()
  } catch (error) {
    console.error(error)
    result = { failed: 1 }
  }
  return { stage, passed: 0, failed: 0, notRun: [], ...result, seconds: (performance.now() - from) / 1000 }
}

const sum = (key) => results.reduce((total, result) => total + result[key], 0)
const notRun = results.flatMap((result) => result.notRun)

console.log(`\n── summary ${'─'.repeat(53)}`)
for (const { stage, passed, failed, notRun, seconds } of results) {
  const state = failed > 0 ? 'FAILED ' : seconds === undefined ? 'not run' : 'ok     '
  const time = seconds === undefined ? '' : `${seconds.toFixed(1)} s`
  const counts = `${passed} passed, ${failed} failed${notRun.length > 0 ? `, ${notRun.length} not run` : ''}`
  console.log(`${state} ${stage.name.padEnd(9)} ${time.padStart(8)}  ${counts}`)
}
console.log(
  `size ${testEnv.RT_TEST_SIZE}, Node ${process.version}, ${((performance.now() - started) / 1000).toFixed(0)} s\n`,
)
for (const tool of missing) console.log(`missing: ${tool.name}: ${tool.hint}`)
if (notRun.length === 0) console.log('not run: nothing')
else for (const name of notRun) console.log(`not run: ${name}`)
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed`)
process.exitCode = sum('failed') > 0 ? 1 : 0
