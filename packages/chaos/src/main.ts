// `npm run pnpm -- --filter @rt/chaos run chaos -- --seed 1 --seconds 60 [--runs 10]`: each run is a line of results/results.jsonl; a seed that has one is not run again.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Result, run, SMALL } from './run.ts'
import type { Keeping } from './world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '60' },
    runs: { type: 'string', default: '1' },
    /** How Redis keeps its data; by default the seed decides. */
    keeping: { type: 'string' },
    small: { type: 'boolean', default: false },
    again: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const directory = fileURLToPath(new URL('../results/', import.meta.url))
const file = `${directory}results.jsonl`
mkdirSync(directory, { recursive: true })
const seconds = Number(values.seconds)
const done = existsSync(file)
  ? readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Result)
  : []

for (let seed = Number(values.seed), last = seed + Number(values.runs); seed < last; seed++) {
  if (!values.again && done.some((result) => result.seed === seed && result.seconds === seconds)) {
    console.log(`seed ${seed}: is in ${file} already`)
    continue
  }
  const keeping = values.keeping as Keeping | undefined
  const result = await run({
    seed,
    seconds,
    ...(keeping === undefined ? {} : { keeping }),
    ...(values.small ? { size: SMALL } : {}),
  })
  appendFileSync(file, `${JSON.stringify(result)}\n`)
  const struck = Object.values(result.faults).reduce((sum, { effective }) => sum + effective, 0)
  const { stored, deliveries, gaps, needless, repeated } = result.verdict
  console.log(
    `seed ${seed} (${result.keeping}): ${stored} stored, ${deliveries} deliveries, ${struck} faults of ${Object.keys(result.faults).length} kinds, ${gaps} gaps (${needless} needless, ${repeated} repeated), recovered in ${result.recovered} s${result.late ? ' (late)' : ''}, nodes ${result.rss.join('/')} MiB`,
  )
  if (Object.keys(result.found).length > 0) {
    console.log(`FOUND ${JSON.stringify(result.found)}\n${result.examples.join('\n')}\nhistory: ${result.evidence}`)
    process.exitCode = 1
  }
}
