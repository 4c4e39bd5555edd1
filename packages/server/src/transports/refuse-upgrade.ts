/** The reply to an upgrade that is not made; printed by the WebSocket transport, and by the node host where that transport can not be loaded. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { CompleteReply } from './reply'

/** Says no on a socket that was not upgraded. */
export function refuseUpgrade(socket: Duplex, reply: CompleteReply): void {
  const body = reply.body ?? ''
  const headers = { ...reply.headers, 'content-length': String(Buffer.byteLength(body)), connection: 'close' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}\r\n${lines.join('')}\r\n${body}`)
}
