/** The leader's side: prints this tab's stream again for each of the other tabs, and carries out their commands. Made by the sharing of a tab that leads. */
import { type Clock, type Json, RealtimeError, type ServerEvent, toRealtimeError } from '@rt/protocol'
import type { Order } from '../channels/outbox'
import type { Connection } from '../connection/connection'
import type { Group } from './group'
import type { Down, Join, Line, OpenLine, Up } from './messages'

/** Milliseconds. */
export const lingering = {
  /** How long a member stays whose tab went without a word: a reload is no leave. */
  presence: 10_000,
  /** How long a link is kept that was told to open anew. */
  link: 5000,
} as const

export interface HostOptions {
  readonly connection: Connection
  readonly group: Group
  readonly open: OpenLine
  readonly clock: Clock
}

/** One link of another tab. */
interface Guest {
  readonly line: Line
  readonly channels: ReadonlySet<string>
  readonly watched: ReadonlySet<string>
  /** Where it is present by us. */
  readonly present: Set<string>
  /** What it is told next. */
  waiting: ServerEvent[]
  /** The stream that it is told of; null: it waits for one that brings all it wants. */
  stream: object | null
  /** It is to open anew: what the stream says is not for it any more. */
  over: boolean
  readonly closed: AbortController
}

export class Host {
  readonly #options: HostOptions
  readonly #guests = new Set<Guest>()
  #stream: object | null = null
  #soon = false

  constructor(options: HostOptions) {
    this.#options = options
  }

  join({ tab, line, channels, watched, entered }: Join): void {
    const { connection, group, open } = this.#options
    const guest: Guest = {
      line: open(line),
      channels: new Set(channels),
      watched: new Set(watched),
      present: new Set(),
      waiting: [],
      stream: null,
      over: false,
      closed: new AbortController(),
    }
    this.#guests.add(guest)
    guest.line.onmessage = ({ data }: { data: Up }) => this.#asked(guest, data)
    group.whenGone(tab, guest.closed.signal, () => this.#close(guest))
    tell(guest, { type: 'alive' })
    for (const channel of channels) connection.lend('channel', channel)
    for (const channel of watched) connection.lend('members', channel)
    for (const [channel, state] of entered) {
      guest.present.add(channel)
      if (connection.lend('presence', channel)) connection.enterFor(channel, state).catch(() => {})
    }
    this.#welcome(guest)
  }

  heard(event: ServerEvent): void {
    this.changed()
    for (const guest of [...this.#guests]) {
      if (guest.stream === null) this.#welcome(guest)
      else if (!guest.over) this.#pass(guest, event)
    }
  }

  changed(): void {
    const { connection, group } = this.#options
    const { stream } = connection
    if (stream === this.#stream) return
    this.#stream = stream
    for (const guest of [...this.#guests]) {
      if (guest.stream === null) this.#welcome(guest)
      else if (stream === null) this.#end(guest, 'lost')
      else if (!guest.over) this.#moved(guest)
    }
    if (stream !== null) group.announce()
  }

  expelled(channel: string): void {
    for (const guest of this.#guests) if (guest.present.has(channel)) this.#say(guest, { type: 'absent', channel })
  }

  /** This tab does not lead any more. The others find out who does. */
  close(): void {
    for (const guest of [...this.#guests]) this.#close(guest)
  }

  /** Tells it to go on from here, once the stream brings what it wants. */
  #welcome(guest: Guest): void {
    const { connection } = this.#options
    const standing = connection.standing([...guest.channels], [...guest.watched])
    if (standing === null) return
    guest.stream = connection.stream
    tell(guest, { type: 'ready', standing })
  }

  #pass(guest: Guest, event: ServerEvent): void {
    if (event.type === 'cursor' || event.type === 'beat' || event.type === 'status') this.#say(guest, event)
    if (!('channel' in event)) return
    const ofMembers = event.type === 'members' || event.type === 'presence' || event.type === 'unwatched'
    if (!(ofMembers ? guest.watched : guest.channels).has(event.channel)) return
    if (event.type === 'unsubscribed' || event.type === 'unwatched') {
      if (event.error !== undefined) this.#end(guest, 'refused')
      else if (!ofMembers) this.#moved(guest)
    } else if (event.type === 'subscribed') {
      // It began anew, for this tab. (`live` channels have no place to begin from.)
      if (event.id !== undefined) this.#moved(guest)
    } else if (event.type !== 'absent') this.#say(guest, event)
  }

  /** Another stream speaks, or the same from another place: the link is to be opened once more beside this one. */
  #moved(guest: Guest): void {
    const error = new RealtimeError('draining', 'The stream of the leading tab is another one.').toJSON()
    this.#say(guest, { type: 'bye', error, retryAfter: 0 })
    guest.over = true
    const { clock } = this.#options
    const timer = clock.setTimeout(() => this.#end(guest, 'lost'), lingering.link)
    guest.closed.signal.addEventListener('abort', () => clock.clearTimeout(timer))
  }

  /** Told together with what else comes in this turn. */
  #say(guest: Guest, event: ServerEvent): void {
    guest.waiting.push(event)
    if (this.#soon) return
    this.#soon = true
    queueMicrotask(() => {
      this.#soon = false
      for (const each of this.#guests) flush(each)
    })
  }

  #end(guest: Guest, type: 'lost' | 'refused'): void {
    flush(guest)
    tell(guest, { type })
    this.#close(guest)
  }

  #close(guest: Guest): void {
    if (!this.#guests.delete(guest)) return
    const { connection, clock } = this.#options
    flush(guest)
    guest.line.onmessage = null
    guest.line.close()
    guest.closed.abort()
    for (const channel of guest.channels) void connection.giveBack('channel', channel)
    for (const channel of guest.watched) void connection.giveBack('members', channel)
    const { present } = guest
    if (present.size === 0) return
    clock.setTimeout(() => {
      for (const channel of present) connection.giveBack('presence', channel).catch(() => {})
    }, lingering.presence)
  }

  #asked(guest: Guest, message: Up): void {
    if (message.type === 'close') {
      this.#close(guest)
      return
    }
    tell(guest, { type: 'alive' })
    if (message.type === 'ping') return
    for (const { ref, ...order } of JSON.parse(message.text) as (Order & { readonly ref: number })[]) {
      this.#execute(guest, order).then(
        (value) => this.#answer(guest, { type: 'result', ref, value }),
        (error: unknown) => {
          // Whoever leads next will do it.
          if (this.#options.connection.away) return
          this.#answer(guest, { type: 'result', ref, error: toRealtimeError(error).toJSON() })
        },
      )
    }
  }

  async #execute(guest: Guest, order: Order): Promise<Json> {
    const { connection } = this.#options
    const { channel } = order
    if (order.type === 'enter') {
      const added = !guest.present.has(channel)
      if (added) connection.lend('presence', channel)
      guest.present.add(channel)
      try {
        await connection.enterFor(channel, order.state)
      } catch (error) {
        if (added && guest.present.delete(channel)) connection.giveBack('presence', channel).catch(() => {})
        throw error
      }
      return null
    }
    if (order.type === 'leave') {
      if (guest.present.delete(channel)) await connection.giveBack('presence', channel)
      return null
    }
    return connection.execute(order, undefined)
  }

  #answer(guest: Guest, event: ServerEvent): void {
    if (this.#guests.has(guest)) this.#say(guest, event)
  }
}

function tell(guest: Guest, message: Down): void {
  guest.line.postMessage(message)
}

function flush(guest: Guest): void {
  if (guest.waiting.length === 0) return
  tell(guest, { type: 'events', events: guest.waiting })
  guest.waiting = []
}
