/** What one writes first with `ws`: a string to each socket for each message. */
import { WebSocketServer } from 'ws'

export async function start() {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await new Promise((resolve) => wss.once('listening', resolve))
  return {
    port: wss.address().port,
    send(messages) {
      for (const message of messages) {
        const json = JSON.stringify(message)
        for (const client of wss.clients) client.send(json)
      }
    },
  }
}
