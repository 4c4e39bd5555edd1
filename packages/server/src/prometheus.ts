/**
 * The door `@rt/server/prometheus`: a node's metrics for Prometheus. Needs `prom-client` 15.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { HistogramSnapshot } from './histogram'
import { type DurationInstrument, instruments, type NumberInstrument } from './instruments'
import type { Measured } from './ports/metrics'

export type { Measured } from './ports/metrics'

/** How to measure. */
export interface PrometheusOptions {
  /** Where to register. Default: one of its own. Give `register` of prom-client to have them on the page of the app's other metrics. */
  readonly registry?: Registry
}

/** What {@link prometheus} returns. */
export interface PrometheusPage {
  /** Where the metrics are. */
  readonly registry: Registry
  /** Answers with the page as `(req, res)` for node:http and Express. */
  handler(req: IncomingMessage, res: ServerResponse): Promise<void>
  /** Answers with the page as a web-standard function, for Next.js, Hono, Bun, Deno. */
  fetch(request?: Request): Promise<Response>
}

/**
 * Registers the metrics of a node (docs/guides/operations.md lists them), which are read when the page is asked for and cost nothing else. The page is
 * for the eyes of the operator: serve it on a port, or behind a rule, that the internet does not reach. One `rt` for each registry.
 *
 * @example
 * const metrics = prometheus(rt)
 * createServer(metrics.handler).listen(9464, '127.0.0.1')
 */
export function prometheus(rt: Measured, { registry = new Registry() }: PrometheusOptions = {}): PrometheusPage {
  for (const instrument of instruments) {
    const metric = instrument.kind === 'histogram' ? duration(rt, instrument) : numbers(rt, instrument)
    registry.registerMetric(metric)
  }
  return {
    registry,
    async handler(_req, res) {
      const page = await registry.metrics()
      res.writeHead(200, { 'content-type': registry.contentType, 'cache-control': 'no-store' }).end(page)
    },
    async fetch() {
      const page = await registry.metrics()
      return new Response(page, { headers: { 'content-type': registry.contentType, 'cache-control': 'no-store' } })
    },
  }
}

/** The name that Prometheus knows an instrument by. */
export function prometheusName({
  name,
  kind,
  unit,
}: Pick<NumberInstrument | DurationInstrument, 'name' | 'kind' | 'unit'>): string {
  const units = { By: '_bytes', s: '_seconds' }
  return `${name.replaceAll('.', '_')}${unit === undefined ? '' : units[unit]}${kind === 'counter' ? '_total' : ''}`
}

function numbers(rt: Measured, instrument: NumberInstrument): Counter | Gauge {
  const { help, kind, labels, read } = instrument
  const shape = { name: prometheusName(instrument), help, labelNames: [...labels], registers: [] }
  if (kind === 'counter')
    return new Counter({
      ...shape,
      collect() {
        this.reset()
        for (const { labels, value } of read(rt.metrics())) this.inc(labels, value)
      },
    })
  return new Gauge({
    ...shape,
    collect() {
      this.reset()
      for (const { labels, value } of read(rt.metrics())) this.set(labels, value)
    },
  })
}

/** prom-client's own histograms count each observation; this one is told what was counted. */
function duration(rt: Measured, instrument: DurationInstrument): Histogram<'le'> {
  const { help, read } = instrument
  const name = prometheusName(instrument)
  class Told extends Histogram<'le'> {
    // What the registry reads, and `get` of prom-client with it; its types leave it out.
    async getForPromString() {
      return { name, help, type: 'histogram', aggregator: 'sum', values: valuesOf(name, read(rt.metrics())) }
    }
  }
  return new Told({ name, help, registers: [] })
}

function valuesOf(name: string, told: HistogramSnapshot | null) {
  if (told === null) return []
  let count = 0
  const buckets = told.counts.map((some, i) => {
    count += some
    const bound = told.bounds[i]
    return { metricName: `${name}_bucket`, labels: { le: bound === undefined ? '+Inf' : bound / 1000 }, value: count }
  })
  const whole = (part: string, value: number) => ({ metricName: `${name}_${part}`, labels: {}, value })
  return [...buckets, whole('sum', told.sum / 1000), whole('count', count)]
}
