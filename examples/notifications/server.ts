/** A server of one's own around Next, for WebSocket: `npm run start:ws` after `npm run build`, or `npm run dev:ws`. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import next from 'next'
import { rt } from './lib/realtime'

const dev = process.argv.includes('--dev')
const port = Number(process.env['PORT'] || 3000)
// Read by app/page.tsx: pages may begin with WebSocket here.
process.env['WEBSOCKET'] = 'yes'

const server = createServer()
// Takes `/rt` with its upgrades; all others stay with Next, its own for hot reload among them.
rt.attach(server)
const app = next({ dev, port, httpServer: server })
await app.prepare()
server.on('request', app.getRequestHandler())
server.listen(port)
await once(server, 'listening')
console.log(`Notifications with WebSocket: http://localhost:${port}`)

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, async () => {
    server.close()
    // Clients are sent away and come back when the next one is there.
    await rt.close()
    await app.close()
    process.exit()
  })
}
