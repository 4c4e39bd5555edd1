/**
 * The door `@rt/server/redis`: the broker for many nodes, on a Redis 7.0 or later; apps give it to `createRealtime`.
 *
 * @module
 */
import { Redis, type RedisOptions } from 'ioredis'
import { RedisBroker, type RedisBrokerOptions } from './backends/redis/broker'
import type { Address, Place } from './backends/redis/shards'

export type { RedisBroker, RedisBrokerOptions, RedisHealth } from './backends/redis/broker'

/**
 * A broker on Redis. It opens two connections of its own (on a Cluster two to each primary), connects again for ever, and never throws because
 * Redis is away: publishes reject with `broker_unavailable` then, and streams stand still until it is back.
 *
 * @param target Where Redis is: a URL (`redis://`, `rediss://`), options of ioredis (also for Sentinel), or an ioredis instance, whose
 *   options are taken and whose connection is left alone. An array of URLs or options names nodes of a Redis Cluster: the others are found
 *   from them, and reached with the user, password and TLS of the first. A `keyPrefix` is ignored: use `prefix`.
 * @param options All nodes of one app must have the same `prefix` and `partitions`.
 * @throws TypeError for options that cannot be, for an ioredis Cluster (give the addresses instead), and for a Cluster with ioredis 5, which
 *   does not notice that a slot has moved.
 *
 * @example
 * const rt = createRealtime({ broker: redis(process.env.REDIS_URL, { prefix: 'shop' }), … })
 *
 * @example Redis Cluster
 * const broker = redis(['rediss://rt:secret@10.0.0.1:6379', 'rediss://10.0.0.2:6379'], { partitions: 16 })
 */
export function redis(
  target: string | RedisOptions | Redis | readonly (string | RedisOptions)[],
  options: RedisBrokerOptions = {},
): RedisBroker {
  if (typeof target !== 'string' && (typeof target !== 'object' || target === null)) {
    throw new TypeError('redis() needs a URL, options of ioredis, an ioredis instance, or an array of Cluster nodes.')
  }
  if (isCluster(target)) throw new TypeError('redis() takes no ioredis Cluster: give it an array of the nodes instead.')
  if (isList(target)) return new RedisBroker(cluster(target), options)
  // What is wrong with the options shows here, not at the first connection.
  connection(target).disconnect()
  return new RedisBroker({ kind: 'one', connect: () => connection(target) }, options)
}

function cluster(nodes: readonly (string | RedisOptions)[]): Place {
  const first = nodes[0]
  if (first === undefined) throw new TypeError('redis() needs at least one node of the Cluster.')
  const seeds = nodes.map((node): Address => {
    const probe = connection(node)
    probe.disconnect()
    // Only version 6 tells of subscriptions that Redis ended.
    if (!('protocol' in probe.options)) throw new TypeError('redis() needs ioredis 6 for a Cluster.')
    const { host = '127.0.0.1', port = 6379 } = probe.options
    return { host, port }
  })
  const template = connection(first)
  template.disconnect()
  return { kind: 'cluster', seeds, connect: (address) => template.duplicate({ ...OURS, ...address, db: 0 }) }
}

// One instance is one connection: links.ts makes the next one itself. What would send a command twice, keep it for later, or change
// keys and replies under us is switched off.
const OURS = {
  lazyConnect: true,
  retryStrategy: () => null,
  sentinelRetryStrategy: () => null,
  reconnectOnError: null,
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: false,
  maxRetriesPerRequest: 0,
  commandTimeout: undefined,
  socketTimeout: undefined,
  keepAlive: 10_000,
  noDelay: true,
  disableClientInfo: true,
  keyPrefix: '',
  stringNumbers: false,
  replyMapping: 'legacy' as const,
  readOnly: false,
  monitor: false,
} satisfies RedisOptions

function connection(target: string | RedisOptions | Redis): Redis {
  if (typeof target === 'string') return new Redis(target, OURS)
  // The instance may come from another copy of ioredis, so its own class makes the new one.
  if ('duplicate' in target) return target.duplicate(OURS)
  return new Redis({ ...target, ...OURS })
}

type Target = Parameters<typeof redis>[0]

function isList(target: Target): target is readonly (string | RedisOptions)[] {
  return Array.isArray(target)
}

function isCluster(target: Target): boolean {
  return typeof target === 'object' && 'isCluster' in target && target.isCluster === true
}
