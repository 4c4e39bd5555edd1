/** The stream as polls: `long-poll` lets the server hold each one, `poll` asks, goes and comes back. Opened by the connection. */
import {
  type Clock,
  isPollBody,
  type PollBody,
  PROTOCOL_VERSION,
  type ServerEvent,
  type Timer,
  times,
} from '@rt/protocol'
import { asksForNothing } from '../asks-for-nothing'
import type { Closed, Transport } from '../ports/transport'
import { type Endpoint, refusal, requestStream } from './http'

/** Seconds that the server may hold a poll; halved each time that something on the path does not wait so long. */
const HOLD = 25
const SHORTEST_HOLD = 6
/** An empty answer to a held poll that came sooner than this (ms) was not held: don't ask in a circle. */
const AT_ONCE = 1000
/** Pauses (ms) after the polls in a row that a node refused which is about to go: balancers take a moment to leave it out. */
const ELSEWHERE = [0, 250, 500, 1000, 2000] as const
/** So many polls in a row that were answered within `pace` (ms) each are too many: from then on one comes in so many milliseconds. */
const RUSH = { polls: 20, pace: 50 } as const
/** The longest pause (ms) that a server may ask for: a week. */
const LONGEST_PAUSE = 604_800_000

export function polling(rung: 'long-poll' | 'poll', endpoint: Endpoint, clock: Clock): Transport {
  let hold = rung === 'long-poll' ? HOLD : 0
  let rush = 0

  return {
    rung,
    open(start, listener) {
      let abort = new AbortController()
      let timer: Timer | undefined
      let closed = false
      let first = true
      let degraded = false
      let sentOn = 0
      let failures = 0
      let etag: string | undefined
      let next: number = times.pollFloor
      /** The server's pause. `next` may be 0 for once: only a part was sent. */
      let floor = next

      const close = () => {
        closed = true
        clock.clearTimeout(timer)
        abort.abort()
      }
      const end = (reason: Closed) => {
        close()
        listener.closed(reason)
      }
      const poll = () => {
        clock.clearTimeout(timer)
        abort.abort()
        abort = new AbortController()
        const { signal } = abort
        // Nothing to ask for until `refresh`.
        if (asksForNothing(start.request())) return listener.alive(Number.POSITIVE_INFINITY)
        const asked = clock.monotonic()
        // The first one is not held: its answer is the proof that polls come through.
        const wait = first ? 0 : hold
        ask(wait, signal).catch((error: unknown) => {
          if (signal.aborted) return
          // What is thrown here is a refusal; all else is the network's.
          const reason: Closed =
            typeof error === 'object' && error !== null && 'error' in error ? (error as Closed) : { error: null }
          // There is no link that would be lost by it: only the next poll is to go to another node.
          const pause = reason.error?.code === 'draining' && !first ? ELSEWHERE[sentOn++] : undefined
          if (pause !== undefined) {
            timer = clock.setTimeout(poll, pause)
            return
          }
          // It met a kept connection that was being closed: browsers then ask once more by themselves, others do not.
          const met = reason.error === null && reason.status === undefined && clock.monotonic() - asked < AT_ONCE
          if (met && !first && failures++ === 0) return poll()
          const cut =
            reason.error === null && wait > 0 && (clock.monotonic() - asked > AT_ONCE || reason.status === 504)
          if (!cut || hold / 2 < SHORTEST_HOLD) return end(reason)
          hold = Math.floor(hold / 2)
          poll()
        })
      }
      // Each poll may reach another node: one that says nothing about its broker has none to complain of.
      const wellAgain = (events: readonly ServerEvent[]): readonly ServerEvent[] => {
        const told = events.findLast((event) => event.type === 'status')
        const was = degraded
        degraded = told?.broker === 'degraded'
        return was && told === undefined ? [WELL] : []
      }
      const ask = async (wait: number, signal: AbortSignal) => {
        const asked = clock.monotonic()
        const response = await requestStream(endpoint, start.request(), start.token(), {
          accept: 'application/json',
          extra: wait > 0 ? `wait=${wait}&` : '',
          // A held poll is answered only with news.
          etag: wait > 0 ? undefined : etag,
          signal,
        })
        if (response.status !== 304) {
          const body = response.status === 200 ? await readPoll(response) : null
          if (signal.aborted) return
          if (body === null) throw await refusal(response)
          etag = response.headers.get('etag') ?? undefined
          next = Math.min(body.next, LONGEST_PAUSE)
          if (next > 0) floor = next
          const held = wait > 0 && (body.events.length > 0 || clock.monotonic() - asked >= AT_ONCE)
          if (wait > 0 && !held) next = Math.max(next, AT_ONCE)
          // The first one of a long poll was a short one, whose pause is not meant for us.
          else if (wait === 0 && hold > 0) next = 0
          listener.events([
            ...(first && body.events[0]?.type !== 'hello' ? [helloOf(body)] : []),
            ...(body.expires === undefined ? [] : [{ type: 'expires', after: body.expires } as const]),
            ...body.events,
            ...wellAgain(body.events),
            { type: 'cursor', cursor: body.cursor },
          ])
          first = false
        } else {
          next = floor
          listener.events(wellAgain([]))
        }
        if (closed || signal.aborted) return
        sentOn = failures = 0
        rush = clock.monotonic() - asked < RUSH.pace ? rush + 1 : 0
        const least = rush > RUSH.polls ? RUSH.pace : 0
        // Behind the events: a valid answer is the proof.
        const pause = Math.max(next, least, hold > 0 ? 0 : start.pause())
        listener.alive(pause)
        if (closed || signal.aborted) return
        timer = clock.setTimeout(poll, pause)
      }

      queueMicrotask(() => {
        if (!closed) poll()
      })
      return {
        refresh() {
          etag = undefined
          if (!closed) poll()
        },
        close,
      }
    },
  }
}

function helloOf({ identity }: PollBody): ServerEvent {
  const hello = { type: 'hello', version: PROTOCOL_VERSION, node: '', heartbeat: times.heartbeat } as const
  return identity === undefined ? hello : { ...hello, identity }
}

const WELL: ServerEvent = { type: 'status', broker: 'ok' }

/** The body of an answer to a poll; null when it is somebody else's. */
export async function readPoll(response: Response): Promise<PollBody | null> {
  if (response.headers.get('content-type')?.includes('json') !== true) return null
  const body: unknown = await response.json()
  return isPollBody(body) ? body : null
}
