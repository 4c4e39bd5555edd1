/** Presence of one node on the memory store, an outage at the turn of a switch, and others who change what is stored; for the tests of this folder. */
import { type MembersEvent, type PresenceEvent, RealtimeError } from '@rt/protocol'
import { FakeClock } from '@rt/protocol/fake-clock'
import { MemoryStore } from '../../backends/memory/broker'
import type { Broker } from '../../ports/broker'
import type { OutItem } from '../../ports/connection'
import type { PresenceStore, Seat } from '../../ports/presence'
import { Presence } from './presence'
import type { Sitter } from './seats'
import type { Watcher } from './view'

export const TTL = 60_000
export const GRACE = 10_000
export const LINGER = 5000
export const CHANNEL = 'room:1'

export class PresenceNode {
  readonly clock = new FakeClock()
  readonly broker: Broker
  readonly presence: Presence
  /** Another node's way to the store: it knows no outage. */
  readonly other: PresenceStore
  /** The store refuses this node's calls, though the link is there. */
  away = false
  /** Notices to this node that get lost, from now on. */
  lose = 0
  /** What the next lists wait for on their way to this node; null: for nothing. */
  late: Promise<void> | null = null

  private constructor() {
    const store = new MemoryStore({ clock: this.clock })
    const broker = store.node()
    this.other = store.node().presence
    this.broker = { ...broker, presence: this.#switched(broker.presence) }
    this.presence = new Presence({
      broker: this.broker,
      clock: this.clock,
      node: 'here',
      ttl: TTL,
      grace: GRACE,
      linger: LINGER,
    })
  }

  /** Linked, on a store that nobody has reason to doubt. */
  static async start(): Promise<PresenceNode> {
    const node = new PresenceNode()
    await node.other.pulse(0, { epoch: null, ttl: TTL, gap: 5000 })
    node.broker.start({
      publication: () => {},
      live: () => {},
      presence: (notice) => {
        if (node.lose > 0) node.lose--
        else node.presence.notice(notice)
      },
      up: (partition) => node.presence.linkUp(partition),
      down: (partition) => node.presence.linkDown(partition),
    })
    return node
  }

  /** Lets everything that was asked be answered, and so many milliseconds pass. */
  pass(ms = 0): Promise<void> {
    return this.clock.advanceAsync(ms)
  }

  /** Somebody at another node enters, or changes the state. */
  async entered(member: string, state: unknown = null, ttl = 100 * TTL): Promise<void> {
    const request = { channel: CHANNEL, member, client: 'c', state: JSON.stringify(state), owner: 'elsewhere', ttl }
    await this.other.enter(request)
    await this.pass()
  }

  async left(member: string): Promise<void> {
    await this.other.leave({ channel: CHANNEL, member, client: 'c' })
    await this.pass()
  }

  async watch(since?: string, polled = false): Promise<RecordingWatcher> {
    const watcher = new RecordingWatcher(polled)
    this.presence.watch(CHANNEL, since, watcher)
    await this.pass()
    return watcher
  }

  #switched(store: PresenceStore): PresenceStore {
    const unlessAway = async <T>(run: () => Promise<T>): Promise<T> => {
      if (this.away) throw new RealtimeError('broker_unavailable', 'Away.', { outcome: 'failed' })
      return run()
    }
    return {
      ...store,
      enter: (request) => unlessAway(() => store.enter(request)),
      leave: (seat) => unlessAway(() => store.leave(seat)),
      touch: (partition, requests) => unlessAway(() => store.touch(partition, requests)),
      release: (...args) => unlessAway(() => store.release(...args)),
      members: (channel) =>
        unlessAway(async () => {
          const result = await store.members(channel)
          await this.late
          return result
        }),
      pulse: (partition, request) => unlessAway(() => store.pulse(partition, request)),
      sweep: (channel) => unlessAway(() => store.sweep(channel)),
      watch: (partition, channels) => unlessAway(() => store.watch(partition, channels)),
      online: (ids, ttl) => unlessAway(() => store.online(ids, ttl)),
    }
  }
}

/** A stream that watches, and what it was told. */
export class RecordingWatcher implements Watcher {
  readonly polled: boolean
  readonly events: (MembersEvent | PresenceEvent)[] = []
  toldOnce = false

  constructor(polled = false) {
    this.polled = polled
  }

  members(_channel: string, { json }: OutItem): void {
    this.events.push(JSON.parse(json) as MembersEvent | PresenceEvent)
  }

  told(): void {
    this.toldOnce = true
  }

  /** Where it stands, as a client echoes it. */
  get at(): string {
    return (this.events.at(-1) as MembersEvent).at
  }

  /** What was told since the last call, in short: `known ann=1 bob=2`, `unknown`, `enter bob=2`. */
  take(): string[] {
    return this.events.splice(0).map((event) => {
      if (event.type === 'presence')
        return event.changes
          .map(({ action, member, state }) => `${action} ${member}=${JSON.stringify(state)}`)
          .join(', ')
      const members = event.members?.map(({ id, state }) => ` ${id}=${JSON.stringify(state)}`).sort()
      return `${event.known ? 'known' : 'unknown'}${members === undefined ? '' : `:${members.join('')}`}`
    })
  }
}

/** A stream that holds seats, and what it was told is missing. */
export class RecordingSitter implements Sitter {
  readonly missing: string[] = []

  absent(channel: string): void {
    this.missing.push(channel)
  }
}

export function seatOf(member: string, client = 'tab'): Seat {
  return { channel: CHANNEL, member, client }
}
