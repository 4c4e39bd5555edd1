/** Which Redis has which partition, and the links to each: one Redis, or the primaries of a Cluster; owned by the broker. */
import { isRealtimeError } from '@rt/protocol'
import type { Redis } from 'ioredis'
import { slot } from './keys'
import { away, LinkCounts, Links } from './links'
import type { Script } from './scripts/scripts'

/** Where Redis is. */
export type Place =
  | { readonly kind: 'one'; readonly connect: () => Redis }
  /** `seeds`: what answers first tells where the others are. */
  | { readonly kind: 'cluster'; readonly seeds: readonly Address[]; readonly connect: (address: Address) => Redis }

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ShardsOptions {
  readonly place: Place
  readonly timeout: number
  readonly silence: number
  readonly patience: number
  /** By partition: the pub/sub channel of this node's probes, whose slot is the partition's. */
  readonly probes: readonly string[]
  readonly scripts: readonly Script[]
}

export interface ShardsListener {
  message(name: string, payload: string): void
  up(partition: number): void
  down(partition: number): void
}

/** Milliseconds between two looks at the map of a Cluster: while a partition is away, and while all is well. */
const LOOK_AGAIN = 200
const LOOK = 5000

/**
 * A partition is up while its primary's links are. On a Cluster a slot may move: then all that the old primary carried goes down and comes up
 * again, so that nothing late of it can arrive behind what the new one says.
 */
export class Shards {
  readonly counts = new LinkCounts()
  readonly #options: ShardsOptions
  readonly #listener: ShardsListener
  readonly #links = new Map<string, Links>()
  /** By partition: what it was reported up on. */
  readonly #carried: (Links | null)[]
  readonly #slots: readonly number[]
  /** Ranges of slots and whose they are; a slot that was said to have moved stands in front. */
  #map: readonly (readonly [from: number, to: number, primary: string])[] = []
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  #looking = false
  #first: Promise<void> | null = null
  #problem: Error | null = null
  #closed = false

  constructor(options: ShardsOptions, listener: ShardsListener) {
    this.#options = options
    this.#listener = listener
    this.#carried = new Array<Links | null>(options.probes.length).fill(null)
    this.#slots = options.probes.map((probe) => slot(tagOf(probe)))
  }

  get up(): boolean {
    return this.#carried.every((links) => links !== null)
  }

  get state(): 'up' | 'away' | 'deaf' {
    if (this.up) return 'up'
    return [...this.#links.values()].some(({ state }) => state === 'deaf') ? 'deaf' : 'away'
  }

  get problem(): Error | null {
    for (const { problem } of this.#links.values()) if (problem !== null) return problem
    return this.#problem
  }

  start(): void {
    const { place } = this.#options
    if (place.kind === 'one') {
      this.#map = [[0, Number.POSITIVE_INFINITY, '']]
      this.#meet('', place.connect)
    } else {
      this.#first = this.#look().finally(() => {
        this.#first = null
      })
    }
  }

  /** Which connection for commands the partition has, by number; 0: none. */
  generation(partition: number): number {
    return this.#owner(partition)?.generation ?? 0
  }

  /** The same Redis was called by two names: learn anew which it is. */
  doubt(partition: number): void {
    this.#owner(partition)?.doubt()
  }

  run(
    partition: number,
    script: Script,
    keys: readonly string[],
    args: (identity: string) => readonly (string | number)[],
  ): Promise<unknown> {
    return this.#at(this.#slots[partition] as number, (links) => links.run(script, keys, args))
  }

  /** Runs a command on the one key that it is about. */
  command<T>(key: string, send: (redis: Redis) => Promise<T>): Promise<T> {
    return this.#at(slot(tagOf(key)), (links) => links.command(send))
  }

  send(partition: number, name: string, payload: string, settled: () => void): boolean {
    return this.#owner(partition)?.send(name, payload, settled) ?? false
  }

  async subscribe(partition: number, names: readonly string[]): Promise<void> {
    const links = this.#carried[partition]
    if (links == null) throw away('failed', this.problem)
    try {
      await links.subscribe(names)
    } catch (error) {
      const to = movedTo(error)
      if (to !== null) this.#moved(links, this.#slots[partition] as number, to)
      throw error
    }
  }

  unsubscribe(partition: number, names: readonly string[]): void {
    this.#carried[partition]?.unsubscribe(names)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#carried.fill(null)
    await Promise.all([...this.#links.values()].map((links) => links.close()))
    this.#wake()
  }

  async #at<T>(slot: number, call: (links: Links) => Promise<T>): Promise<T> {
    if (this.#first !== null) await this.#first
    const links = this.#links.get(this.#primary(slot) ?? '')
    if (links === undefined) throw away('failed', this.problem)
    try {
      return await call(links)
    } catch (error) {
      const to = movedTo(error)
      if (to === null) throw error
      this.#moved(links, slot, to)
      // It did not run, so it may be sent again, to the one that was named.
      const next = this.#links.get(this.#primary(slot) ?? '')
      if (next === undefined || next === links) throw error
      if (!next.up) await this.#change()
      return call(next)
    }
  }

  #owner(partition: number): Links | undefined {
    return this.#links.get(this.#primary(this.#slots[partition] as number) ?? '')
  }

  #primary(slot: number): string | undefined {
    return this.#map.find(([from, to]) => from <= slot && slot <= to)?.[2]
  }

  #moved(from: Links, slot: number, to: string): void {
    if (this.#links.get(this.#primary(slot) ?? '') === from) {
      this.#map = [[slot, slot, to], ...this.#map]
      this.#learnt()
    }
    from.relisten()
    this.#lookSoon(0)
  }

  // What the map says is brought about: links to new primaries, none to those that have nothing, and who was moved is told.
  #learnt(): void {
    const { place } = this.#options
    if (place.kind !== 'cluster' || this.#closed) return
    const primaries = new Set(this.#map.map(([, , primary]) => primary))
    for (const primary of primaries) {
      if (!this.#links.has(primary)) this.#meet(primary, () => place.connect(addressOf(primary)))
    }
    for (const [partition, links] of this.#carried.entries()) {
      if (links !== null && links !== this.#owner(partition)) links.relisten()
    }
    for (const [primary, links] of [...this.#links]) {
      if (primaries.has(primary)) continue
      this.#links.delete(primary)
      void links.close()
    }
    this.#settle()
  }

  #meet(primary: string, connect: () => Redis): void {
    const { place, timeout, silence, patience, probes, scripts } = this.#options
    const links: Links = new Links(
      {
        connect,
        timeout,
        silence,
        patience,
        scripts,
        sharded: place.kind === 'cluster',
        counts: this.counts,
        probe: () => probes.find((_, partition) => this.#primary(this.#slots[partition] as number) === primary) ?? null,
      },
      {
        message: (name, payload) => this.#listener.message(name, payload),
        up: () => this.#settle(),
        down: () => {
          this.#settle()
          this.#lookSoon(LOOK_AGAIN)
        },
        moved: () => {
          links.relisten()
          this.#lookSoon(0)
        },
      },
    )
    this.#links.set(primary, links)
    links.start()
  }

  #settle(): void {
    for (let partition = 0; partition < this.#carried.length; partition++) {
      const owner = this.#owner(partition)
      const now = owner?.up && !this.#closed ? owner : null
      const before = this.#carried[partition]
      if (before === now) continue
      if (before !== null) {
        this.#carried[partition] = null
        this.#listener.down(partition)
      }
      if (now === null) continue
      // It had no partition, and so nothing to hear itself on: it comes up again with that.
      if (!now.probed) {
        now.relisten()
        continue
      }
      this.#carried[partition] = now
      this.#listener.up(partition)
    }
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Resolves when something changed, or when a command would have timed out. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#options.timeout)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #lookSoon(ms: number): void {
    if (this.#options.place.kind !== 'cluster' || this.#closed || this.#looking) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), ms)
  }

  async #look(): Promise<void> {
    const { place } = this.#options
    if (place.kind !== 'cluster' || this.#looking) return
    this.#looking = true
    const known = [...this.#links].filter(([, { up }]) => up).map(([primary]) => addressOf(primary))
    for (const address of [...known, ...place.seeds]) {
      if (this.#closed) break
      const redis = place.connect(address)
      let problem: Error | null = null
      redis.on('error', (error: Error) => {
        problem = error
      })
      const late = setTimeout(() => redis.disconnect(), this.#options.timeout)
      try {
        await redis.connect()
        const map = parseSlots(await redis.cluster('SLOTS'), address)
        if (map.length === 0) continue
        this.#map = map
        this.#problem = null
        this.#learnt()
        break
      } catch (error) {
        // What happened to the connection says more than that the command failed.
        this.#problem = problem ?? (error as Error)
      } finally {
        clearTimeout(late)
        redis.disconnect()
      }
    }
    this.#looking = false
    this.#lookSoon(this.up ? LOOK : LOOK_AGAIN)
  }
}

function parseSlots(reply: unknown, asked: Address): (readonly [number, number, string])[] {
  const ranges = reply as (readonly [number, number, readonly [string | null, number]])[]
  // An empty host is the one that was asked.
  return ranges.map(([from, to, [host, port]]) => [
    from,
    to,
    `${host === null || host === '' ? asked.host : host}:${port}`,
  ])
}

function addressOf(primary: string): Address {
  const colon = primary.lastIndexOf(':')
  return { host: primary.slice(0, colon), port: Number(primary.slice(colon + 1)) }
}

/** What stands in the first braces of a key, or all of it. */
function tagOf(key: string): string {
  const open = key.indexOf('{')
  const close = key.indexOf('}', open + 1)
  return open >= 0 && close > open + 1 ? key.slice(open + 1, close) : key
}

/** Where the slot of a refused command is now. */
function movedTo(error: unknown): string | null {
  if (!isRealtimeError(error) || !(error.cause instanceof Error)) return null
  return /^MOVED \d+ (\S+:\d+)$/.exec(error.cause.message)?.[1] ?? null
}
