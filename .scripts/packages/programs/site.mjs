// Serves a built page with the endpoint beside it; says where. Ends when its parent ends it.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { createRealtime } from '@rt/server'
import { openChannel } from './exchange.mjs'

const types = { '.html': 'text/html', '.js': 'text/javascript' }
const server = createServer(async (request, response) => {
  const path = request.url === '/' ? '/index.html' : request.url
  const body = await readFile(join('dist', path)).catch(() => null)
  response.writeHead(body ? 200 : 404, { 'content-type': types[extname(path)] ?? 'text/plain' }).end(body)
})
openChannel(createRealtime).attach(server)
server.listen(0, '127.0.0.1', () => console.log(`http://localhost:${server.address().port}`))
