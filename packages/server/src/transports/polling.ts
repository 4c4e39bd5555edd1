/** Long and short polls: a connection that ends with its first answer; called by the endpoint. */
import { type Clock, RealtimeError, type ServerEvent } from '@rt/protocol'
import type { Connection, OpenRequest, OutItem, Wire } from '../ports/connection'
import type { Gateway } from '../ports/gateway'
import type { HttpReply, HttpRequest } from '../ports/http'
import { byeOf } from './bye'
import { type CompleteReply, errorReply, jsonReply } from './reply'

/** Characters of events after which an answer goes out though more is there; the rest comes with the next poll. */
export const ANSWER_SIZE = 256 * 1024

/** Milliseconds that a short poll may take when the log does not answer. */
const SHORT_HOLD = 5_000

/**
 * Answers polls. A short one (`wait` 0) answers when everything up to now is printed; a long one is held up to `wait` milliseconds (the gateway's
 * `pollHold` at most) and answers with the first flush that holds news.
 */
export function createPolling(
  gateway: Gateway,
  clock: Clock,
): (request: HttpRequest, open: Omit<OpenRequest, 'transport'>, wait: number) => Promise<HttpReply> {
  return (request, open, wait) =>
    new Promise((resolve, reject) => {
      const fresh = new Set(
        open.channels.filter((asked) => open.cursor === null || asked.new).map((asked) => asked.channel),
      )
      const known = readTags(request.header('if-none-match'))
      const events: string[] = []
      let size = 0
      let cursor: string | null = null
      let expires: number | null = null
      let news = false
      let status = false
      let first = true
      let complete = false
      let connection: Connection | null = null
      let done = false

      const wire: Wire = {
        write(items, moved) {
          if (done) return false
          for (const item of items) take(item)
          first = false
          if (moved !== null) cursor = moved
          // Without a cursor (yet) the first flushes are no answer.
          if (cursor !== null && ((wait > 0 && news) || size > ANSWER_SIZE)) answer()
          return !done
        },
        caughtUp() {
          complete = true
          if (wait === 0 || news) answer()
        },
        close(error) {
          if (error === null || (news && cursor !== null)) answer()
          // A node that goes away has nothing against the client: an empty answer brings it to the next node.
          else if (error.code === 'draining' && cursor !== null) answer(byeOf(error).retryAfter)
          else finish(errorReply(error))
        },
      }

      function take(item: OutItem): void {
        const event = item.kind === 'control' ? (JSON.parse(item.json) as ServerEvent) : null
        if (event?.type === 'expires') {
          expires = event.after ?? null
          return
        }
        // These only keep a stream going.
        if (event?.type === 'hello' || event?.type === 'beat' || event?.type === 'cursor') return
        news ||= event === null || isNews(event)
        status ||= event?.type === 'status'
        events.push(item.json)
        size += item.json.length
      }

      /** Whether a held poll must end for it. What each poll would be told again must not: the client would poll without a pause. */
      function isNews(event: ServerEvent): boolean {
        if (event.type === 'subscribed') return fresh.has(event.channel)
        // How the broker is comes first in each stream; what comes later is a change.
        return event.type !== 'status' || !first
      }

      function answer(pause = wait > 0 || !complete ? 0 : gateway.pollFloor): void {
        if (done) return
        if (cursor === null) {
          // Not even the place to start from is known: the next poll has to ask for the same.
          const away = new RealtimeError('broker_unavailable', 'The log did not answer in time.', {
            retryAfter: gateway.pollFloor,
          })
          finish(errorReply(away))
          return
        }
        const same = [cursor, open.cursor].find((place) => place !== null && known.has(etag(place)))
        // No `status` means that all is well, so one that says otherwise has to be said.
        if (!news && !status && typeof same === 'string') {
          finish({ status: 304, headers: { etag: etag(same), 'cache-control': 'no-store' }, body: null })
          return
        }
        const who = open.identity === null ? '' : `"identity":${JSON.stringify(open.identity.id)},`
        const until = expires === null ? '' : `"expires":${expires},`
        const body = `{"events":[${events.join(',')}],"cursor":${JSON.stringify(cursor)},${who}${until}"next":${pause}}`
        finish(jsonReply(200, body, { etag: etag(cursor) }))
      }

      function finish(reply: CompleteReply): void {
        if (done) return
        done = true
        clock.clearTimeout(timer)
        gateway.bytes[wait > 0 ? 'long-poll' : 'poll'] += reply.body?.length ?? 0
        resolve(reply)
        // Not at once: the core may be in the middle of the flush that brought us here.
        queueMicrotask(() => connection?.closed())
      }

      const timer = clock.setTimeout(() => answer(), wait > 0 ? Math.min(wait, gateway.pollHold) : SHORT_HOLD)

      request.onClose(() => finish(errorReply(new RealtimeError('closed', 'The client went away.'))))

      gateway.open({ ...open, transport: wait > 0 ? 'long-poll' : 'poll' }, wire).then(
        (opened) => {
          connection = opened
          if (done) opened.closed()
        },
        (error: unknown) => {
          if (done) return
          done = true
          clock.clearTimeout(timer)
          reject(error)
        },
      )
    })
}

/** The tags of an If-None-Match. A proxy that compresses makes them weak (`W/"…"`); here that makes no difference (RFC 9110, 13.1.2). */
function readTags(header: string | null): ReadonlySet<string> {
  return new Set((header ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, '')))
}

function etag(cursor: string): string {
  return `"${cursor}"`
}
