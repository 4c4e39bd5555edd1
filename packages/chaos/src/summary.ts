// `npm run pnpm -- --filter @rt/chaos run summary`: what the runs of results/results.jsonl come to, as the tables of docs/chaos.md.
import { readFileSync } from 'node:fs'
import type { Result } from './run.ts'

const results = readFileSync(new URL('../results/results.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Result)
const sum = (of: (result: Result) => number, all = results) => all.reduce((total, result) => total + of(result), 0)
const row = (...cells: readonly unknown[]) => console.log(`| ${cells.join(' | ')} |`)

row(
  'Redis',
  'seeds',
  'faults with an effect',
  'stored',
  'deliveries',
  'reconnects',
  'gaps',
  'needless',
  'repeated',
  'late',
  'findings',
)
row(...Array(11).fill('---'))
for (const keeping of new Set(results.map((result) => result.keeping))) {
  const all = results.filter((result) => result.keeping === keeping)
  row(
    keeping,
    all.map(({ seed }) => seed).join(', '),
    sum(({ faults }) => Object.values(faults).reduce((total, { effective }) => total + effective, 0), all),
    sum(({ verdict }) => verdict.stored, all),
    sum(({ verdict }) => verdict.deliveries, all),
    sum(({ reconnects }) => reconnects, all),
    sum(({ verdict }) => verdict.gaps, all),
    sum(({ verdict }) => verdict.needless, all),
    sum(({ verdict }) => verdict.repeated, all),
    all.filter(({ late }) => late).length,
    sum(({ found }) => Object.values(found).reduce((total, count) => total + count, 0), all),
  )
}
console.log('')
row('fault', 'with an effect', 'without')
row('---', '---', '---')
for (const name of [...new Set(results.flatMap(({ faults }) => Object.keys(faults)))].sort())
  row(
    name,
    sum(({ faults }) => faults[name]?.effective ?? 0),
    sum(({ faults }) => faults[name]?.idle ?? 0),
  )
console.log(
  `\nMemory of nodes at the end: ${Math.min(...results.flatMap(({ rss }) => rss))} to ${Math.max(...results.flatMap(({ rss }) => rss))} MiB. Runs: ${results.length}, of ${sum((r) => r.seconds)} s of faults together.`,
)
