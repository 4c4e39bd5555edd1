/** A primary with a replica and three Sentinels, as operating-system processes; used by the tests of this folder. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RedisServer } from '@rt/server/testing'
import { Redis } from 'ioredis'
import { freePort } from '../free-port.ts'

const NAME = 'main'
/** Two of the three have to agree. */
const QUORUM = 2
/** Milliseconds without an answer after which a Sentinel takes a Redis for down. */
const DOWN_AFTER = 1000

export class Sentinels {
  /** For `redis()`: options of ioredis. */
  readonly target: {
    readonly sentinels: { readonly host: string; readonly port: number }[]
    readonly name: string
  }
  readonly #directory: string
  readonly #processes: readonly ChildProcess[]
  readonly #kill = () => {
    for (const child of this.#processes) child.kill('SIGKILL')
  }

  private constructor(
    /** The one that begins as the primary. */
    readonly first: RedisServer,
    /** The one that is promoted. */
    readonly second: RedisServer,
    ports: readonly number[],
  ) {
    this.target = { sentinels: ports.map((port) => ({ host: '127.0.0.1', port })), name: NAME }
    this.#directory = mkdtempSync(join(tmpdir(), 'rt-sentinels-'))
    this.#processes = ports.map((port) => {
      const file = join(this.#directory, `${port}.conf`)
      // It rewrites its own configuration, so that each needs a file.
      writeFileSync(
        file,
        [
          `port ${port}`,
          'bind 127.0.0.1',
          `sentinel monitor ${NAME} 127.0.0.1 ${first.port} ${QUORUM}`,
          `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER}`,
          `sentinel failover-timeout ${NAME} 4000`,
          '',
        ].join('\n'),
      )
      return spawn(process.env['REDIS_SERVER'] ?? 'redis-server', [file, '--sentinel'], { stdio: 'ignore' })
    })
    process.once('exit', this.#kill)
  }

  /** Resolves when the replica is in step and the Sentinels know of each other and of it. */
  static async start(): Promise<Sentinels> {
    const first = await RedisServer.start({ args: ['--repl-diskless-sync-delay', '0'] })
    const second = await RedisServer.start({ args: ['--replicaof', `127.0.0.1 ${first.port}`] })
    const sentinels = new Sentinels(first, second, await Promise.all([freePort(), freePort(), freePort()]))
    await Promise.all(
      sentinels.target.sentinels.map(({ port }) =>
        sentinels.#ask(port, async (redis) => {
          await redis.call('SENTINEL', 'CKQUORUM', NAME)
          const replicas = (await redis.call('SENTINEL', 'REPLICAS', NAME)) as unknown[]
          const others = (await redis.call('SENTINEL', 'SENTINELS', NAME)) as unknown[]
          if (replicas.length < 1 || others.length < 2) throw new Error('not known yet')
        }),
      ),
    )
    return sentinels
  }

  /** Resolves when the Sentinels name this one as the primary, and it is. */
  async promoted(server: RedisServer): Promise<void> {
    await this.#ask(this.target.sentinels[0]?.port ?? 0, async (redis) => {
      const [, port] = (await redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as [string, string]
      const [role] = (await server.command('ROLE')) as [string]
      if (Number(port) !== server.port || role !== 'master') throw new Error(`${port} is the primary.`)
    })
  }

  async close(): Promise<void> {
    process.off('exit', this.#kill)
    const gone = Promise.all(this.#processes.map((child) => once(child, 'exit')))
    this.#kill()
    await gone
    rmSync(this.#directory, { recursive: true, force: true })
    this.second.resume()
    await Promise.all([this.first.close(), this.second.close()])
  }

  /** Asks again until it does not throw, for half a minute: a Sentinel tells of nothing by itself. */
  async #ask(port: number, question: (redis: Redis) => Promise<void>): Promise<void> {
    const redis = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: null })
    redis.on('error', () => {})
    try {
      for (const until = performance.now() + 30_000; ; ) {
        try {
          await question(redis)
          return
        } catch (error) {
          if (performance.now() > until) throw error
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
      }
    } finally {
      redis.disconnect()
    }
  }
}
