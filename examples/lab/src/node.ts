/** One node as a process of its own: forked by start.ts with the port to listen at (0: any), tells back which one it got. It is killed, never ended. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { rt } from './realtime'

const server = createServer((_request, response) => {
  response.writeHead(404).end('Not found')
})
rt.attach(server)
server.listen(Number(process.argv[2]), '127.0.0.1')
await once(server, 'listening')
process.once('disconnect', () => process.exit())
// The terminal tells all processes: how this one ends is the bench's business.
process.on('SIGINT', () => {})
process.send?.((server.address() as AddressInfo).port)
