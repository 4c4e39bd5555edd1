/**
 * The door `@rt/server/redis`: the broker for many nodes, on a Redis 7.0 or later; apps give it to `createRealtime`.
 *
 * @module
 */
import { Redis, type RedisOptions } from 'ioredis'
import { RedisBroker, type RedisBrokerOptions } from './backends/redis/broker'

export type { RedisBroker, RedisBrokerOptions, RedisHealth } from './backends/redis/broker'

/**
 * A broker on Redis. It opens two connections of its own, connects again for ever, and never throws because Redis is away: publishes
 * reject with `broker_unavailable` then, and streams stand still until it is back.
 *
 * @param target Where Redis is: a URL (`redis://`, `rediss://`), options of ioredis (also for Sentinel), or an ioredis instance, whose
 *   options are taken and whose connection is left alone. A `keyPrefix` in them is ignored: use `prefix`.
 * @param options All nodes of one app must have the same `prefix` and `partitions`.
 * @throws TypeError for options that cannot be, and for an ioredis Cluster, which is not supported.
 *
 * @example
 * const rt = createRealtime({ broker: redis(process.env.REDIS_URL, { prefix: 'shop' }), … })
 */
export function redis(target: string | RedisOptions | Redis, options: RedisBrokerOptions = {}): RedisBroker {
  if (typeof target !== 'string' && (typeof target !== 'object' || target === null)) {
    throw new TypeError('redis() needs a URL, options of ioredis, or an ioredis instance.')
  }
  if (isCluster(target)) throw new TypeError('redis() does not support Redis Cluster.')
  // What is wrong with the options shows here, not at the first connection.
  connection(target).disconnect()
  return new RedisBroker(() => connection(target), options)
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

function isCluster(target: string | RedisOptions | Redis): boolean {
  return typeof target === 'object' && 'isCluster' in target && target.isCluster === true
}
