/** Ours, with history as by default; over Redis when there is one. */
import { createServer } from 'node:http'
import { createRealtime, memory } from '@rt/server'

const anything = { '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value }) } }

export async function start({ redis }) {
  const rt = createRealtime({
    broker: redis === undefined ? memory() : (await import('@rt/server/redis')).redis(redis),
    channels: { news: { message: anything, subscribe: 'public' } },
    // What others do every 25 s is left out everywhere.
    heartbeat: '5m',
  })
  const server = createServer()
  rt.attach(server)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))
  return {
    port: server.address().port,
    send(messages) {
      for (const message of messages) void rt.publish('news', message)
    },
  }
}
