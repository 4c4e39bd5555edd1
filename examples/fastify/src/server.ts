/** Fastify 5: a route answers SSE, polls and commands behind the app's hooks, rt.attach adds WebSocket. Run by `npm start -- fastify`. */
import { fileURLToPath } from 'node:url'
import compress from '@fastify/compress'
import files from '@fastify/static'
import websocket from '@fastify/websocket'
import { createRealtime } from '@rt/server'
import Fastify from 'fastify'
import { z } from 'zod'

const message = z.object({ text: z.string().min(1).max(200) })
const rt = createRealtime({ channels: { board: { message, subscribe: 'public', publish: 'public' } } })
export type Realtime = typeof rt

const app = Fastify()
await app.register(compress)
await app.register(websocket)
await app.register(files, { root: fileURLToPath(new URL('../page', import.meta.url)) })

app.all('/rt', rt.handler)
rt.attach(app.server, { http: false })
app.addHook('preClose', () => rt.close()) // its clients go to another node

app.get('/latest', () => rt.history('board', { last: 1 }))
app.post<{ Body: { text: string } }>('/announce', ({ body }) => rt.publish('board', body))
// A WebSocket of the app's own; each has its path.
app.get('/echo', { websocket: true }, (socket) => {
  socket.on('message', (data) => socket.send(String(data)))
})

const address = await app.listen({ port: Number(process.env.PORT ?? 3000) })
console.log(`http://localhost:${new URL(address).port}`)

process.once('SIGTERM', () => void app.close())
