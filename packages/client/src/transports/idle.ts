/** The stream of no channels where commands go by POST: nothing to hold open, only to know that the server is there. Opened by the connection. */
import { PROTOCOL_VERSION, times } from '@rt/protocol'
import type { Closed, Post, Rung, Transport } from '../ports/transport'

export function idle(rung: Rung, post: Post): Transport {
  return {
    rung,
    open(start, listener) {
      const abort = new AbortController()
      post('[]', start.token(), abort.signal).then(
        () => {
          if (abort.signal.aborted) return
          listener.events([{ type: 'hello', version: PROTOCOL_VERSION, node: '', heartbeat: times.heartbeat }])
          if (!abort.signal.aborted) listener.alive(Number.POSITIVE_INFINITY)
        },
        (reason: Closed) => {
          if (abort.signal.aborted) return
          abort.abort()
          listener.closed(reason)
        },
      )
      return { close: () => abort.abort() }
    },
  }
}
