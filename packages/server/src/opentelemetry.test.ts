// The metrics as the real OpenTelemetry SDK collects and exports them.
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { instruments } from './instruments'
import { openTelemetry } from './opentelemetry'
import { createRealtime } from './realtime'

const message = z.object({ n: z.number() })
const start = () => createRealtime({ channels: { news: { message, subscribe: 'public' } } })

let rt: ReturnType<typeof start>
let provider: MeterProvider
let exporter: InMemoryMetricExporter

beforeEach(() => {
  rt = start()
  exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  provider = new MeterProvider({ readers: [reader] })
})

afterEach(async () => {
  await provider.shutdown()
  await rt.close()
})

async function collected(): Promise<Map<string, MetricData>> {
  exporter.reset()
  await provider.forceFlush()
  const [resource] = exporter.getMetrics()
  const all = resource?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? []
  return new Map(all.map((metric) => [metric.descriptor.name, metric]))
}

/** By their attributes. */
const points = (metric: MetricData | undefined) =>
  new Map(metric?.dataPoints.map(({ attributes, value }) => [JSON.stringify(attributes), value]))

test('each number is exported with unit and description, durations by bucket', async () => {
  openTelemetry(rt, { meter: provider.getMeter('test') })
  const metrics = await collected()
  for (const instrument of instruments) {
    const names =
      instrument.kind === 'histogram'
        ? ['bucket', 'sum', 'count'].map((part) => `${instrument.name}.${part}`)
        : [instrument.name]
    // What has no value yet is not exported: there was no gap code, and no broker away from this process.
    for (const name of names) {
      const descriptor = metrics.get(name)?.descriptor
      if (descriptor !== undefined) expect(descriptor.description).toBe(instrument.help)
      else expect(name).toMatch(/^rt\.(broker\.|refusals$|connections\.ended$)/)
    }
  }
  expect(metrics.get('rt.sent')?.descriptor.unit).toBe('By')
  expect(metrics.get('rt.delivery.duration.sum')?.descriptor.unit).toBe('s')
  expect([...points(metrics.get('rt.delivery.duration.bucket')).keys()].at(-1)).toBe('{"le":"+Inf"}')
})

test('each export has the numbers of its time', async () => {
  const stop = openTelemetry(rt, { meter: provider.getMeter('test') })
  expect(points((await collected()).get('rt.publications')).get('{"outcome":"stored"}')).toBe(0)
  await rt.publish('news', { n: 1 })
  await rt.publish('news', { n: 2 })
  expect(points((await collected()).get('rt.publications')).get('{"outcome":"stored"}')).toBe(2)
  stop()
  await rt.publish('news', { n: 3 })
  expect(points((await collected()).get('rt.publications')).get('{"outcome":"stored"}')).not.toBe(3)
})
