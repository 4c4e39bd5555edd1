// What is closed holds nothing: each of these processes ends by itself, with nothing on stderr. A worker publishes without any transport.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { RedisServer } from '@rt/server/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createApp } from './app.ts'

let redis: RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(() => redis.close())

/** Runs a program to its end; the test's time-out is what a program that does not end meets. Resolves with what it printed. */
async function run(program: string, redisUrl = redis.url): Promise<string> {
  const head = `
    import { once } from 'node:events'
    import { createServer } from 'node:http'
    import { createClient } from '@rt/client'
    import { createRealtime } from '@rt/server'
    import { redis } from '@rt/server/redis'
    import { z } from 'zod'
    const message = z.object({ publisher: z.string(), sequence: z.number() })
    const channels = { 'log:{n}': { message, subscribe: 'public', publish: 'public' } }
    const rungs = ['websocket', 'sse', 'long-poll', 'poll']
    const redisUrl = ${JSON.stringify(redisUrl)}
    async function serve(rt) {
      const server = createServer()
      rt.attach(server)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return { server, url: 'http://127.0.0.1:' + server.address().port + '/rt' }
    }
    const connect = (url) => Promise.all(rungs.map((rung) => {
      const client = createClient(url, { transports: [rung] })
      const channel = client.channel('log:1')
      channel.subscribe(() => {})
      return new Promise((resolve) => channel.on('subscribed', () => resolve(client)))
    }))`
  const args = ['--unhandled-rejections=strict', '--input-type=module', '--eval', `${head}\n${program}`]
  const cwd = fileURLToPath(new URL('.', import.meta.url))
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd, timeout: 50_000 })
  expect(stderr).toBe('')
  return stdout.trim()
}

it.skipIf(!process.env['REDIS_SERVER'])(
  'a worker without any transport publishes, and a node elsewhere has it',
  async () => {
    const id = await run(`
    const rt = createRealtime({ channels, broker: redis(redisUrl) })
    console.log((await rt.publish('log:1', { publisher: 'worker', sequence: 1 })).id)
    await rt.close()`)
    const rt = createApp(redis.url)
    expect(await rt.history('log:1', { last: 1 })).toEqual([
      expect.objectContaining({ id, from: null, data: { publisher: 'worker', sequence: 1 } }),
    ])
    await rt.close()
  },
)

it.skipIf(!process.env['REDIS_SERVER']).each(['client, server', 'server, client'])(
  'a server and its clients on each transport, closed in this order: %s',
  async (order) => {
    const closeClients = 'for (const client of clients) client.close();'
    const closeServer = 'await rt.close(); server.close();'
    await run(`
    const rt = createRealtime({ channels, broker: redis(redisUrl), pollFloor: 100 })
    const { server, url } = await serve(rt)
    const clients = await connect(url)
    await clients[0].channel('log:1').publish({ publisher: 'client', sequence: 1 })
    ${order === 'client, server' ? closeClients + closeServer : closeServer + closeClients}`)
  },
)

it.skipIf(!process.env['REDIS_SERVER'])('a node that was closed at once, also where there is no Redis', async () => {
  const program = 'await createRealtime({ channels, broker: redis(redisUrl) }).close()'
  await run(program)
  await run(program, 'redis://127.0.0.1:1')
})

it.skipIf(!process.env['REDIS_SERVER'])('a node that was closed while its Redis was away', async () => {
  const own = await RedisServer.start()
  const done = run(
    `
    const rt = createRealtime({ channels, broker: redis(redisUrl) })
    const refused = async () => {
      for (let sequence = 1; ; sequence++) await rt.publish('log:1', { publisher: 'worker', sequence })
    }
    await refused().catch(() => {})
    await rt.close()`,
    own.url,
  )
  // It publishes until it can't.
  const stored = async () => ((await own.command('KEYS', '*:log:1')) as string[]).length > 0
  while (!(await stored()));
  await own.close()
  await done
})

it.skipIf(!process.env['REDIS_SERVER'])('clients that never connected', async () => {
  await run(`
    for (const rung of rungs) {
      const unused = createClient('http://127.0.0.1:1/rt', { transports: [rung] })
      const closed = createClient('http://127.0.0.1:1/rt', { transports: [rung] })
      closed.channel('log:1').subscribe(() => {})
      closed.close()
      const trying = createClient('http://127.0.0.1:1/rt', { transports: [rung] })
      trying.channel('log:1').subscribe(() => {})
      trying.on('status', (status) => status === 'reconnecting' && trying.close())
    }`)
})
