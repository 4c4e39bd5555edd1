// The settings of proxies in the documents: the real programs take them, and every transport comes through to the nodes behind.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Client, createClient, type TransportName } from '@rt/client'
import { createRealtime } from '@rt/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ServerProgram } from '../ladder/server-program'
import { Balancer } from '../processes/balancer'
import { blocksOf, documents } from './blocks'

const rt = createRealtime({ pollFloor: '100ms', channels: { news: { message: z.number(), subscribe: 'public' } } })
let nodes: Server[] = []
const reached = new Set<unknown>()

beforeAll(async () => {
  nodes = [createServer(), createServer()]
  for (const node of nodes) {
    node.on('connection', () => reached.add(node))
    rt.attach(node)
    node.listen(0)
    await once(node, 'listening')
  }
})
afterAll(async () => {
  await rt.close()
  for (const node of nodes) {
    node.close()
    node.closeAllConnections()
  }
})

/** The block with the nodes of this test in place of those that are printed, on a socket of its own. */
function settings(code: string, listen: string): string {
  const [first, second] = nodes.map((node) => (node.address() as AddressInfo).port)
  return code
    .replace('127.0.0.1:3001', `127.0.0.1:${first}`)
    .replace('127.0.0.1:3002', `127.0.0.1:${second}`)
    .replace(/(listen |bind :)8080/, listen)
}

const programs = [
  {
    language: 'nginx',
    program: process.env['RT_NGINX'],
    start: (program: string, code: string) =>
      ServerProgram.start({
        program,
        args: (file, folder) => ['-p', folder, '-e', 'stderr', '-c', file],
        // The block is what stands in `http`.
        configure: (folder, socket) => `
          daemon off;
          ${process.getuid?.() === 0 ? 'user root;' : ''}
          pid ${join(folder, 'pid')};
          error_log stderr crit;
          events { worker_connections 256; }
          http {
            access_log off;
            ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ')}
            ${settings(code, `listen unix:${socket}`)}
          }`,
      }),
  },
  {
    language: 'haproxy',
    program: process.env['RT_HAPROXY'],
    start: (program: string, code: string) =>
      ServerProgram.start({
        program,
        args: (file) => ['-db', '-q', '-f', file],
        configure: (_folder, socket) => settings(code, `bind unix@${socket}`),
      }),
  },
]

describe.each(programs)('what is written for $language', ({ language, program, start }) => {
  const written = documents.flatMap((document) =>
    blocksOf(document)
      .filter((block) => block.language === language)
      .map(({ code }) => ({ document, code })),
  )

  it('is somewhere', () => expect(written).not.toEqual([]))

  it.skipIf(!program).each(written)('in $document lets all transports through', async ({ code }) => {
    const proxy = await start(program as string, code)
    const front = await Balancer.start([proxy.socket])
    const clients: Client<typeof rt>[] = []
    try {
      const url = `http://127.0.0.1:${front.port}/rt`
      reached.clear()
      for (const transport of ['websocket', 'sse', 'long-poll', 'poll'] as TransportName[]) {
        const client = createClient<typeof rt>(url, { transports: [transport] })
        clients.push(client)
        const heard = new Promise((resolve) => client.channel('news').subscribe(({ data }) => resolve(data)))
        await new Promise((resolve) => client.channel('news').on('subscribed', resolve))
        const number = clients.length
        await rt.publish('news', number)
        expect(await heard).toBe(number)
        expect(client.transport).toBe(transport)
      }
      expect(reached).toEqual(new Set(nodes))
      // A page of this very host is none of a foreign one.
      const headers = { origin: `http://127.0.0.1:${front.port}`, accept: 'application/json' }
      expect((await fetch(`${url}?channels=news&wait=0`, { headers })).status).toBe(200)
    } finally {
      for (const client of clients) client.close()
      await front.close()
      await proxy.close()
    }
  })
})
