/** The HTTP server: the page, and rt. start.ts and node.ts run it. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { rt } from './realtime'

const files = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.css', { file: 'page.css', type: 'text/css; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
  ['/icon.svg', { file: 'icon.svg', type: 'image/svg+xml' }],
])

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error)
    response.writeHead(503).end('Try again later.')
  })
})
rt.attach(server)

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  response.setHeader('cache-control', 'no-cache')
  response.setHeader('content-security-policy', "default-src 'self'")
  response.setHeader('x-content-type-options', 'nosniff')
  const found = files.get(path)
  if (found === undefined) {
    response.writeHead(404).end('Not found')
    return
  }
  response.setHeader('content-type', found.type)
  response.end(await readFile(new URL(`../page/${found.file}`, import.meta.url)))
}

/** Listens at the first free port of `ports`; 0 is any. */
export async function serve(ports: readonly number[]): Promise<{ readonly port: number; close(): Promise<void> }> {
  for (const [i, port] of ports.entries()) {
    try {
      server.listen(port)
      await once(server, 'listening')
      break
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      if (!taken || i === ports.length - 1) throw error
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close()
      await rt.close()
      server.closeAllConnections()
    },
  }
}
