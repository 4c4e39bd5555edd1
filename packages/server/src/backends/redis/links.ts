/** A node's two connections to one Redis, one for commands and one that listens; held by shards.ts, one pair for each primary. */
import { type Outcome, RealtimeError } from '@rt/protocol'
import type { Redis } from 'ioredis'
import { Histogram } from '../../histogram'
import type { Script, ScriptText } from './scripts/scripts'

export interface LinksOptions {
  /** Makes a connection that is not connected yet and never connects again by itself. */
  readonly connect: () => Redis
  /** Milliseconds that any command may take. */
  readonly timeout: number
  /** Milliseconds without a message after which the listening connection is probed. */
  readonly silence: number
  /** Milliseconds that a probe may take. */
  readonly patience: number
  /** The pub/sub channel of this node's probes, asked at each new connection; null when this primary would refuse it. */
  readonly probe: () => string | null
  /** Pub/sub of a Cluster, that stays with the primary of a slot. */
  readonly sharded: boolean
  readonly counts: LinkCounts
  /** Scripts to load as soon as a connection is there. */
  readonly scripts: readonly Script[]
}

export interface LinksListener {
  message(name: string, payload: string): void
  up(): void
  down(): void
  /** The primary ended subscriptions because a slot left it. */
  moved(): void
}

/** What happened on all connections of a broker. */
export class LinkCounts {
  /** How often a pair was up and one of its connections was lost. */
  losses = 0
  /** How often a listening connection was found open but deaf. */
  deaf = 0
  /** Answered calls. */
  readonly roundTrips = new Histogram()
}

/** Most channels of one SUBSCRIBE. */
const BATCH = 1000
/** Channels whose confirmation may be under way: a whole node's at once would be late, and overflow what Redis buffers for a listener. */
const WINDOW = 10_000

interface Batch {
  readonly size: number
  readonly send: (redis: Redis) => Promise<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

/**
 * Both connections, up only while they lead to the same Redis. Each is replaced by a new one when it is lost, for ever.
 * A loss of either takes away every subscription; commands go on while only the listening one is away.
 */
export class Links {
  readonly #options: LinksOptions
  readonly #listener: LinksListener
  readonly #commands: Link
  readonly #listening: Link
  /** What the listening connection hears itself on. */
  #probed: string | null = null
  #up = false
  /** Found deaf, and not up since. */
  #isDeaf = false
  /** When the last message came, on the monotonic clock. */
  #heard = 0
  #watch: NodeJS.Timeout | undefined
  readonly #queue: Batch[] = []
  #unconfirmed = 0

  constructor(options: LinksOptions, listener: LinksListener) {
    this.#options = options
    this.#listener = listener
    const changed: LinkEvents = {
      opened: () => this.#opened(),
      lost: (link) => this.#lost(link),
      answered: (ms) => options.counts.roundTrips.record(ms),
    }
    this.#commands = new Link(options.connect, options.timeout, changed, async (redis) => {
      for (const script of options.scripts) await redis.script('LOAD', this.#text(script).text).catch(ignoreReply)
    })
    this.#listening = new Link(options.connect, options.timeout, changed, async (redis) => {
      const probe = options.probe()
      redis.on(options.sharded ? 'smessage' : 'message', (name: string, payload: string) => {
        if (!this.#listening.holds(redis)) return
        this.#heard = performance.now()
        if (name !== probe) this.#listener.message(name, payload)
      })
      redis.on('moved', () => {
        if (this.#listening.holds(redis)) this.#listener.moved()
      })
      this.#probed = probe
      if (probe !== null) await this.#subscribeTo(redis, [probe])
    })
  }

  /** True while both connections lead to the same Redis. */
  get up(): boolean {
    return this.#up
  }

  get state(): 'up' | 'away' | 'deaf' {
    return this.#up ? 'up' : this.#isDeaf ? 'deaf' : 'away'
  }

  /** False when the listening connection had nothing to hear itself on. */
  get probed(): boolean {
    return this.#probed !== null
  }

  /** Grows with each new connection for commands. */
  get generation(): number {
    return this.#commands.generation
  }

  /** What last went wrong on either connection. */
  get problem(): Error | null {
    return this.#commands.problem ?? this.#listening.problem
  }

  start(): void {
    this.#commands.start()
    this.#listening.start()
  }

  /** Runs a script on the connection that its identity was learnt on. */
  run(script: Script, keys: readonly string[], args: (identity: string) => readonly (string | number)[]) {
    return this.#commands.call<unknown>((redis, identity) => {
      const all = [...keys, ...args(identity)]
      const { sha, text } = this.#text(script)
      return redis.evalsha(sha, keys.length, ...all).catch((error: unknown) => {
        if (!startsWith(error, 'NOSCRIPT')) throw error
        return redis.eval(text, keys.length, ...all)
      })
    })
  }

  /** Runs one command on the connection for commands. */
  command<T>(send: (redis: Redis) => Promise<T>): Promise<T> {
    return this.#commands.call(send)
  }

  /** Sends a message over pub/sub; false when there is no connection to send it on. */
  send(name: string, payload: string, settled: () => void): boolean {
    if (this.#commands.identity === null) return false
    this.#commands.call((redis) => this.#publish(redis, name, payload)).then(settled, settled)
    return true
  }

  /** Resolves when Redis has confirmed all of them on the connection that is up now. */
  async subscribe(names: readonly string[]): Promise<void> {
    await Promise.all(this.#inBatches(names, (redis, batch) => this.#subscribeTo(redis, batch)))
  }

  unsubscribe(names: readonly string[]): void {
    const { sharded } = this.#options
    const send = (redis: Redis, batch: readonly string[]) =>
      sharded ? redis.sunsubscribe(...batch) : redis.unsubscribe(...batch)
    for (const batch of this.#inBatches(names, send)) batch.catch(ignore)
  }

  /** Gives up both connections and learns anew which Redis is there. */
  doubt(): void {
    this.#commands.drop()
    this.#listening.drop()
  }

  /** Gives up what is subscribed. */
  relisten(): void {
    this.#listening.drop()
  }

  async close(): Promise<void> {
    this.#up = false
    clearTimeout(this.#watch)
    await Promise.all([this.#commands.close(), this.#listening.close()])
  }

  #text(script: Script): ScriptText {
    return this.#options.sharded ? script.sharded : script.plain
  }

  #publish(redis: Redis, name: string, payload: string): Promise<unknown> {
    return this.#options.sharded ? redis.spublish(name, payload) : redis.publish(name, payload)
  }

  #subscribeTo(redis: Redis, names: readonly string[]): Promise<unknown> {
    return this.#options.sharded ? redis.ssubscribe(...names) : redis.subscribe(...names)
  }

  #inBatches(names: readonly string[], send: (redis: Redis, batch: readonly string[]) => Promise<unknown>) {
    const batches: Promise<unknown>[] = []
    for (let i = 0; i < names.length; i += BATCH) {
      const batch = names.slice(i, i + BATCH)
      batches.push(
        new Promise((resolve, reject) => {
          if (!this.#up) return reject(away('failed'))
          this.#queue.push({ size: batch.length, send: (redis) => send(redis, batch), resolve, reject })
        }),
      )
    }
    this.#pump()
    return batches
  }

  // In the order of the calls, so that a later subscribe wins over an earlier unsubscribe and the other way round. When the connection is
  // lost, what is under way rejects and what waits follows it here, long before there is another connection.
  #pump(): void {
    for (let next = this.#queue[0]; next !== undefined && this.#unconfirmed < WINDOW; next = this.#queue[0]) {
      this.#queue.shift()
      const { size, send, resolve, reject } = next
      this.#unconfirmed += size
      const settled = () => {
        this.#unconfirmed -= size
        this.#pump()
      }
      const confirmed = this.#listening.call(send)
      confirmed.then(resolve, reject)
      confirmed.then(settled, settled)
    }
  }

  #opened(): void {
    const { identity } = this.#commands
    if (this.#up || identity === null || this.#listening.identity === null) return
    if (identity !== this.#listening.identity) {
      this.doubt()
      return
    }
    this.#up = true
    this.#isDeaf = false
    this.#heard = performance.now()
    this.#watchFor(this.#options.silence)
    this.#listener.up()
  }

  #lost(link: Link): void {
    if (!this.#up) return
    this.#up = false
    this.#options.counts.losses++
    clearTimeout(this.#watch)
    // Whoever is told `down` takes every subscription for gone, so it must be.
    if (link === this.#commands) this.#listening.drop()
    this.#listener.down()
  }

  #watchFor(ms: number): void {
    this.#watch = setTimeout(() => {
      const left = this.#options.silence - (performance.now() - this.#heard)
      if (left > 0) this.#watchFor(left)
      else void this.#probe()
    }, ms)
  }

  // Fan-out can fail on an open connection, so silence is proven harmless by a message through the way that publications take.
  async #probe(): Promise<void> {
    const probe = this.#probed
    if (probe === null) return this.#watchFor(this.#options.silence)
    const { generation } = this.#listening
    const sent = performance.now()
    const answered = await this.#commands.call((redis) => this.#publish(redis, probe, '')).then(...both)
    const current = () => this.#up && this.#listening.generation === generation
    if (!current()) return
    if (!answered) return this.#watchFor(this.#options.silence)
    this.#watch = setTimeout(() => {
      // Once more around the event loop: a process that was busy has not yet read what is waiting.
      setImmediate(() => {
        if (!current()) return
        if (this.#heard >= sent) return this.#watchFor(this.#options.silence)
        this.#options.counts.deaf++
        this.#isDeaf = true
        this.#listening.drop()
      })
    }, this.#options.patience)
  }
}

interface LinkEvents {
  opened(): void
  lost(link: Link): void
  answered(ms: number): void
}

/** Connections so far: one number stands for one of them, whichever link has it. */
let generations = 0

/**
 * One connection after the other to the same address. Each is an ioredis instance of its own, so that what was learnt about it
 * (who is there, which scripts, which subscriptions) cannot outlive it and no command moves to the next one.
 */
class Link {
  /** Which Redis is at the other end; null while there is no usable connection. */
  identity: string | null = null
  generation = 0
  problem: Error | null = null
  readonly #connect: () => Redis
  readonly #timeout: number
  readonly #events: LinkEvents
  readonly #prepare: (redis: Redis) => Promise<void>
  readonly #pending = new Set<(error: RealtimeError) => void>()
  #redis: Redis | null = null
  #first: Promise<void> | null = null
  #failures = 0
  #openedAt = 0
  #retry: NodeJS.Timeout | undefined
  #corked = false
  #closed = false

  constructor(connect: () => Redis, timeout: number, events: LinkEvents, prepare: (redis: Redis) => Promise<void>) {
    this.#connect = connect
    this.#timeout = timeout
    this.#events = events
    this.#prepare = prepare
  }

  start(): void {
    // A publish right after the start waits for the first try; later ones fail at once while Redis is away.
    this.#first = this.#attempt().finally(() => {
      this.#first = null
    })
  }

  holds(redis: Redis): boolean {
    return this.#redis === redis
  }

  /** Rejects with `broker_unavailable`: `failed` when nothing was sent or Redis refused, `unknown` otherwise. */
  async call<T>(send: (redis: Redis, identity: string) => Promise<T>): Promise<T> {
    if (this.#first !== null) await this.#first
    const redis = this.#redis
    const { identity } = this
    if (redis === null || identity === null || redis.status !== 'ready') throw away('failed', this.problem)
    return new Promise<T>((resolve, reject) => {
      const done = () => {
        clearTimeout(timer)
        this.#pending.delete(fail)
      }
      const fail = (error: RealtimeError) => {
        done()
        reject(error)
      }
      // Redis answers in order: when this answer is late, all behind it are, and the connection is of no use any more.
      const timer = setTimeout(() => {
        setImmediate(() => {
          if (!this.#pending.has(fail)) return
          fail(away('unknown', new Error(`Redis did not answer within ${this.#timeout} ms.`)))
          this.#lose(redis)
        })
      }, this.#timeout)
      this.#pending.add(fail)
      this.#cork(redis)
      const sent = performance.now()
      send(redis, identity).then(
        (value) => {
          done()
          this.#events.answered(performance.now() - sent)
          resolve(value)
        },
        (error: unknown) => {
          fail(refusal(error))
          if (isUseless(error)) this.#lose(redis)
        },
      )
    })
  }

  /** Gives up the connection; another one follows after a pause. */
  drop(): void {
    if (this.#redis !== null) this.#lose(this.#redis)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    const redis = this.#redis
    if (redis === null) return
    if (this.identity !== null) {
      // QUIT is answered after everything that was sent before.
      await within(this.#timeout, redis.quit()).catch(ignore)
    }
    this.#lose(redis)
  }

  async #attempt(): Promise<void> {
    const redis = this.#connect()
    this.#redis = redis
    redis.on('error', (error: Error) => {
      this.problem = error
    })
    redis.on('end', () => this.#lose(redis))
    try {
      const identity = await within(this.#timeout, this.#open(redis))
      if (this.#redis !== redis) return
      this.identity = identity
      this.generation = ++generations
      this.problem = null
      this.#openedAt = performance.now()
      this.#events.opened()
    } catch (error) {
      if (this.#redis === redis && error instanceof Error) this.problem ??= error
      this.#lose(redis)
    }
  }

  async #open(redis: Redis): Promise<string> {
    await redis.connect()
    const identity = await identify(redis)
    await this.#prepare(redis)
    return identity
  }

  #lose(redis: Redis): void {
    if (this.#redis !== redis) return
    const wasOpen = this.identity !== null
    this.#redis = null
    this.identity = null
    redis.disconnect()
    for (const fail of [...this.#pending]) fail(away('unknown', this.problem))
    if (this.#closed) return
    // A connection that did not last is a failure too, or two sides that disagree would spin.
    this.#failures = wasOpen && performance.now() - this.#openedAt > 1000 ? 0 : this.#failures + 1
    this.#retry = setTimeout(() => void this.#attempt(), pause(this.#failures))
    if (wasOpen) this.#events.lost(this)
  }

  // Everything that one turn of the event loop sends goes out in one write.
  #cork(redis: Redis): void {
    if (this.#corked) return
    this.#corked = true
    const { stream } = redis
    stream.cork()
    setImmediate(() => {
      this.#corked = false
      stream.uncork()
    })
  }
}

/**
 * Names the data that a connection leads to: the process, and the history of replication that it continues. Empty when the user may not
 * call INFO. Throws for a Redis that can't be used now.
 */
async function identify(redis: Redis): Promise<string> {
  const text = await redis.info().catch((error: unknown) => {
    if (startsWith(error, 'NOPERM')) return ''
    throw error
  })
  if (text === '') return ''
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1] ?? ''
  if (Number.parseInt(field('redis_version'), 10) < 7) throw new Error('Redis 7.0 or later is needed.')
  if (field('loading') === '1') throw new Error('Redis is loading its data.')
  if (field('role') !== 'master') throw new Error('This Redis is a replica.')
  return `${field('run_id')}:${field('master_replid')}`
}

/** Milliseconds before the next try: half to all of 50, 100, 200 … 2000. */
function pause(failures: number): number {
  return Math.min(2000, 50 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2)
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis did not answer within ${ms} ms.`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Replies that are given before a command, or the first write of a script, runs. */
const REFUSED = [
  ...['OOM', 'READONLY', 'LOADING', 'BUSY', 'MASTERDOWN', 'MISCONF', 'NOREPLICAS', 'NOAUTH', 'WRONGTYPE'],
  ...['MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN', 'CROSSSLOT'],
]
/** Replies of a server that is not, or no longer, the one to talk to. */
const USELESS = ['READONLY', 'LOADING', 'MASTERDOWN', 'NOAUTH']

function refusal(error: unknown): RealtimeError {
  if (REFUSED.some((code) => startsWith(error, code))) return away('failed', error)
  // What ioredis says when it did not write the command.
  if (startsWith(error, "Stream isn't writeable")) return away('failed', error)
  return away('unknown', error)
}

function isUseless(error: unknown): boolean {
  return USELESS.some((code) => startsWith(error, code))
}

function startsWith(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.startsWith(code)
}

/** Nothing of Redis' own text is in the message: it travels to clients. */
export function away(outcome: Outcome, cause?: unknown): RealtimeError {
  const message = outcome === 'failed' ? 'The broker is away or refused.' : 'The broker did not answer.'
  return new RealtimeError('broker_unavailable', message, { outcome, ...(cause != null && { cause }) })
}

/** Whether a promise was fulfilled. */
const both = [() => true, () => false] as const

function ignore(): void {}

// Loading is only the fast way; without the permission the first call carries the script's text.
function ignoreReply(error: unknown): void {
  if (!startsWith(error, 'NOPERM')) throw error
}
