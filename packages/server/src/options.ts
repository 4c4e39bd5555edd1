/** Every option of createRealtime: its meaning, unit, default and limit; read by realtime.ts. */
import { type Clock, limits, times } from '@rt/protocol'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Channels } from './channel'
import { type Duration, milliseconds } from './duration'
import type { Broker } from './ports/broker'
import type { Identity } from './ports/connection'

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
  /** Bytes of recent publications that this node keeps for clients that come back, all channels together. 0 to 4 GiB, default 64 MiB. */
  readonly ringBytes?: number
  /** How long somebody counts as present. */
  readonly presence?: {
    /** Without a sign of life, such as after the death of a node. 2 s to 60 s, default 60 s: also the life of the plain key `user:<id>:online`. */
    readonly ttl?: Duration
    /** After a connection ended without a word, so that a reload or a change of the network shows no flicker. 0 to 60 s, default 10 s. */
    readonly grace?: Duration
  }
  /** What one identity may ask of one node, all of its connections and requests together; where nobody in particular is behind it, each connection. */
  readonly limits?: {
    /**
     * Commands per second: publications, subscriptions, questions; ten seconds' worth may come at once. Beyond it each waits for its turn, and where that is more than
     * 5 s away it is refused with `rate_limited` and a `retryAfter`, which clients of ours keep. 1 to 100,000, default 250.
     */
    readonly commands?: number
    /** Streams that are open at once (the tabs of a browser share one). Beyond it the next is refused with `rate_limited`. 1 to 1,000,000, default 200. */
    readonly connections?: number
  }
  /**
   * Told what the app's own functions (`authenticate`, rules, schemas) threw; clients only see `internal`. Default: `console.error`.
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
  readonly limits: { readonly commands: number; readonly connections: number }
}

type Checked = {
  readonly [K in Exclude<keyof Settings, 'presence' | 'limits'>]?: K extends 'path' ? string : Duration
} & {
  readonly presence?: { readonly ttl?: Duration; readonly grace?: Duration }
  readonly limits?: { readonly commands?: number; readonly connections?: number }
}

const DAY = 86_400_000

/** Throws a TypeError that names the option which is not possible. */
export function readSettings(options: Checked): Settings {
  const { path = '/rt', outboxBytes = 2 ** 20, ringBytes = 2 ** 26 } = options
  if (!/^\/[^\s?#]*$/.test(path)) throw new TypeError(`path: ${JSON.stringify(path)} is no path. Write it like '/rt'.`)
  return {
    path,
    heartbeat: milliseconds('heartbeat', options.heartbeat ?? times.heartbeat, 1000, 300_000),
    life: milliseconds('life', options.life ?? '30m', 5000, DAY),
    pollHold: milliseconds('pollHold', options.pollHold ?? times.pollHold, 1000, 60_000),
    pollFloor: milliseconds('pollFloor', options.pollFloor ?? times.pollFloor, 100, 3_600_000),
    dedupe: milliseconds('dedupe', options.dedupe ?? times.dedupe, 1000, DAY),
    outboxBytes: whole('outboxBytes', outboxBytes, limits.frameBytes / 4, 2 ** 26),
    ringBytes: whole('ringBytes', ringBytes, 0, 2 ** 32),
    presence: {
      ttl: milliseconds('presence.ttl', options.presence?.ttl ?? times.presence, 2000, 60_000),
      grace: milliseconds('presence.grace', options.presence?.grace ?? '10s', 0, 60_000),
    },
    limits: {
      commands: whole('limits.commands', options.limits?.commands ?? 250, 1, 100_000),
      connections: whole('limits.connections', options.limits?.connections ?? 200, 1, 1_000_000),
    },
  }
}

function whole(option: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new TypeError(`${option}: ${JSON.stringify(value)} is no whole number from ${least} to ${most}.`)
}
