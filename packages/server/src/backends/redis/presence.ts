/** Members on Redis: seats in sorted sets and hashes, changed only by scripts and announced like publications; owned by the Redis broker. */
import { type Id, limits } from '@rt/protocol'
import type { Redis } from 'ioredis'
import { fitsGlob } from '../../ports/glob'
import type {
  EnterRequest,
  MembersResult,
  PresenceStore,
  PulseRequest,
  PulseResult,
  Seat,
  TouchRequest,
} from '../../ports/presence'
import type { PartitionKeys } from './keys'
import {
  enterScript,
  isOnlineScript,
  leaveScript,
  matchScript,
  membersScript,
  onlineScript,
  pulseScript,
  releaseScript,
  type Script,
  sweepScript,
  touchScript,
} from './scripts/scripts'

/** What it shares with the broker. */
export interface PresenceHost {
  /** Runs a command on the one key that it is about. */
  command<T>(key: string, send: (redis: Redis) => Promise<T>): Promise<T>
  subscribe(partition: number, names: readonly string[]): Promise<void>
  unsubscribe(partition: number, names: readonly string[]): void
  readonly partitions: number
  /** By channel, or by identity. */
  partition(name: string): number
  keys(partition: number): PartitionKeys
  run(partition: number, script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>
  /** A script ended an epoch of another identity. */
  renamed(partition: number): void
}

/** Longest life of the plain key that other services read, in milliseconds. */
const ONLINE = 60_000
/** Channels of one pulse; for how long they are left to who asked; seats of one sweep. */
const DUE = 100
const CLAIM = 5000
const SWEPT = 200
/** Identities of one call. */
const BATCH = 500
/** The greatest cursor that ZSCAN takes. */
const LAST_CURSOR = 2n ** 64n - 1n

export class RedisPresence implements PresenceStore {
  readonly #host: PresenceHost

  constructor(host: PresenceHost) {
    this.#host = host
  }

  async enter({ channel, member, client, state, owner, ttl }: EnterRequest): Promise<boolean> {
    const partition = this.#host.partition(channel)
    const keys = this.#host.keys(partition)
    const args = [client, member, owner, state, ttl, channel, keys.notices(channel), limits.clients]
    const [entered, renamed] = (await this.#host.run(partition, enterScript, seatKeys(keys, channel), args)) as number[]
    this.#renamed(partition, renamed)
    return entered === 1
  }

  async leave({ channel, member, client }: Seat): Promise<void> {
    const partition = this.#host.partition(channel)
    const keys = this.#host.keys(partition)
    const args = [`${client} ${member}`, keys.notices(channel), channel]
    const [renamed] = (await this.#host.run(partition, leaveScript, seatKeys(keys, channel), args)) as number[]
    this.#renamed(partition, renamed)
  }

  async touch(partition: number, requests: readonly TouchRequest[]): Promise<(string | null)[]> {
    const keys = this.#host.keys(partition)
    const states = new Array<string | null>(requests.length).fill(null)
    const indexes = requests.map((request, index) => ({ request, index }))
    await Promise.all(
      groups(indexes, ({ request: { channel, owner, ttl } }) => `${channel} ${owner ?? ''} ${ttl}`).map(
        async (group) => {
          const { channel, owner, ttl } = (group[0] as { request: TouchRequest }).request
          const seats = group.map(({ request }) => `${request.client} ${request.member}`)
          const args = [ttl, owner ?? '', channel, ...seats]
          const reply = (await this.#host.run(partition, touchScript, seatKeys(keys, channel), args)) as unknown[]
          const [renamed, ...found] = reply as [number, ...(string | null)[]]
          this.#renamed(partition, renamed)
          for (const [i, { index }] of group.entries()) states[index] = found[i] ?? null
        },
      ),
    )
    return states
  }

  async release(partition: number, seats: readonly Seat[], owner: string, grace: number): Promise<void> {
    const keys = this.#host.keys(partition)
    await Promise.all(
      groups(seats, ({ channel }) => channel).map(async (group) => {
        const { channel } = group[0] as Seat
        const args = [owner, grace, channel, ...group.map(({ client, member }) => `${client} ${member}`)]
        const [renamed] = (await this.#host.run(partition, releaseScript, seatKeys(keys, channel), args)) as number[]
        this.#renamed(partition, renamed)
      }),
    )
  }

  async members(channel: string): Promise<MembersResult> {
    const partition = this.#host.partition(channel)
    const keys = this.#host.keys(partition)
    const reply = await this.#host.run(
      partition,
      membersScript,
      [keys.clock, keys.members(channel), keys.rev(channel)],
      [],
    )
    const [epoch, id, renamed, ...all] = reply as [Id, Id, number, ...string[]]
    this.#renamed(partition, renamed)
    const members: { member: string; state: string }[] = []
    for (let i = 0; i + 1 < all.length; i += 2) {
      const stored = all[i + 1] as string
      members.push({ member: all[i] as string, state: stored.slice(stored.indexOf('\n') + 1) })
    }
    return { epoch, id, members }
  }

  count(channel: string): Promise<number> {
    const { members } = this.#host.keys(this.#host.partition(channel))
    const key = members(channel)
    return this.#host.command(key, (redis) => redis.hlen(key))
  }

  async pulse(partition: number, { epoch: before, ttl, gap }: PulseRequest): Promise<PulseResult> {
    const keys = this.#host.keys(partition)
    const reply = await this.#host.run(
      partition,
      pulseScript,
      [keys.clock, keys.pulse, keys.due],
      [before ?? '', ttl, gap, DUE, CLAIM],
    )
    const [epoch, hold, renamed, ...due] = reply as [Id, number, number, ...string[]]
    this.#renamed(partition, renamed)
    return { epoch, hold, due }
  }

  async sweep(channel: string): Promise<boolean> {
    const partition = this.#host.partition(channel)
    const keys = this.#host.keys(partition)
    const args = [channel, keys.notices(channel), SWEPT]
    const reply = await this.#host.run(partition, sweepScript, [...seatKeys(keys, channel), keys.pulse], args)
    const [more, renamed] = reply as number[]
    this.#renamed(partition, renamed)
    return more === 1
  }

  watch(partition: number, channels: readonly string[]): Promise<void> {
    return this.#host.subscribe(partition, channels.map(this.#host.keys(partition).notices))
  }

  unwatch(partition: number, channels: readonly string[]): void {
    this.#host.unsubscribe(partition, channels.map(this.#host.keys(partition).notices))
  }

  async online(ids: readonly string[], ttl: number): Promise<void> {
    await Promise.all([
      // The plain keys stand in slots of their own.
      ...ids.map((id) => {
        const key = `user:${id}:online`
        return this.#host.command(key, (redis) => redis.set(key, '1', 'PX', Math.min(ttl, ONLINE)))
      }),
      ...this.#byPartition(ids).map(async ({ partition, items }) => {
        const { clock, online } = this.#host.keys(partition)
        const [renamed] = (await this.#host.run(partition, onlineScript, [clock, online], [ttl, ...items])) as number[]
        this.#renamed(partition, renamed)
      }),
    ])
  }

  async isOnline(ids: readonly string[]): Promise<boolean[]> {
    const online = new Set<string>()
    await Promise.all(
      this.#byPartition(ids).map(async ({ partition, items }) => {
        const keys = this.#host.keys(partition)
        const reply = await this.#host.run(partition, isOnlineScript, [keys.clock, keys.online], items)
        const [renamed, ...found] = reply as number[]
        this.#renamed(partition, renamed)
        for (const [i, id] of items.entries()) if (found[i] === 1) online.add(id)
      }),
    )
    return ids.map((id) => online.has(id))
  }

  async match(glob: string, cursor: string | null, limit: number): Promise<{ ids: string[]; cursor: string | null }> {
    const place = /^(\d{1,4})-(\d{1,20})$/.exec(cursor ?? '0-0')
    const partition = Number(place?.[1] ?? this.#host.partitions)
    // One of another number of partitions, or none of ours: Redis would refuse it.
    if (partition >= this.#host.partitions || BigInt(place?.[2] ?? 0) > LAST_CURSOR) return { ids: [], cursor: null }
    const { clock, online } = this.#host.keys(partition)
    const args = [place?.[2] ?? '0', redisGlob(glob), limit]
    const reply = await this.#host.run(partition, matchScript, [clock, online], args)
    const [renamed, next, ...found] = reply as [number, string, ...string[]]
    this.#renamed(partition, renamed)
    const ids = found.filter((id) => fitsGlob(glob, id))
    if (next !== '0') return { ids, cursor: `${partition}-${next}` }
    return { ids, cursor: partition + 1 < this.#host.partitions ? `${partition + 1}-0` : null }
  }

  #renamed(partition: number, renamed: number | undefined): void {
    if (renamed === 1) this.#host.renamed(partition)
  }

  #byPartition(ids: readonly string[]): { readonly partition: number; readonly items: readonly string[] }[] {
    return groups(ids, (id) => `${this.#host.partition(id)}`).flatMap((all) => {
      const partition = this.#host.partition(all[0] as string)
      const batches: { partition: number; items: string[] }[] = []
      for (let i = 0; i < all.length; i += BATCH) batches.push({ partition, items: all.slice(i, i + BATCH) })
      return batches
    })
  }
}

function seatKeys(keys: PartitionKeys, channel: string): string[] {
  return [keys.clock, keys.seats(channel), keys.states(channel), keys.members(channel), keys.rev(channel), keys.due]
}

/**
 * A glob of Redis that lets at least the same ids through: there `?` is one byte, more signs stand for something, and each `*` beside another
 * one costs time.
 */
function redisGlob(glob: string): string {
  return glob.replace(/[*?]+/g, '*').replace(/[\\[\]]/g, '\\$&')
}

function groups<T>(all: readonly T[], key: (item: T) => string): T[][] {
  const found = new Map<string, T[]>()
  for (const item of all) {
    const name = key(item)
    const group = found.get(name)
    if (group === undefined) found.set(name, [item])
    else group.push(item)
  }
  return [...found.values()]
}
