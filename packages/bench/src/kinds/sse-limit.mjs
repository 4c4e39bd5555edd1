/** The limit of the stack for SSE: all of a turn in one HTTP chunk, made once, written once to each socket. */
import { createServer } from 'node:http'

export async function start() {
  const sockets = new Set()
  const server = createServer((request, response) => {
    const { socket } = request
    socket.setNoDelay(true)
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }).flushHeaders()
    sockets.add(socket)
    response.on('close', () => sockets.delete(socket))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))
  return {
    port: server.address().port,
    send(messages) {
      const text = messages.map((message) => `data: ${JSON.stringify(message)}\n\n`).join('')
      const chunk = Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`)
      for (const socket of sockets) socket.write(chunk)
    },
  }
}
