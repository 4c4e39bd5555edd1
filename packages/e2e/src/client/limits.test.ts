// A client that publishes more than it may: it is slowed down, and nothing is lost, doubled or reordered.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient, type TransportName } from '@rt/client'
import { createRealtime } from '@rt/server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'

/** Commands a second; ten times as many may come at once. */
const COMMANDS = 30
const PUBLISHED = 12 * COMMANDS

const start = () =>
  createRealtime({
    authenticate: () => ({ id: 'ann' }),
    channels: { room: { message: z.object({ n: z.number() }), subscribe: 'public', publish: 'public' } },
    pollFloor: 200,
    limits: { commands: COMMANDS },
  })

const undo: (() => unknown)[] = []
let rt: ReturnType<typeof start>
let url = ''
beforeEach(async () => {
  rt = start()
  const http = createServer()
  rt.attach(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/rt`
  undo.push(
    () => rt.close(),
    () => http.close(),
    () => http.closeAllConnections(),
  )
})
afterEach(async () => {
  for (const run of undo.splice(0)) await run()
})

describe.each<TransportName>(['websocket', 'sse', 'long-poll', 'poll'])('over %s', (rung) => {
  it('what is too much at once comes a little later, each once and in order', async () => {
    const client = createClient<typeof rt>(url, { transports: [rung] })
    undo.unshift(() => client.close())
    const room = client.channel('room')
    const got: number[] = []
    const all = new Promise<void>((resolve) => {
      room.subscribe(({ data }) => {
        got.push(data.n)
        if (got.length === PUBLISHED) resolve()
      })
    })
    await new Promise<void>((resolve) => room.on('subscribed', () => resolve()))
    const begin = performance.now()
    const numbers = Array.from({ length: PUBLISHED }, (_, i) => i)
    await Promise.all(numbers.map((n) => room.publish({ n })))
    // The control: it was slowed down.
    expect(performance.now() - begin).toBeGreaterThan(1000)
    await all
    expect(got).toEqual(numbers)
  })
})
