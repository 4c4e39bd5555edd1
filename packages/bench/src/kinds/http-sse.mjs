/** What one writes first for SSE: `res.write` to each response for each message. */
import { createServer } from 'node:http'

export async function start() {
  const responses = new Set()
  const server = createServer((request, response) => {
    request.socket.setNoDelay(true)
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }).flushHeaders()
    responses.add(response)
    response.on('close', () => responses.delete(response))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))
  return {
    port: server.address().port,
    send(messages) {
      for (const message of messages) {
        const block = `data: ${JSON.stringify(message)}\n\n`
        for (const response of responses) response.write(block)
      }
    },
  }
}
