// The packages on a server of the runtime's own, which is a function from Request to Response: Bun and Deno.
import { createClient } from '@rt/client'
import { createRealtime } from '@rt/server'
import { exchange, openChannel } from './exchange.mjs'

const rt = openChannel(createRealtime)
const { Bun, Deno } = globalThis
const server = Bun
  ? Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 0, fetch: rt.fetch })
  : Deno.serve({ port: 0, hostname: '127.0.0.1', onListen() {} }, rt.fetch)
const url = `http://127.0.0.1:${server.port ?? server.addr.port}/rt`
const transports = await exchange(createClient, url, ['sse', 'long-poll'])
await rt.close()
await (Bun ? server.stop() : server.shutdown())
console.log(JSON.stringify({ version: Bun?.version ?? Deno.version.deno, transports }))
