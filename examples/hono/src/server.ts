/** Hono 4 on Node: a route answers SSE, polls and commands behind the app's middleware, rt.attach adds WebSocket. Run by `npm start -- hono`. */
import { fileURLToPath } from 'node:url'
import { serve, upgradeWebSocket } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { createRealtime } from '@rt/server'
import { Hono } from 'hono'
import { compress } from 'hono/compress'
import { WebSocketServer } from 'ws'
import { z } from 'zod'

const message = z.object({ text: z.string().min(1).max(200) })
const rt = createRealtime({ channels: { board: { message, subscribe: 'public', publish: 'public' } } })
export type Realtime = typeof rt

const app = new Hono()
app.use(compress())
app.all('/rt', (c) => rt.fetch(c.req.raw))
app.get('/latest', async (c) => c.json(await rt.history('board', { last: 1 })))
app.post('/announce', async (c) => c.json(await rt.publish('board', await c.req.json())))
// A WebSocket of the app's own; each has its path.
app.get(
  '/echo',
  upgradeWebSocket(() => ({ onMessage: ({ data }, socket) => socket.send(String(data)) })),
)
app.use(serveStatic({ root: fileURLToPath(new URL('../page', import.meta.url)) }))

const websocket = { server: new WebSocketServer({ noServer: true }) }
const server = serve({ fetch: app.fetch, websocket, port: Number(process.env.PORT ?? 3000) }, ({ port }) =>
  console.log(`http://localhost:${port}`),
)
rt.attach(server, { http: false })

process.once('SIGTERM', async () => {
  server.close()
  await rt.close() // its clients go to another node
  process.exit()
})
