/** The broker on Redis: a log of streams stamped by one clock, announced over pub/sub; made by the door `@rt/server/redis`. */
import { randomBytes } from 'node:crypto'
import { type Id, isId, laterId } from '@rt/protocol'
import {
  type Broker,
  type BrokerListener,
  type Entry,
  lifeOfLast,
  type PastEpoch,
  type Published,
  type PublishRequest,
  type ReadAnswer,
  type ReadRequest,
  type ReadResult,
} from '../../ports/broker'
import type { BrokerMetrics } from '../../ports/metrics'
import { parseEnvelope, printLive } from './envelope'
import { createKeys, type Keys, type PartitionKeys } from './keys'
import { RedisPresence } from './presence'
import { enterScript, publishScript, pulseScript, readScript, type Script, touchScript } from './scripts/scripts'
import { type Place, Shards } from './shards'

/** Options of the Redis broker; see {@link redis}. */
export interface RedisBrokerOptions {
  /** Stands before every key and pub/sub channel, as `{<prefix>:…}`. Default `rt`. */
  readonly prefix?: string
  /** Parts of the log with a clock of their own, 1 to 1024, the same on every node. Default 1. */
  readonly partitions?: number
  /** Milliseconds after which a command without an answer counts as `unknown` and its connection as lost. Default 3000. */
  readonly timeout?: number
  /** Milliseconds without any message after which the node checks that it still hears itself over pub/sub. Default 30000. */
  readonly silence?: number
}

/** How the node stands with its Redis. */
export interface RedisHealth {
  /** Both connections are there and lead to the same Redis. */
  readonly up: boolean
  /** How often the listening connection was open but delivered nothing. */
  readonly deaf: number
  /** Messages on our pub/sub channels that were no envelopes, and stream entries that were not ours. */
  readonly malformed: number
  /** What last went wrong with a connection; null when nothing has since the last success. */
  readonly problem: Error | null
}

/** Most entries of one channel in one answer, and most bytes of all entries. */
const PAGE = 500
const PAGE_BYTES = 1024 * 1024
/** Bytes of live messages that may wait for Redis; beyond it they are dropped. */
const LIVE_BYTES = 4 * 1024 * 1024
/** Milliseconds that a probe may take to come back. */
const PATIENCE = 5000

/** What `redis()` returns: give it to `createRealtime`. Apps need only its `health`; the rest is for the core. */
export class RedisBroker implements Broker {
  readonly partitions: number
  readonly presence: RedisPresence
  readonly #node = randomBytes(9).toString('base64url')
  readonly #keys: Keys
  readonly #shards: Shards
  /** By partition: the newest id that this node ever saw; no clock may fall behind it. */
  readonly #floors: Id[]
  /** By partition: the connection over which this node last ended an epoch of another identity. */
  readonly #renamed = new Map<number, number>()
  #listener: BrokerListener | null = null
  #malformed = 0
  #liveBytes = 0
  #dropped = 0

  constructor(place: Place, options: RedisBrokerOptions = {}) {
    const { prefix = 'rt', partitions = 1, timeout = 3000, silence = 30_000 } = options
    this.#keys = createKeys(prefix, partitions)
    this.partitions = partitions
    this.#floors = new Array<Id>(partitions).fill('0-0')
    this.#shards = new Shards(
      {
        place,
        timeout,
        silence,
        patience: Math.min(PATIENCE, silence),
        probes: this.#keys.partitions.map((keys) => keys.probe(this.#node)),
        scripts: [publishScript, readScript, enterScript, touchScript, pulseScript],
      },
      {
        message: (name, payload) => this.#receive(name, payload),
        up: (partition) => this.#listener?.up(partition),
        down: (partition) => this.#listener?.down(partition),
      },
    )
    this.presence = new RedisPresence({
      command: (key, send) => this.#shards.command(key, send),
      subscribe: (partition, names) => this.#shards.subscribe(partition, names),
      unsubscribe: (partition, names) => this.#shards.unsubscribe(partition, names),
      partitions,
      partition: (name) => this.partition(name),
      keys: (partition) => this.#partition(partition),
      run: (partition, script, keys, args) => this.#run(partition, script, keys, args),
      renamed: (partition) => this.#renamedRedis(partition),
    })
  }

  /** How this node stands with its Redis, now: for a health check. */
  get health(): RedisHealth {
    const { up, counts, problem } = this.#shards
    return { up, deaf: counts.deaf, malformed: this.#malformed, problem }
  }

  metrics(): BrokerMetrics {
    const { state, counts } = this.#shards
    const { losses, deaf, roundTrips } = counts
    return {
      state,
      losses,
      deaf,
      malformed: this.#malformed,
      dropped: this.#dropped,
      roundTrips: roundTrips.snapshot(),
    }
  }

  partition(channel: string): number {
    return this.#keys.partition(channel)
  }

  start(listener: BrokerListener): void {
    if (this.#listener !== null) throw new TypeError('This broker was started before.')
    this.#listener = listener
    this.#shards.start()
  }

  async publish(request: PublishRequest): Promise<Published> {
    const { channel, messageId, body, history, dedupe } = request
    const partition = this.partition(channel)
    const keys = this.#partition(partition)
    const reply = await this.#run(
      partition,
      publishScript,
      [keys.clock, keys.log(channel), keys.last(channel), keys.dedupe(channel, messageId)],
      [body, history.size, history.ttl, lifeOfLast(history), dedupe, keys.announce(channel)],
    )
    const [id, duplicate, renamed] = reply as [Id, number, number]
    this.#saw(partition, id)
    if (renamed === 1) this.#renamedRedis(partition)
    return { id, duplicate: duplicate === 1 }
  }

  publishLive(channel: string, body: string): void {
    const payload = printLive(this.#node, body)
    if (this.#liveBytes + payload.length > LIVE_BYTES) {
      this.#dropped++
      return
    }
    const partition = this.partition(channel)
    const name = this.#partition(partition).announce(channel)
    const sent = this.#shards.send(partition, name, payload, () => {
      this.#liveBytes -= payload.length
    })
    if (sent) this.#liveBytes += payload.length
  }

  subscribe(partition: number, channels: readonly string[]): Promise<void> {
    return this.#shards.subscribe(partition, channels.map(this.#partition(partition).announce))
  }

  unsubscribe(partition: number, channels: readonly string[]): void {
    this.#shards.unsubscribe(partition, channels.map(this.#partition(partition).announce))
  }

  async read(partition: number, expected: Id | null, requests: readonly ReadRequest[]): Promise<ReadResult> {
    const keys = this.#partition(partition)
    const reply = await this.#run(
      partition,
      readScript,
      [keys.clock, ...requests.flatMap(({ channel }) => [keys.log(channel), keys.last(channel)])],
      [expected ?? '', PAGE, PAGE_BYTES, ...requests.flatMap(({ after, last, life }) => [after ?? '', last, life])],
    )
    const [epoch, past, head, renamed, ...answers] = reply as [Id, string, Id, number, ...RawAnswer[]]
    this.#saw(partition, head)
    if (renamed === 1) this.#renamedRedis(partition)
    return {
      epoch,
      past: pastEpochs(past),
      head,
      answers: expected === epoch ? answers.map((answer) => this.#answer(answer)) : null,
    }
  }

  async keep(key: string, text: string, ttl: number): Promise<void> {
    const kept = this.#kept(key)
    await this.#shards.command(kept, (redis) => redis.set(kept, text, 'PX', ttl))
  }

  take(key: string): Promise<string | null> {
    const kept = this.#kept(key)
    return this.#shards.command(kept, (redis) => redis.getdel(kept))
  }

  #kept(key: string): string {
    return this.#partition(this.partition(key)).kept(key)
  }

  async close(): Promise<void> {
    await this.#shards.close()
  }

  #run(partition: number, script: Script, keys: readonly string[], args: readonly (string | number)[]) {
    return this.#shards.run(partition, script, keys, (identity) => [
      identity,
      Math.floor(Math.random() * 0x100000),
      this.#floors[partition] as Id,
      ...args,
    ])
  }

  #receive(name: string, payload: string): void {
    const target = this.#keys.parse(name)
    const envelope = parseEnvelope(payload)
    if (target === null || envelope === null) {
      this.#malformed++
      return
    }
    const { partition, kind, channel } = target
    if ((kind === 'notices') !== (envelope.kind === 'notice')) {
      this.#malformed++
      return
    }
    if (envelope.kind === 'notice') {
      const { id, prev, epoch, changes } = envelope
      this.#saw(partition, id)
      this.#listener?.presence({ partition, channel, epoch, id, prev, changes })
      return
    }
    if (envelope.kind === 'live') {
      if (envelope.node !== this.#node) this.#listener?.live(channel, envelope.body)
      return
    }
    const { id, prev, epoch, body } = envelope
    this.#saw(partition, id)
    this.#listener?.publication({ partition, channel, id, prev, epoch, body })
  }

  #answer([last, more, raw]: RawAnswer): ReadAnswer {
    const entries: Entry[] = []
    for (const [id, fields] of raw) {
      const [p, prev, b, body] = fields
      if (p === 'p' && b === 'b' && isId(prev) && body !== undefined) entries.push({ id, prev, body })
      else this.#malformed++
    }
    return { entries, more: more === 1, last }
  }

  #saw(partition: number, id: Id): void {
    this.#floors[partition] = laterId(this.#floors[partition] as Id, id)
  }

  // The second time over one connection means that another node calls this Redis by another name: one of us is wrong.
  #renamedRedis(partition: number): void {
    const generation = this.#shards.generation(partition)
    if (this.#renamed.get(partition) === generation) this.#shards.doubt(partition)
    this.#renamed.set(partition, generation)
  }

  #partition(partition: number): PartitionKeys {
    return this.#keys.partitions[partition] as PartitionKeys
  }
}

/** `{ last, more, XRANGE reply }` */
type RawAnswer = readonly [last: Id, more: number, entries: readonly (readonly [id: Id, fields: readonly string[]])[]]

function pastEpochs(text: string): PastEpoch[] {
  const words = text === '' ? [] : text.split(' ')
  const past: PastEpoch[] = []
  for (let i = 0; i + 1 < words.length; i += 2) past.push({ epoch: words[i] as Id, end: words[i + 1] as Id })
  return past
}
