/** Express 5: a route answers SSE, polls and commands behind the app's middleware, rt.attach adds WebSocket. Run by `npm start -- express`. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createRealtime } from '@rt/server'
import compression from 'compression'
import express from 'express'
import { WebSocketServer } from 'ws'
import { z } from 'zod'

const message = z.object({ text: z.string().min(1).max(200) })
const rt = createRealtime({ channels: { board: { message, subscribe: 'public', publish: 'public' } } })
export type Realtime = typeof rt

const app = express()
app.use(compression(), express.json())
app.all('/rt', rt.handler)
app.get('/latest', async (_req, res) => void res.json(await rt.history('board', { last: 1 })))
app.post('/announce', async (req, res) => void res.json(await rt.publish('board', req.body)))
app.use(express.static(fileURLToPath(new URL('../page', import.meta.url))))

const server = app.listen(Number(process.env.PORT ?? 3000))
rt.attach(server, { http: false })
// A WebSocket of the app's own; each has its path.
const echo = new WebSocketServer({ server, path: '/echo' })
echo.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))))

await once(server, 'listening')
console.log(`http://localhost:${(server.address() as AddressInfo).port}`)

process.once('SIGTERM', async () => {
  server.close()
  await rt.close() // its clients go to another node
  process.exit()
})
