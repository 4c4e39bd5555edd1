/** A real redis-server on a free port, to be stopped, killed, frozen and restarted; for tests of the Redis broker and of apps. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Redis } from 'ioredis'

/** How a test's Redis is started. */
export interface RedisServerOptions {
  /** More arguments, such as `['--maxmemory', '8mb']`, or `['--appendonly', 'yes']` for one that keeps its data when it is killed. */
  readonly args?: readonly string[]
}

/**
 * Unless told otherwise it keeps its data only through {@link RedisServer.save}, so `save`, more writes, `kill`, `start` is a rollback, and `kill`, `erase`,
 * `start` is the loss of everything. The binary is `$REDIS_SERVER`, or `redis-server` on the PATH.
 *
 * @example
 * const server = await RedisServer.start()
 * const broker = redis(server.url)
 * …
 * await server.close()
 */
export class RedisServer {
  /** On 127.0.0.1. */
  readonly port: number
  readonly #directory: string
  readonly #args: readonly string[]
  #process: ChildProcess | null = null
  #admin: Promise<Redis> | null = null

  private constructor(port: number, directory: string, args: readonly string[]) {
    this.port = port
    this.#directory = directory
    this.#args = args
  }

  /** A new one, empty. Resolves when it accepts connections. */
  static async start({ args = [] }: RedisServerOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(join(tmpdir(), 'rt-redis-')), args)
    await server.start()
    return server
  }

  /** For `redis(url)`. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it again, with the data of the last {@link save}. Resolves when it accepts connections. */
  async start(): Promise<void> {
    if (this.#process !== null) return
    const args = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--dir',
      this.#directory,
      '--save',
      '',
      ...this.#args,
    ]
    const child = spawn(process.env['REDIS_SERVER'] ?? 'redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#process = child
    const dieWithUs = () => child.kill('SIGKILL')
    process.once('exit', dieWithUs)
    child.once('exit', () => {
      process.off('exit', dieWithUs)
      if (this.#process === child) this.#process = null
    })
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`redis-server ended with ${code} before it was ready.`)))
      createInterface({ input: child.stdout as NonNullable<typeof child.stdout> }).on('line', (line) => {
        if (line.includes('Ready to accept connections')) resolve()
      })
    })
  }

  /** Runs any command on a connection of its own, such as `command('CLIENT', 'KILL', 'TYPE', 'pubsub')`. */
  async command(name: string, ...args: readonly (string | number)[]): Promise<unknown> {
    this.#admin ??= this.#connect()
    const admin = await this.#admin
    return admin.call(name, ...args)
  }

  /** Writes what is stored to disk: the next {@link start} comes up with exactly this. */
  async save(): Promise<void> {
    await this.command('SAVE')
  }

  /** Removes what {@link save} or an append-only file kept: the next {@link start} comes up empty. */
  async erase(): Promise<void> {
    for (const name of ['dump.rdb', 'appendonlydir']) {
      await rm(join(this.#directory, name), { recursive: true, force: true })
    }
  }

  /** Ends the process at once. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    await this.#adminGone()
  }

  /** Freezes the process: connections stay open, nothing is answered. */
  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  /** Kills it and removes its data. */
  async close(): Promise<void> {
    await this.kill()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #connect(): Promise<Redis> {
    // Loaded here only: apps that have no Redis have no ioredis, and use the rest of this door.
    const { Redis } = await import('ioredis')
    const admin = new Redis(this.port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null })
    admin.on('error', () => {})
    admin.once('end', () => {
      this.#admin = null
    })
    await admin.connect()
    return admin
  }

  async #adminGone(): Promise<void> {
    const admin = await this.#admin?.catch(() => null)
    if (admin == null || admin.status === 'end') return
    const end = once(admin, 'end')
    admin.disconnect()
    await end
  }
}

/** A port of 127.0.0.1 that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
