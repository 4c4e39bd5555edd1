/** Plain node:http: rt.attach takes its path of the server, all four transports, and leaves the rest alone. Run by `npm start -- node`. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRealtime } from '@rt/server'
import { WebSocketServer } from 'ws'
import { z } from 'zod'

const message = z.object({ text: z.string().min(1).max(200) })
const rt = createRealtime({ channels: { board: { message, subscribe: 'public', publish: 'public' } } })
export type Realtime = typeof rt

const server = createServer(async (req, res) => {
  if (req.url === '/latest') return res.end(JSON.stringify(await rt.history('board', { last: 1 })))
  const script = req.url === '/page.js'
  if (!script && req.url !== '/') return res.writeHead(404).end('Not found')
  res.setHeader('content-type', script ? 'text/javascript' : 'text/html; charset=utf-8')
  return res.end(await readFile(new URL(`../page/${script ? 'page.js' : 'index.html'}`, import.meta.url)))
})
rt.attach(server)
// A WebSocket of the app's own; each has its path.
const echo = new WebSocketServer({ server, path: '/echo' })
echo.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))

server.listen(Number(process.env.PORT ?? 3000))
await once(server, 'listening')
console.log(`http://localhost:${(server.address() as AddressInfo).port}`)

process.once('SIGTERM', async () => {
  server.close()
  await rt.close() // its clients go to another node
  process.exit()
})
