// docs/limits.md is true: each row is a number of the code.
import { readFileSync } from 'node:fs'
import { errorTable, limits, times } from '@rt/protocol'
import { expect, it } from 'vitest'
import { COMEBACK, BURST as REQUESTS } from './core/arrivals'
import { ANSWERED, BURST, ID_LENGTH, PATIENCE, PENDING } from './core/gateway'
import { LASTS } from './core/overload'
import { STALLED } from './core/stream'
import { END_WITHIN, MAX_HEADERS } from './hosts/node'
import { defaults, readSettings } from './options'
import { ANSWER_SIZE } from './transports/polling'
import { EARLY, FULL, OPEN_WITHIN, SERVER_OPTIONS } from './transports/websocket'

const page = readFileSync(new URL('../../../docs/limits.md', import.meta.url), 'utf8')

/** What, limit, option, beyond it; without the rows that are headings. */
const rows = [...page.matchAll(/^\| (?!---|what |\*\*)(.+?) \| (.+?) \| (?:(.+?) )?\| (?:(.+?) )?\|$/gm)].map(
  ([, what = '', limit = '', option = '', beyond = '']) => ({ what, limit, option, beyond }),
)

const bytes = (n: number) => (n >= 2 ** 20 ? `${n / 2 ** 20} MiB` : `${n / 1024} KiB`)
const seconds = (ms: number) => `${ms / 1000} s`
const { perAddress, ...identity } = defaults.limits

it('has a row for each limit, in this order', () => {
  expect(rows.map(({ limit }) => limit)).toEqual(
    [
      bytes(limits.frameBytes),
      SERVER_OPTIONS.maxFragments,
      MAX_HEADERS,
      limits.depth,
      limits.commands,
      limits.channelLength,
      limits.messageIdLength,
      limits.cursorLength,
      ID_LENGTH,
      bytes(limits.presenceBytes),
      limits.channels,
      limits.history,
      limits.clients,
      identity.commands,
      BURST * identity.commands,
      seconds(PATIENCE),
      BURST * identity.commands,
      bytes(PENDING),
      EARLY.frames,
      perAddress.requests,
      REQUESTS * perAddress.requests,
      identity.connections,
      perAddress.connections,
      defaults.overload.connections,
      bytes(defaults.outboxBytes),
      bytes(defaults.waitingBytes),
      bytes(FULL),
      bytes(defaults.ringBytes),
      bytes(ANSWER_SIZE),
      bytes(ANSWERED),
      seconds(OPEN_WITHIN),
      STALLED,
      1,
      seconds(SERVER_OPTIONS.closeTimeout),
      seconds(times.pollHold),
      `${defaults.overload.lag} ms`,
      `${100 * defaults.overload.heap} %`,
      `${seconds(COMEBACK.least)} to ${seconds(COMEBACK.least + COMEBACK.spread)}`,
    ].map(String),
  )
  expect(END_WITHIN).toBe(SERVER_OPTIONS.closeTimeout)
  expect(page).toContain(`each of ${LASTS} seconds in a row`)
})

it('names options that exist, and each limit of createRealtime', () => {
  const settings = readSettings({})
  const named = rows.flatMap(({ option }) => [...option.matchAll(/`([\w.]+)`/g)].map(([, path = '']) => path))
  for (const path of named) {
    const value = path.split('.').reduce<unknown>((object, key) => (object as Record<string, unknown>)[key], settings)
    expect(value, path).toBeTypeOf('number')
  }
  const paths = (object: object, before: string): string[] =>
    Object.entries(object).flatMap(([key, value]) =>
      typeof value === 'object' ? paths(value, `${before}${key}.`) : `${before}${key}`,
    )
  for (const path of [...paths(defaults.limits, 'limits.'), ...paths(defaults.overload, 'overload.')])
    expect(named).toContain(path)
})

it('names errors that exist', () => {
  const codes = rows.flatMap(({ beyond }) =>
    [...beyond.matchAll(/`([a-z]+_[a-z_]+|timeout)`/g)].map(([, code]) => code),
  )
  expect(codes.length).toBeGreaterThan(10)
  for (const code of codes) expect(Object.keys(errorTable)).toContain(code)
})

it.each([
  [{ limits: { perAddress: { requests: 0 } } }, 'limits.perAddress.requests'],
  [{ limits: { perAddress: { connections: 1.5 } } }, 'limits.perAddress.connections'],
  [{ trustedProxies: -1 }, 'trustedProxies'],
  [{ overload: { lag: 0 } }, 'overload.lag'],
  [{ overload: { heap: 1.1 } }, 'overload.heap'],
  [{ overload: { connections: 0 } }, 'overload.connections'],
  [{ waitingBytes: 1 }, 'waitingBytes'],
] as const)('%j is no setting', (options, name) => {
  expect(() => readSettings(options)).toThrow(name)
})

it('may be turned off where they are about load', () => {
  expect(readSettings({ overload: false }).overload).toBeNull()
  expect(readSettings({}).trustedProxies).toBeNull()
})
