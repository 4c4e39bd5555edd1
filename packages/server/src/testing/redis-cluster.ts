/** A real Redis Cluster of three primaries with a replica each, to be failed over and resharded; for tests of the Redis broker and of apps. */
import { setTimeout as pause } from 'node:timers/promises'
import { freePort, RedisServer } from './redis-server'

const SLOTS = 16384
const PRIMARIES = 3

/**
 * @example
 * const cluster = await RedisCluster.start()
 * const broker = redis(cluster.urls, { partitions: 4 })
 * …
 * await cluster.close()
 */
export class RedisCluster {
  /** Three primaries, then the replica of each; by failovers they change places. */
  readonly servers: readonly RedisServer[]

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers
  }

  /** Resolves when all slots are served and every replica is in step. */
  static async start(): Promise<RedisCluster> {
    const buses = await Promise.all(Array.from({ length: 2 * PRIMARIES }, freePort))
    const servers = await Promise.all(
      buses.map((bus) =>
        RedisServer.start({
          args: [
            ...['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '1000'],
            ...['--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0'],
          ],
        }),
      ),
    )
    const cluster = new RedisCluster(servers)
    const [first] = servers as [RedisServer]
    for (const [i, server] of servers.entries()) {
      await server.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
      if (i > 0) await first.command('CLUSTER', 'MEET', '127.0.0.1', server.port, buses[i] as number)
      if (i < PRIMARIES) {
        const [from, to] = [i, i + 1].map((n) => Math.floor((n * SLOTS) / PRIMARIES)) as [number, number]
        await server.command('CLUSTER', 'ADDSLOTSRANGE', from, to - 1)
      }
    }
    for (const [i, replica] of servers.slice(PRIMARIES).entries()) {
      const id = await cluster.#id(servers[i] as RedisServer)
      await until(async () => String(await replica.command('CLUSTER', 'NODES')).includes(id))
      await replica.command('CLUSTER', 'REPLICATE', id)
    }
    await cluster.settled()
    return cluster
  }

  /** For `redis(urls)`. */
  get urls(): string[] {
    return this.servers.map(({ url }) => url)
  }

  /** The primary that has the slot of this key, by what it says itself. */
  async primaryOf(key: string): Promise<RedisServer> {
    const slot = Number(await (await this.#any()).command('CLUSTER', 'KEYSLOT', key))
    for (;;) {
      for (const server of this.servers) {
        const lines = String(await server.command('CLUSTER', 'NODES').catch(() => '')).split('\n')
        const ranges = (lines.find((line) => line.includes('myself,master')) ?? '').split(' ').slice(8)
        const has = ranges.some((range) => {
          const [from, to = from] = range.split('-').map(Number) as [number, number?]
          return slot >= from && slot <= (to as number)
        })
        if (has) return server
      }
      await pause(50)
    }
  }

  /** Moves the slot of a key to another primary, key by key, while it is in use; returns the two. `between` runs when half of it has moved. */
  async migrate(key: string, between = async () => {}): Promise<{ from: RedisServer; to: RedisServer }> {
    const from = await this.primaryOf(key)
    const slot = Number(await from.command('CLUSTER', 'KEYSLOT', key))
    const other = [...String(await from.command('CLUSTER', 'NODES')).matchAll(/:(\d+)@\S+ master/g)][0]
    const to = this.servers.find(({ port }) => port === Number(other?.[1])) as RedisServer
    const [fromId, toId] = [await this.#id(from), await this.#id(to)]
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId)
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId)
    for (let moved = 0; ; moved++) {
      const keys = (await from.command('CLUSTER', 'GETKEYSINSLOT', slot, 1)) as string[]
      if (keys.length === 0) break
      await from.command('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys)
      if (moved === 1) await between()
    }
    await to.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId)
    await from.command('CLUSTER', 'SETSLOT', slot, 'NODE', toId)
    return { from, to }
  }

  /** Waits until every node says that all is well, and the replicas of all primaries are in step. */
  async settled(): Promise<void> {
    await until(async () => {
      const all = await Promise.all(
        this.servers.map(async (server) => {
          const info = String(await server.command('CLUSTER', 'INFO'))
          const replication = String(await server.command('INFO', 'replication'))
          const inStep = /role:master/.test(replication)
            ? /connected_slaves:[1-9]/.test(replication) && /state=online/.test(replication)
            : /master_link_status:up/.test(replication)
          return inStep && /cluster_state:ok/.test(info) && info.includes(`cluster_known_nodes:${this.servers.length}`)
        }),
      ).catch(() => [false])
      return all.every(Boolean)
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()))
  }

  async #any(): Promise<RedisServer> {
    for (const server of this.servers) if (await server.command('PING').catch(() => null)) return server
    throw new Error('No node of the Cluster answers.')
  }

  async #id(server: RedisServer): Promise<string> {
    return String(await server.command('CLUSTER', 'MYID'))
  }
}

/** Redis tells nobody when its view of others changes, so it is asked. */
async function until(check: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await check()); tries++) {
    if (tries > 600) throw new Error('The Cluster did not settle within 30 s.')
    await pause(50)
  }
}
