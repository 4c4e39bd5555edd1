/**
 * One connection per browser: a tab connects by itself, then joins the tabs of the same endpoint and identity. Whoever leads goes on with the connection that
 * it has, and the others ride on it. Loaded by createClient, where a browser can do it; the connection tells it what happens.
 */
import type { Clock, ServerEvent, Timer } from '@rt/protocol'
import type { Connection } from '../connection/connection'
import type { Companion } from '../ports/companion'
import type { Endpoint } from '../transports/http'
import { Group } from './group'
import { Host } from './host'
import type { Locks, OpenLine } from './messages'
import { createRelay, type Failure } from './relay'

/** Milliseconds that a tab stays by itself which can't ride on another. */
const ALONE = 60_000

/** So many links in a row of which nothing comes, and the tab stays by itself. */
const MISSES = 2

export interface SharingOptions {
  readonly connection: Connection
  readonly endpoint: Endpoint
  /** The name of the group, up to the identity. */
  readonly family: string
  readonly clock: Clock
  readonly random: () => number
  /** The random name of this tab. */
  readonly tab: string
  readonly open: OpenLine
  readonly locks: Locks
  /** Tells when it is frozen, and goes on. */
  readonly page?: EventTarget
}

export class Sharing implements Companion {
  readonly #options: SharingOptions
  #group: Group | null = null
  /** Null: this tab does not lead. */
  #host: Host | null = null
  /** The tab that this one rides on. */
  #leader: string | null = null
  /** Runs while the tab stays by itself. */
  #alone: Timer | undefined
  #separate = false
  #frozen = false
  #misses = 0
  /** Told when it is known whether there is a tab to ride on. */
  #found: () => void = () => {}

  constructor(options: SharingOptions) {
    this.#options = options
    const { page } = options
    page?.addEventListener('freeze', () => this.#freeze(true))
    page?.addEventListener('resume', () => this.#freeze(false))
    this.changed()
  }

  /** Joins the group of those, named without the family, before the server has told whom it takes this tab for, if there is only one. Resolves when it is known who leads. */
  async look(groups: readonly string[]): Promise<void> {
    const identities = groups.flatMap(identityOf)
    const [identity] = identities
    if (identity === undefined || identities.length > 1 || this.#group !== null) return
    const found = new Promise<void>((resolve) => {
      this.#found = resolve
    })
    this.#join(identity)
    await found
  }

  heard(event: ServerEvent): void {
    this.#host?.heard(event)
  }

  changed(): void {
    const { connection } = this.#options
    const { identity } = connection
    if (connection.away || this.#separate || this.#frozen) this.#leave()
    else if (connection.stream !== null && identity !== undefined && this.#nameOf(identity) !== this.#group?.name) {
      this.#leave()
      this.#join(identity)
    }
    this.#host?.changed()
  }

  expelled(channel: string): void {
    this.#host?.expelled(channel)
  }

  separate(): void {
    if (this.#leader === null) return
    this.#separate = true
    this.#leave()
  }

  /** Whoever leads lets another tab do it as long as there is time to; its own stream may wait. */
  #freeze(frozen: boolean): void {
    this.#frozen = frozen
    if (!frozen || this.#host !== null) this.changed()
  }

  #nameOf(identity: string | null): string {
    return this.#options.family + JSON.stringify(identity)
  }

  #join(identity: string | null): void {
    const { connection } = this.#options
    const group: Group = new Group(
      { ...this.#options, name: this.#nameOf(identity) },
      {
        leads: () => {
          this.#host = new Host({ ...this.#options, group })
          this.#unfollow()
          this.#host.changed()
          this.#found()
        },
        robbed: () => {
          this.#host?.close()
          this.#host = null
        },
        follows: (leader) => this.#follow(group, identity, leader),
        joins: (join) => this.#host?.join(join),
        live: () => connection.stream !== null,
      },
    )
    this.#group = group
  }

  #leave(): void {
    const host = this.#host
    this.#group?.leave()
    this.#group = this.#host = null
    this.#misses = 0
    this.#options.clock.clearTimeout(this.#alone)
    this.#alone = undefined
    host?.close()
    this.#unfollow()
  }

  #follow(group: Group, identity: string | null, leader: string): void {
    const { connection } = this.#options
    if (this.#alone !== undefined || (leader === this.#leader && connection.relayed)) return
    this.#leader = leader
    const told = (outcome: 'proven' | Failure) => {
      if (this.#group !== group || this.#leader !== leader) return
      if (outcome === 'proven') this.#misses = 0
      else this.#failed(outcome)
    }
    connection.ride(createRelay({ ...this.#options, group, leader, identity, told }))
    this.#found()
  }

  #failed(failure: Failure): void {
    const { connection, clock } = this.#options
    if (failure === 'stuck') this.#group?.ask(0)
    else if (failure === 'missed' && ++this.#misses < MISSES) {
      // Over HTTP/1.1 the streams of some tabs may take up all the connections that a browser has for the polls of each.
      if (connection.stream !== null && connection.transport !== 'websocket') connection.reconnect()
    } else {
      this.#misses = 0
      this.#alone = clock.setTimeout(() => {
        this.#alone = undefined
        this.#group?.ask()
      }, ALONE)
      this.#unfollow()
    }
  }

  /** Has a stream of its own again. */
  #unfollow(): void {
    if (this.#leader === null) return
    this.#leader = null
    this.#options.connection.ride(null)
  }
}

/** The identity behind the name of a group; none for the names of a tab's own. */
function identityOf(text: string): (string | null)[] {
  try {
    return [JSON.parse(text) as string | null]
  } catch {
    return []
  }
}
