/**
 * The follower's side: a stream that begins with polls of this tab's own, which catch up, show this tab's permission and tell the state of new channels,
 * and goes on with what the leading tab hears. Made by the sharing of a tab, opened by its connection.
 */
import {
  type ChannelRequest,
  type Clock,
  compareIds,
  type Id,
  type PollBody,
  PROTOCOL_VERSION,
  type ServerEvent,
  type Timer,
} from '@rt/protocol'
import type { Connection, Standing } from '../connection/connection'
import type { Relay, ResumeRequest } from '../ports/transport'
import { type Endpoint, requestStream } from '../transports/http'
import { readPoll } from '../transports/polling'
import { type Group, patience } from './group'
import type { Down, OpenLine, Up } from './messages'

/** Silence of so many heartbeats is a reason to ask whether the leader is there: early enough for another one to take over before the connection gives up. */
const DOUBT = 1.15

/** How often to poll until this tab is where the leader is, whose node may be ahead of ours; and milliseconds before the second time, then doubled. */
const POLLS = 6
const PAUSE = 50

/** Why nothing came of a link. */
export type Failure =
  /** The server, or what is between, does not give this tab what it gives the leader. */
  | 'refused'
  /** Not in time, or not in one life of the log: another try may do. */
  | 'missed'
  /** The leader does not answer. */
  | 'stuck'

export interface RelayOptions {
  readonly connection: Connection
  readonly endpoint: Endpoint
  readonly group: Group
  readonly open: OpenLine
  readonly clock: Clock
  readonly tab: string
  /** The one that leads. */
  readonly leader: string
  /** Whom the server takes the group for. */
  readonly identity: string | null
  readonly told: (outcome: 'proven' | Failure) => void
}

/** Counts the lines of this tab. */
let lines = 0

export function createRelay(options: RelayOptions): Relay {
  const { connection, endpoint, group, open, clock, tab, leader, identity, told } = options

  return {
    open(start, listener) {
      const name = `${group.name} ${tab} ${++lines}`
      const line = open(name)
      const request = start.request()
      const abort = new AbortController()
      const { signal } = abort
      /** Events that the leader told before this tab had caught up; null: it has. */
      let early: ServerEvent[] | null = []
      let standing: Standing | null = null
      /** Runs while nothing needs to come, or while an answer has to. */
      let timer: Timer | undefined
      let asking = false

      const tell = (message: Up) => line.postMessage(message)
      const close = () => {
        if (signal.aborted) return
        // Given up by the connection, in whose eyes it took too long.
        if (standing !== null && early !== null) queueMicrotask(() => told('missed'))
        shut()
      }
      const shut = () => {
        abort.abort()
        clock.clearTimeout(timer)
        tell({ type: 'close' })
        line.onmessage = null
        line.close()
      }
      const end = (failure: Failure | null) => {
        if (signal.aborted) return
        shut()
        if (failure !== null) told(failure)
        listener.closed({ error: null })
      }
      /** Asked twice, so that what came while this tab slept is read first. */
      const awaitAnswer = (last = false) => {
        if (asking && !last) return
        asking = true
        clock.clearTimeout(timer)
        timer = clock.setTimeout(() => {
          if (last) {
            told('stuck')
            if (early !== null) end(null)
          } else {
            tell({ type: 'ping' })
            awaitAnswer(true)
          }
        }, patience.answer / 2)
      }
      const answered = () => {
        asking = false
        clock.clearTimeout(timer)
        if (standing === null) return
        timer = clock.setTimeout(() => {
          tell({ type: 'ping' })
          awaitAnswer()
        }, standing.heartbeat * DOUBT)
      }

      line.onmessage = ({ data }: { data: Down }) => {
        answered()
        if (data.type === 'ready' && standing === null) {
          standing = data.standing
          answered()
          const { heartbeat } = standing
          listener.events([{ type: 'hello', version: PROTOCOL_VERSION, node: '', heartbeat }])
          if (!signal.aborted) void begin(standing)
        } else if (data.type === 'refused') end('refused')
        else if (data.type === 'lost') end(null)
        else if (early === null) {
          listener.alive()
          if (data.type === 'events' && !signal.aborted) listener.events(data.events)
        } else if (data.type === 'events') early.push(...data.events)
      }

      const begin = async (from: Standing) => {
        const events = await catchUp(request, from, signal).catch(() => 'missed' as const)
        if (signal.aborted) return
        if (typeof events === 'string') return end(events)
        const later = early ?? []
        early = null
        listener.events([{ type: 'status', broker: from.degraded ? 'degraded' : 'ok' }, ...events, ...from.members])
        // All is here: from now on it is as good as a stream of this tab's own.
        if (!signal.aborted) listener.alive()
        told('proven')
        if (!signal.aborted) listener.events(later)
      }

      const { channels, watch = [] } = request
      group.post({
        type: 'join',
        to: leader,
        tab,
        line: name,
        channels: channels.map(({ channel }) => channel),
        watched: watch.map(({ channel }) => channel),
        entered: connection.entered,
      })
      awaitAnswer()
      return {
        get rung() {
          return standing?.rung as Standing['rung']
        },
        send(text) {
          tell({ type: 'frame', text })
          awaitAnswer()
        },
        close,
      }

      /** What lies between this tab's cursor and the place from which the leader tells on. */
      async function catchUp(
        { channels, cursor, watch = [] }: ResumeRequest,
        { places }: Standing,
        signal: AbortSignal,
      ): Promise<ServerEvent[] | Failure> {
        const lives = new Map(places.map(({ channel, life }) => [channel, life]))
        const asked = new Map<string, ChannelRequest>(channels.map((each) => [each.channel, each]))
        const reached = new Map<string, Id>()
        const events: ServerEvent[] = []
        for (const { channel, new: fresh } of channels) {
          // In another life of the log ids can't be compared.
          if (!fresh && connection.place(channel)?.life !== lives.get(channel)) return 'missed'
        }
        if (channels.length + watch.length === 0) return events

        const arrived = () =>
          [...asked.values()].every((each) => !each.new) &&
          places.every(({ channel, newest }) => {
            const here = [reached.get(channel), connection.place(channel)?.newest]
            return newest === undefined || !asked.has(channel) || here.some((id) => id && compareIds(id, newest) >= 0)
          })
        let place = cursor
        for (let n = 0; n < POLLS; n++) {
          if (n > 0) await pause(PAUSE * 2 ** (n - 1), signal)
          const again: ResumeRequest = { channels: [...asked.values()], cursor: place, ...(n === 0 && { watch }) }
          const response = await requestStream(endpoint, again, start.token(), { accept: 'application/json', signal })
          const body: PollBody | null = response.status === 200 ? await readPoll(response) : null
          if (body === null || (body.identity ?? null) !== identity) return 'refused'
          for (const event of body.events) {
            if (event.type === 'gap' && event.epoch !== undefined) return 'missed'
            if (event.type === 'subscribed') {
              if (event.epoch !== lives.get(event.channel)) return 'missed'
              asked.set(event.channel, { channel: event.channel })
            }
            if (event.type === 'unsubscribed') asked.delete(event.channel)
            if ('id' in event && event.id !== undefined) reached.set(event.channel, event.id)
            if (TOLD.has(event.type)) events.push(event)
          }
          place = body.cursor
          events.push({ type: 'cursor', cursor: place })
          if (asked.size + watch.length === 0 || (body.next > 0 && arrived())) return events
        }
        return 'missed'
      }
    },
  }

  function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(resolve, milliseconds)
      signal.addEventListener('abort', () => {
        clock.clearTimeout(timer)
        reject(signal.reason)
      })
    })
  }
}

/** What of a poll is passed on. How the broker is the leader tells, and this tab is present by the leader. */
const TOLD: ReadonlySet<ServerEvent['type']> = new Set([
  'subscribed',
  'unsubscribed',
  'message',
  'live',
  'gap',
  'members',
  'presence',
  'unwatched',
])
