/**
 * The door `@rt/server/opentelemetry`: a node's metrics as instruments of OpenTelemetry. Needs `@opentelemetry/api` 1.9 or later, and an SDK that the app has set up.
 *
 * @module
 */
import { type Meter, metrics, type Observable } from '@opentelemetry/api'
import { type DurationInstrument, instruments, type NumberInstrument } from './instruments'
import type { Measured } from './ports/metrics'

export type { Measured } from './ports/metrics'

/** How to measure. */
export interface OpenTelemetryOptions {
  /** Default: `metrics.getMeter('@rt/server')` of the SDK that is registered. */
  readonly meter?: Meter
}

/**
 * Makes the metrics of a node (docs/guides/operations.md lists them) observable: they are read once for each export and cost nothing else. OpenTelemetry has
 * no histogram that can be read, so durations are counters `….bucket` (with `le`, cumulative), `….sum` and `….count`, as in Prometheus. Returns its own undo.
 *
 * @example
 * openTelemetry(rt)
 */
export function openTelemetry(
  rt: Measured,
  { meter = metrics.getMeter('@rt/server') }: OpenTelemetryOptions = {},
): () => void {
  const readings = instruments.flatMap((instrument) =>
    instrument.kind === 'histogram' ? durations(meter, instrument) : [numbers(meter, instrument)],
  )
  const observables = readings.map(({ observable }) => observable)
  const callback: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    const now = rt.metrics()
    for (const { observable, read } of readings)
      for (const { labels, value } of read(now)) result.observe(observable, value, labels)
  }
  meter.addBatchObservableCallback(callback, observables)
  return () => meter.removeBatchObservableCallback(callback, observables)
}

interface Reading {
  readonly observable: Observable
  read: NumberInstrument['read']
}

function numbers(meter: Meter, { kind, name, help, unit, read }: NumberInstrument): Reading {
  const about = { description: help, ...(unit !== undefined && { unit }) }
  switch (kind) {
    case 'counter':
      return { observable: meter.createObservableCounter(name, about), read }
    case 'level':
      return { observable: meter.createObservableUpDownCounter(name, about), read }
    case 'gauge':
      return { observable: meter.createObservableGauge(name, about), read }
  }
}

function durations(meter: Meter, { name, help, unit, read }: DurationInstrument): Reading[] {
  const part = (
    part: string,
    options: { unit?: string },
    sample: (told: NonNullable<ReturnType<typeof read>>) => ReturnType<NumberInstrument['read']>,
  ): Reading => ({
    observable: meter.createObservableCounter(`${name}.${part}`, { description: help, ...options }),
    read(now) {
      const told = read(now)
      return told === null ? [] : sample(told)
    },
  })
  const all = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0)
  return [
    part('bucket', {}, ({ bounds, counts }) =>
      counts.map((_, i) => {
        const bound = bounds[i]
        return {
          labels: { le: bound === undefined ? '+Inf' : String(bound / 1000) },
          value: all(counts.slice(0, i + 1)),
        }
      }),
    ),
    part('sum', { unit }, ({ sum }) => [{ labels: {}, value: sum / 1000 }]),
    part('count', {}, ({ counts }) => [{ labels: {}, value: all(counts) }]),
  ]
}
