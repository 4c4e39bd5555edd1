// Bytes as payloads: over each transport, both ways, from the history, and on a channel that is not stored.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Client, createClient, type MessageOf, type PublishOf, type TransportName } from '@rt/client'
import { bytes, createRealtime } from '@rt/server'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

const rt = createRealtime({
  pollFloor: 100,
  channels: {
    'doc:{id}': { message: bytes(), subscribe: 'public', publish: 'public' },
    'pen:{id}': { message: bytes(), delivery: 'live', subscribe: 'public', publish: 'public' },
    // A library's own schema does as well, and may give either.
    'both:{id}': { message: z.union([z.string(), z.instanceof(Uint8Array)]), subscribe: 'public', publish: 'public' },
  },
})
type Realtime = typeof rt

let http: Server
let url = ''
const clients: Client<Realtime>[] = []

beforeAll(async () => {
  http = createServer()
  rt.attach(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/rt`
})
afterAll(async () => {
  for (const client of clients) client.close()
  await rt.close()
  http.closeAllConnections()
  http.close()
})

function connect(transport: TransportName): Client<Realtime> {
  const client = createClient<Realtime>(url, { transports: [transport] })
  clients.push(client)
  return client
}

const odd = [new Uint8Array(), new Uint8Array([0]), new Uint8Array([255, 254]), new Uint8Array(40_000).map((_, i) => i)]

describe.each(['websocket', 'sse', 'long-poll', 'poll'] as const)('bytes over %s', (transport) => {
  it('arrive as they were, from a client, from the server and from the history', async () => {
    const doc = connect(transport).channel(`doc:${transport}`)
    const got: Uint8Array[] = []
    let wake = () => {}
    doc.subscribe(({ data }) => {
      got.push(data)
      wake()
    })
    await new Promise<void>((resolve) => doc.on('subscribed', () => resolve()))
    const all = [...odd, ...odd.map((each) => Buffer.from(each))]
    for (const [i, each] of all.entries()) {
      if (i % 2 === 0) await doc.publish(each)
      else await rt.publish(`doc:${transport}`, each)
    }
    while (got.length < all.length) await new Promise<void>((resolve) => (wake = resolve))
    for (const [i, each] of all.entries()) {
      expect(got[i]).toBeInstanceOf(Uint8Array)
      expect(Buffer.compare(got[i] as Uint8Array, each)).toBe(0)
    }
    const history = await doc.history({ last: 100 })
    expect(history.map(({ data }) => Buffer.from(data).toString('hex'))).toEqual(
      all.map((each) => Buffer.from(each).toString('hex')),
    )
    const late = connect(transport).channel(`doc:${transport}`)
    const first = await new Promise<Uint8Array>((resolve) => late.subscribe(({ data }) => resolve(data), { last: 1 }))
    expect(Buffer.compare(first, all.at(-1) as Uint8Array)).toBe(0)
  })
})

it('arrive on channels that are not stored, and beside JSON', async () => {
  const client = connect('websocket')
  const pen = new Promise((resolve) => client.channel('pen:1').subscribe(({ data }) => resolve(data)))
  await new Promise<void>((resolve) => client.channel('pen:1').on('subscribed', () => resolve()))
  await client.channel('pen:1').publish(new Uint8Array([1, 2]))
  expect(await pen).toEqual(new Uint8Array([1, 2]))

  const both: unknown[] = []
  const second = new Promise<void>((resolve) =>
    client.channel('both:1').subscribe(({ data }) => {
      if (both.push(data) === 2) resolve()
    }),
  )
  await new Promise<void>((resolve) => client.channel('both:1').on('subscribed', () => resolve()))
  await client.channel('both:1').publish('text')
  await client.channel('both:1').publish(new Uint8Array([3]))
  await second
  expect(both).toEqual(['text', new Uint8Array([3])])
  expect((await rt.history('both:1', { last: 2 })).map(({ data }) => data)).toEqual(['text', new Uint8Array([3])])
})

it('are bytes to the types as well, and nothing else is taken for them', async () => {
  expectTypeOf<MessageOf<Realtime, 'doc:1'>>().toEqualTypeOf<Uint8Array>()
  expectTypeOf<PublishOf<Realtime, 'doc:1'>>().toEqualTypeOf<Uint8Array>()
  const text = 'AQID' as unknown as Uint8Array
  await expect(connect('websocket').channel('doc:1').publish(text)).rejects.toMatchObject({ code: 'invalid_message' })
})
