/** The limit of the stack: each message framed once, all of a turn in one Buffer, written once to each socket; over Redis when there is one. */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

export async function start({ redis }) {
  const server = createServer()
  const wss = new WebSocketServer({ noServer: true, clientTracking: false })
  const sockets = new Set()
  server.on('upgrade', (request, socket, head) => {
    wss.handleUpgrade(request, socket, head, (ws) => {
      sockets.add(socket)
      ws.on('close', () => sockets.delete(socket))
    })
  })
  let frames = []
  const print = (json) => {
    if (frames.push(frame(json)) > 1) return
    setImmediate(() => {
      const bytes = Buffer.concat(frames)
      frames = []
      for (const socket of sockets) socket.write(bytes)
    })
  }
  const publish = redis === undefined ? print : await connect(redis, print)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))
  return {
    port: server.address().port,
    send(messages) {
      for (const message of messages) publish(JSON.stringify(message))
    },
  }
}

async function connect(url, print) {
  const { Redis } = await import('ioredis')
  const subscriber = new Redis(url)
  const publisher = new Redis(url)
  subscriber.on('message', (_channel, json) => print(json))
  await subscriber.subscribe('news')
  return (json) => void publisher.publish('news', json)
}

/** An unmasked text frame of 126 to 65,535 bytes (RFC 6455 section 5.2). */
function frame(json) {
  const bytes = Buffer.allocUnsafe(4 + json.length)
  bytes[0] = 0x81
  bytes[1] = 126
  bytes.writeUInt16BE(json.length, 2)
  bytes.latin1Write(json, 4)
  return bytes
}
