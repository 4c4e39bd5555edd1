/** Every option of createRealtime: its meaning, unit, default and limit; read by realtime.ts. */
import { type Clock, limits, times } from '@rt/protocol'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Channels } from './channel'
import { type Duration, milliseconds } from './duration'
import type { Broker } from './ports/broker'
import type { Identity } from './ports/connection'
import type { ConnectionInfo, Disconnection, Subscribed } from './ports/hooks'
import type { Logger } from './ports/logger'

/** What `createRealtime` takes. Durations are milliseconds, or texts such as `'10s'` (see {@link Duration}). */
export interface RealtimeOptions<I extends Identity, S extends Record<string, StandardSchemaV1>, D, W, Q, T> {
  /**
   * Who sent a request: an identity, or null for nobody in particular (the channels' rules decide what that may do). Called for each new
   * stream, each poll, each POST of commands, and each new token on an open WebSocket. May throw `new RealtimeError('unauthenticated', …)` to turn the request away as a whole.
   * A token that the client sends with a WebSocket stands in the request's `Authorization: Bearer …` as well. Default: everybody is nobody.
   */
  readonly authenticate?: (request: Request) => I | null | Promise<I | null>
  /**
   * Every channel that exists, by pattern: literal parts and `{parameters}` joined by `:`. A parameter stands for one part of a name, at least
   * one character without `:`. Of several patterns that match a name the most specific one counts: from left to right, a literal before a parameter.
   *
   * @example
   * channels: {
   *   'chat:{room}': {
   *     message: z.object({ text: z.string().max(2000) }),
   *     subscribe: ({ identity, params }) => isMember(identity, params.room),
   *   },
   * }
   */
  readonly channels: Channels<I, S, D, W, Q, T>
  /** Where publications live. Default `memory()`: one process, gone with it. `redis(url)` of `@rt/server/redis` joins many. */
  readonly broker?: Broker
  /** Path of the endpoint, without query. Default `/rt`. */
  readonly path?: string
  /**
   * Web pages that may connect: exact origins such as `https://app.example.com`, `'*'` for all, or a function. Default: pages of the host that
   * the request was sent to. Requests without an Origin (no browser) are not affected.
   */
  readonly origins?: '*' | readonly string[] | ((origin: string) => boolean)
  /** Sign of life on every stream, ±10 %. 1 s to 5 min, default 20 s. Clients call 1.75 times of it dead. */
  readonly heartbeat?: Duration
  /** After this age, ±20 %, clients renew their stream, without a gap. 5 s to 1 day, default 30 min. Less than what a platform allows a response to take. */
  readonly life?: Duration
  /** Longest hold of a long poll. 1 s to 60 s, default 25 s. Keep it below the time-out of every proxy on the way. */
  readonly pollHold?: Duration
  /** Pause that a short poll is told to make. 100 ms to 1 h, default 5 s. */
  readonly pollFloor?: Duration
  /** How long a `messageId` is remembered, so that a retried publish is stored once. 1 s to 1 day, default 5 min. */
  readonly dedupe?: Duration
  /** Bytes that may wait for one slow connection before it is moved to reading the log. 16 KiB to 64 MiB, default 1 MiB. */
  readonly outboxBytes?: number
  /**
   * Bytes that may wait on one node for all slow connections together. Beyond it those that do not keep up are moved to reading the log, however little waits for each.
   * 1 MiB to 64 GiB, default 256 MiB.
   */
  readonly waitingBytes?: number
  /** Bytes of recent publications that this node keeps for clients that come back, all channels together. 0 to 4 GiB, default 64 MiB. */
  readonly ringBytes?: number
  /** How long somebody counts as present. */
  readonly presence?: {
    /** Without a sign of life, such as after the death of a node. 2 s to 60 s, default 60 s: also the life of the plain key `user:<id>:online`. */
    readonly ttl?: Duration
    /** After a connection ended without a word, so that a reload or a change of the network shows no flicker. 0 to 60 s, default 10 s. */
    readonly grace?: Duration
  }
  /** What one identity, and one address, may ask of one node, all of its connections and requests together. */
  readonly limits?: {
    /**
     * Commands per second: publications, subscriptions, questions; ten seconds' worth may come at once. Beyond it each waits for its turn, and where that is more than
     * 5 s away it is refused with `rate_limited` and a `retryAfter`, which clients of ours keep. Where nobody in particular is behind them each connection counts, and for
     * requests the address. 1 to 100,000, default 250.
     */
    readonly commands?: number
    /** Streams that are open at once (the tabs of a browser share one). Beyond it the next is refused with `rate_limited`. 1 to 1,000,000, default 200. */
    readonly connections?: number
    /** Of one address (of IPv6 a /64): enough for an office that shares one. Not where no address is known, see `trustedProxies`. */
    readonly perAddress?: {
      /** Requests per second: streams, polls and POSTs; ten seconds' worth may come at once. Beyond it `rate_limited`, before `authenticate` is asked. 1 to 1,000,000, default 500. */
      readonly requests?: number
      /** Streams that are open at once, also those that have not said yet who they are. Beyond it the next is refused with `rate_limited`. 1 to 1,000,000, default 5000. */
      readonly connections?: number
    }
  }
  /**
   * How many proxies stand in front, each of which adds the address that it sees to `X-Forwarded-For`: the client's is the one that the first of them added. 0: none, the
   * address is the socket's. Default: the socket's as well, but a private one (loopback, `10.…`, `192.168.…`) is taken for a proxy's, behind which no address is known.
   * 0 to 10. With `rt.fetch` no address is known but by this.
   */
  readonly trustedProxies?: number
  /**
   * When a node has too much to do: who comes new is sent away with `overloaded` and a time to come back, before those suffer who are there. Who comes back with a cursor is let in. False: never.
   */
  readonly overload?:
    | false
    | {
        /** Delay of the event loop at its 99th percentile, in each of 5 seconds. Over when it was below half of it for as long. 10 ms to 1 min, default 100 ms. */
        readonly lag?: Duration
        /** Part of the heap's limit (`--max-old-space-size`) in use, as long. Over when it is below nine tenths of it. 0.1 to 1, default 0.85. */
        readonly heap?: number
        /** Streams that are open at once on this node; a tenth more for those who come back. 1 to 10,000,000, default 50,000. */
        readonly connections?: number
      }
  /** Told of each connection that begins, polls too. What a hook throws goes to `onError` and changes nothing; what it returns is not waited for. */
  readonly onConnect?: (connection: ConnectionInfo<I>) => unknown
  /**
   * Told of each connection that ended, why, and after how long. A client that comes back at once had two; who is there is what presence says.
   *
   * @example
   * onDisconnect: ({ identity, reason, duration }) => usage.add(identity?.id, duration)
   */
  readonly onDisconnect?: (connection: Disconnection<I>) => unknown
  /** Told when a connection begins to hear a channel: not when it only continues after a cut. Before `subscribed`; permission was given. */
  readonly onSubscribe?: (subscription: Subscribed<I>) => unknown
  /**
   * Gets connects, disconnects, refusals, gaps, the broker's absence and return, and the drain, as pino takes them: `log.info({ event: 'connect', … }, 'A client
   * connected.')`. Names of channels, ids and codes; never tokens, cookies, URLs, payloads or states. What the app's own functions throw goes to `onError` alone.
   * Default: nothing is written.
   *
   * @example
   * createRealtime({ log: pino(), … })
   */
  readonly log?: Logger
  /**
   * Told what the app's own functions (`authenticate`, rules, schemas, hooks) threw; clients only see `internal`. Default: `console.error`.
   */
  readonly onError?: (error: unknown) => void
  /** For tests: a `FakeClock` of `@rt/server/testing`. Default: the system's clock. A broker that is given has its own: `memory({ clock })`. */
  readonly clock?: Clock | undefined
}

/** The options, checked, in milliseconds and bytes. */
export interface Settings {
  readonly path: string
  readonly heartbeat: number
  readonly life: number
  readonly pollHold: number
  readonly pollFloor: number
  readonly dedupe: number
  readonly outboxBytes: number
  readonly ringBytes: number
  readonly presence: { readonly ttl: number; readonly grace: number }
  readonly waitingBytes: number
  readonly limits: Limits
  /** Null: what the socket says, unless it is private. */
  readonly trustedProxies: number | null
  /** Null: never. */
  readonly overload: Overloads | null
}

export interface Limits {
  readonly commands: number
  readonly connections: number
  readonly perAddress: { readonly requests: number; readonly connections: number }
}

/** What is too much for a node. */
export interface Overloads {
  /** Milliseconds. */
  readonly lag: number
  /** Part of the limit. */
  readonly heap: number
  readonly connections: number
}

/** What docs/limits.md tells, too. */
export const defaults = {
  life: 1_800_000,
  outboxBytes: 2 ** 20,
  waitingBytes: 2 ** 28,
  ringBytes: 2 ** 26,
  limits: { commands: 250, connections: 200, perAddress: { requests: 500, connections: 5_000 } },
  overload: { lag: 100, heap: 0.85, connections: 50_000 },
} as const

type Grouped = 'presence' | 'limits' | 'overload' | 'trustedProxies'

type Checked = {
  readonly [K in Exclude<keyof Settings, Grouped>]?: K extends 'path' ? string : Duration
} & {
  readonly presence?: { readonly ttl?: Duration; readonly grace?: Duration }
  readonly limits?: {
    readonly commands?: number
    readonly connections?: number
    readonly perAddress?: Partial<Limits['perAddress']>
  }
  readonly trustedProxies?: number
  readonly overload?: false | { readonly lag?: Duration; readonly heap?: number; readonly connections?: number }
}

const DAY = 86_400_000

/** Throws a TypeError that names the option which is not possible. */
export function readSettings(options: Checked): Settings {
  const { path = '/rt', limits: given = {}, trustedProxies } = options
  const { outboxBytes, ringBytes, waitingBytes } = { ...defaults, ...options }
  if (!/^\/[^\s?#]*$/.test(path)) throw new TypeError(`path: ${JSON.stringify(path)} is no path. Write it like '/rt'.`)
  return {
    path,
    heartbeat: milliseconds('heartbeat', options.heartbeat ?? times.heartbeat, 1000, 300_000),
    life: milliseconds('life', options.life ?? defaults.life, 5000, DAY),
    pollHold: milliseconds('pollHold', options.pollHold ?? times.pollHold, 1000, 60_000),
    pollFloor: milliseconds('pollFloor', options.pollFloor ?? times.pollFloor, 100, 3_600_000),
    dedupe: milliseconds('dedupe', options.dedupe ?? times.dedupe, 1000, DAY),
    outboxBytes: whole('outboxBytes', outboxBytes, limits.frameBytes / 4, 2 ** 26),
    waitingBytes: whole('waitingBytes', waitingBytes, 2 ** 20, 2 ** 36),
    ringBytes: whole('ringBytes', ringBytes, 0, 2 ** 32),
    presence: {
      ttl: milliseconds('presence.ttl', options.presence?.ttl ?? times.presence, 2000, 60_000),
      grace: milliseconds('presence.grace', options.presence?.grace ?? '10s', 0, 60_000),
    },
    limits: {
      commands: whole('limits.commands', given.commands ?? defaults.limits.commands, 1, 100_000),
      connections: whole('limits.connections', given.connections ?? defaults.limits.connections, 1, 1_000_000),
      perAddress: perAddress(given.perAddress),
    },
    trustedProxies: trustedProxies === undefined ? null : whole('trustedProxies', trustedProxies, 0, 10),
    overload: options.overload === false ? null : overloads(options.overload),
  }
}

function perAddress(given: Partial<Limits['perAddress']> = {}): Limits['perAddress'] {
  const { requests, connections } = { ...defaults.limits.perAddress, ...given }
  return {
    requests: whole('limits.perAddress.requests', requests, 1, 1_000_000),
    connections: whole('limits.perAddress.connections', connections, 1, 1_000_000),
  }
}

function overloads(given: Checked['overload'] & object = {}): Overloads {
  const { lag, heap, connections } = { ...defaults.overload, ...given }
  if (!(typeof heap === 'number' && heap >= 0.1 && heap <= 1))
    throw new TypeError(`overload.heap: ${JSON.stringify(heap)} is no part from 0.1 to 1.`)
  return {
    lag: milliseconds('overload.lag', lag, 10, 60_000),
    heap,
    connections: whole('overload.connections', connections, 1, 10_000_000),
  }
}

function whole(option: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new TypeError(`${option}: ${JSON.stringify(value)} is no whole number from ${least} to ${most}.`)
}
