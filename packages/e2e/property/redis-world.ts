/** A world on a real Redis, which is killed, restarted empty or rolled back, and whose links are cut; things move by themselves. */
import { once } from 'node:events'
import { compareIds, systemClock, timeOfId } from '@rt/protocol'
import { type RedisBroker, redis } from '@rt/server/redis'
import type { RedisServer } from '@rt/server/testing'
import { Redis } from 'ioredis'
import type { Stored, World } from './world'

/** Milliseconds in which everything must be well again. */
const PATIENCE = 15_000
const MESSAGE_ID = /"messageId":"([^"]*)"/

export class RedisWorld implements World {
  readonly brokers: readonly RedisBroker[]
  readonly clock = systemClock
  readonly #server: RedisServer
  readonly #losses: boolean
  readonly #observer: Redis
  readonly #prefix: string
  readonly #stored = new Map<string, Stored>()
  readonly #rollbacks: number[] = []
  #sorted: readonly Stored[] = []
  #alive = true
  #since = 0

  /** Each schedule has keys of its own by its `prefix`, so that the server is shared. */
  static async on(
    server: RedisServer,
    prefix: string,
    partitions: number,
    nodes: number,
    losses: boolean,
  ): Promise<RedisWorld> {
    await server.start()
    const world = new RedisWorld(server, prefix, partitions, nodes, losses)
    await once(world.#observer, 'ready')
    return world
  }

  private constructor(server: RedisServer, prefix: string, partitions: number, nodes: number, losses: boolean) {
    this.#server = server
    this.#losses = losses
    this.brokers = Array.from({ length: nodes }, () => redis(server.url, { prefix, partitions }))
    this.#prefix = prefix
    // What ioredis does by itself when it connects again may be cut off by the end of the schedule, and nobody would hear its rejection.
    const quiet = {
      autoResubscribe: false,
      enableReadyCheck: false,
      retryStrategy: () => 20,
      maxRetriesPerRequest: null,
    }
    this.#observer = new Redis(server.url, quiet)
    this.#observer.on('error', () => {})
    this.#observer.on('ready', () => this.#observer.psubscribe(`{${prefix}:*}:ch:*`).catch(() => {}))
    // An independent witness of what the store took: the announcements themselves.
    this.#observer.on('pmessage', (_pattern: string, name: string, text: string) => {
      const [header = '', body = ''] = text.split('\n', 2)
      const [kind, id] = header.split(' ')
      const messageId = MESSAGE_ID.exec(body)?.[1]
      if (kind === 'p' && id !== undefined && messageId !== undefined)
        this.saw({ channel: name.slice(name.indexOf(':ch:') + 4), messageId, id })
    })
  }

  async ready(): Promise<void> {
    while (await this.mend());
  }

  defer(run: () => void): void {
    setImmediate(run)
  }

  moves(_a: number, b: number): readonly (readonly [number, () => void | Promise<void>])[] {
    return [
      [60, () => {}],
      [2, () => this.#kill('pubsub')],
      [1, () => this.#kill('normal')],
      ...(this.#losses
        ? ([
            [2, () => this.#save()],
            [2, () => this.#restart(b % 3 === 0)],
          ] as const)
        : []),
    ]
  }

  /** Lets arrive what is there: once round the event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  patient(round: number): boolean {
    if (round === 0) this.#since = performance.now()
    return performance.now() - this.#since < PATIENCE
  }

  async mend(): Promise<boolean> {
    if (!this.#alive) await this.#start()
    // Not a pause for luck: the caller asks again until everything has come.
    await new Promise((resolve) => setTimeout(resolve, 2))
    return this.brokers.some(({ health }) => !health.up)
  }

  saw(stored: Stored): void {
    this.#stored.set(`${stored.channel} ${stored.id}`, stored)
  }

  async stored(): Promise<readonly Stored[]> {
    // The witness may have been cut off as well: what is in the logs now was taken, too.
    for (const key of (await this.#server.command('KEYS', `{${this.#prefix}:*}:log:*`)) as string[]) {
      const channel = key.slice(key.indexOf(':log:') + 5)
      for (const [id, fields] of (await this.#server.command('XRANGE', key, '-', '+')) as [string, string[]][]) {
        const messageId = MESSAGE_ID.exec(fields.at(-1) ?? '')?.[1]
        if (messageId !== undefined) this.saw({ channel, messageId, id })
      }
    }
    // The wall clock only goes forward here, so the ids tell the order, over all lives of the log.
    this.#sorted = [...this.#stored.values()].sort((a, b) => compareIds(a.id, b.id))
    return this.#sorted
  }

  isAfter(stored: Stored, start: { id: string }): boolean {
    return compareIds(stored.id, start.id) > 0
  }

  forgot(kind: 'rollback' | 'expiry', from: number, to: number): boolean {
    const [first, second] = [this.#sorted[from], this.#sorted[to]]
    if (kind === 'expiry' || first === undefined || second === undefined) return false
    return this.#rollbacks.some((at) => at >= timeOfId(first.id) && at <= timeOfId(second.id))
  }

  async close(): Promise<void> {
    this.#observer.disconnect()
    await Promise.all(this.brokers.map((broker) => broker.close()))
  }

  async #kill(type: 'pubsub' | 'normal'): Promise<void> {
    if (this.#alive) await this.#server.command('CLIENT', 'KILL', 'TYPE', type)
  }

  async #save(): Promise<void> {
    if (this.#alive) await this.#server.save()
  }

  /** `whole`: nothing is lost; else what came after the last save is, which may be everything. */
  async #restart(whole: boolean): Promise<void> {
    if (!this.#alive) return this.#start()
    if (whole) await this.#server.save()
    this.#alive = false
    if (!whole) this.#rollbacks.push(Date.now())
    await this.#server.kill()
  }

  async #start(): Promise<void> {
    await this.#server.start()
    this.#alive = true
  }
}
