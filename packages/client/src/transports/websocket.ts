/** The stream as a WebSocket: frames of events down, frames of commands up. Opened by the connection. */
import { decodeEvents, type ErrorCode, errorTable, RealtimeError, SUBPROTOCOL } from '@rt/protocol'
import type { Environment, Socket } from '../ports/environment'
import type { Transport } from '../ports/transport'
import { openCommand, streamQuery, withQuery } from './http'

export function websocket(endpoint: URL, environment: Pick<Environment, 'socket'>): Transport {
  return {
    rung: 'websocket',
    open(start, listener) {
      const request = start.request()
      const token = start.token()
      // A token never stands in a URL, which ends up in logs.
      const query = token === undefined ? streamQuery(request, '') : null
      const url = withQuery(endpoint, query ?? '?open=first')
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
      let socket: Socket | null = null
      let done = false

      const close = () => {
        done = true
        if (socket === null) return
        socket.onopen = socket.onmessage = socket.onclose = null
        socket.close(1000)
      }
      const end = (error: RealtimeError | null) => {
        if (done) return
        close()
        listener.closed({ error })
      }

      environment.socket(url.href, SUBPROTOCOL).then(
        (opened) => {
          if (opened === null) return end(null)
          socket = opened
          // `close` follows and says more; without a listener `ws` would throw, also when it is closed before it opened.
          socket.onerror = () => {}
          if (done) return close()
          socket.onopen = () => {
            if (query === null) socket?.send(openCommand(request, token))
          }
          socket.onmessage = ({ data }: { data: unknown }) => {
            const events = typeof data === 'string' ? decodeEvents(data) : null
            if (events === null) return end(null)
            listener.alive()
            if (!done) listener.events(events)
          }
          socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
            end(errorOfClose(code, reason))
          }
        },
        () => end(null),
      )

      return { send: (text) => socket?.send(text), inPlace: true, close }
    },
  }
}

/** What our server means by a close code; null for codes that anybody sends. */
function errorOfClose(code: number, reason: string): RealtimeError | null {
  if (code < 4000) return null
  const codes = Object.keys(errorTable) as ErrorCode[]
  const found = codes.find((name) => name === reason) ?? codes.find((name) => errorTable[name].close === code)
  return found === undefined ? null : new RealtimeError(found, `The server closed the connection: ${reason || code}.`)
}
