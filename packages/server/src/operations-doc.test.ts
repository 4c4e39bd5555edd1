// docs/guides/operations.md and its dashboard name the metrics that there are, and no others.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { instruments } from './instruments'
import { prometheusName } from './prometheus'

const read = (file: string) => readFileSync(new URL(`../../../docs/guides/${file}`, import.meta.url), 'utf8')

/** The metrics that a text of PromQL asks for, without the endings of a histogram. */
const asked = (text: string) => {
  const names = new Set(text.match(/\brt_[a-z_]+\b/g))
  return [...names].map((name) => name.replace(/_seconds_(bucket|sum|count)$/, '_seconds'))
}

const names = instruments.map(prometheusName)

test('the table of metrics is that of the code', () => {
  const rows = instruments.map((instrument) => {
    const labels = instrument.kind === 'histogram' ? '' : instrument.labels.map((label) => `\`${label}\``).join(', ')
    return `| \`${prometheusName(instrument)}\` | \`${instrument.name}\` | ${labels} | ${instrument.help} |`
  })
  const table = read('operations.md').split('\n')
  expect(table.filter((line) => line.startsWith('| `rt_'))).toEqual(rows)
})

test('alerts and dashboard ask for metrics that there are', () => {
  const [, alerts = ''] = read('operations.md').split('## Alerts')
  const dashboard = JSON.parse(read('grafana.json')) as { panels: { targets: { expr: string }[] }[] }
  const queries = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
  expect(queries.length).toBeGreaterThan(10)
  for (const text of [alerts.split('## ')[0] as string, ...queries]) {
    expect(asked(text).length).toBeGreaterThan(0)
    for (const name of asked(text)) expect(names).toContain(name)
  }
})
