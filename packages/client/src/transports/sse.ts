/** The stream as server-sent events over fetch, which unlike EventSource can send headers and survives a 502. Opened by the connection. */
import { decodeEvents, isServerEvent } from '@rt/protocol'
import type { Closed, Transport } from '../ports/transport'
import { createEventStream } from './event-stream'
import { type Endpoint, refusal, requestStream } from './http'

/** Characters that one block may have: a history of large publications fits, an endless line does not. */
const LIMIT = 16 * 1024 * 1024

/** `post`: asks by POST, since some tunnels hold back only what answers a GET. */
export function sse(endpoint: Endpoint, post = false): Transport {
  return {
    rung: post ? 'sse-post' : 'sse',
    open(start, listener) {
      const abort = new AbortController()
      const { signal } = abort

      const read = async (): Promise<Closed> => {
        const response = await requestStream(endpoint, start.request(), start.token(), {
          accept: 'text/event-stream',
          post,
          signal,
        })
        const type = response.headers.get('content-type')
        if (response.status !== 200 || type?.startsWith('text/event-stream') !== true || response.body === null) {
          return refusal(response)
        }
        let foreign = false
        const feed = createEventStream(
          {
            data(text) {
              const events = decodeEvents(`[${text}]`)
              if (events === null) foreign = true
              if (foreign || signal.aborted) return
              listener.alive()
              if (!signal.aborted) listener.events(events ?? [])
            },
            id(cursor) {
              const event = { type: 'cursor', cursor } as const
              if (!isServerEvent(event)) foreign = true
              if (foreign || signal.aborted) return
              listener.alive()
              if (!signal.aborted) listener.events([event])
            },
            comment() {
              if (!signal.aborted) listener.alive()
            },
          },
          LIMIT,
        )
        const reader = response.body.getReader()
        const decoder = new TextDecoder()
        while (true) {
          const { done, value } = await reader.read()
          if (done) return { error: null }
          const fits = feed(decoder.decode(value, { stream: true }))
          // Somebody else speaks, or speaks without end.
          if (foreign || !fits) return { error: null }
        }
      }

      read()
        .catch((): Closed => ({ error: null }))
        .then((reason) => {
          if (signal.aborted) return
          abort.abort()
          listener.closed(reason)
        })
      return { close: () => abort.abort() }
    },
  }
}
