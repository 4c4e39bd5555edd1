/** Socket.IO, WebSocket only, one room; with its Redis adapter when there is a Redis. */
import { createServer } from 'node:http'
import { Server } from 'socket.io'

export async function start({ redis }) {
  const server = createServer()
  const io = new Server(server, {
    transports: ['websocket'],
    serveClient: false,
    pingInterval: 300_000,
    ...(redis !== undefined && { adapter: await adapter(redis) }),
  })
  io.on('connection', (socket) => void socket.join('news'))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))
  return {
    port: server.address().port,
    send(messages) {
      for (const message of messages) io.to('news').emit('message', message)
    },
  }
}

async function adapter(url) {
  const { Redis } = await import('ioredis')
  const { createAdapter } = await import('@socket.io/redis-adapter')
  return createAdapter(new Redis(url), new Redis(url))
}
