// Client and server through their doors, over real sockets that break: order, no loss, once (I1 to I4), on each transport and while it changes.
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type Client, createClient, type TransportName } from '@rt/client'
import { createRealtime } from '@rt/server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'

const message = z.object({ n: z.number() })
const channels = {
  'room:{id}': { message, subscribe: 'public', publish: 'public' },
  'live:{id}': { message, subscribe: 'public', publish: 'public', delivery: 'live' },
} as const

const undo: (() => unknown)[] = []
let url = ''
let rt: ReturnType<typeof start>
/** Breaks every connection that is open now. */
let cut: () => void

function start() {
  return createRealtime({ channels, pollFloor: 100 })
}

beforeEach(async () => {
  rt = start()
  const http = createHttpServer()
  rt.attach(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const target = (http.address() as AddressInfo).port

  const open = new Set<Socket>()
  const proxy = createServer((socket) => {
    const upstream = connect(target, '127.0.0.1')
    for (const end of [socket, upstream]) {
      open.add(end)
      end.on('error', () => {})
      end.on('close', () => {
        open.delete(end)
        socket.destroy()
        upstream.destroy()
      })
    }
    socket.pipe(upstream)
    upstream.pipe(socket)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/rt`
  cut = () => {
    for (const socket of open) socket.resetAndDestroy()
  }
  undo.push(
    () => rt.close(),
    () => http.close(),
    () => proxy.close(),
    () => cut(),
  )
})

afterEach(async () => {
  for (const run of undo.splice(0)) await run()
})

function client(transports?: TransportName[]): Client<typeof rt> {
  const made = createClient<typeof rt>(url, transports === undefined ? {} : { transports })
  undo.unshift(() => made.close())
  return made
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function until(check: () => boolean): Promise<void> {
  while (!check()) await pause(5)
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

describe.each<TransportName>(['websocket', 'sse', 'long-poll', 'poll'])('over %s', (rung) => {
  it('delivers everything once and in order through cuts, publishes of both sides', async () => {
    const reader = client([rung])
    const writer = client([rung])
    const got: number[] = []
    const own: number[] = []
    let gaps = 0
    const room = reader.channel('room:1')
    room.on('gap', () => gaps++)
    room.subscribe(({ data }) => got.push(data.n))
    reader.channel('room:2').subscribe(({ data }) => own.push(data.n))
    await until(() => reader.status === 'connected')

    let n = 0
    const published: Promise<unknown>[] = []
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 20; i++) {
        n++
        await rt.publish('room:1', { n })
        published.push(writer.channel('room:2').publish({ n }))
        if (i % 4 === 0) await pause(2)
      }
      cut()
      await pause(Math.random() * 100)
    }
    // Behind so many cuts in a row the next try would be far away.
    for (const each of [reader, writer]) each.connect()
    await Promise.all(published)
    await until(() => got.length >= n && own.length >= n)
    expect(got).toEqual(upTo(n))
    expect(own).toEqual(upTo(n))
    expect(gaps).toBe(0)
  })

  it('adds and removes channels through cuts', async () => {
    const reader = client([rung])
    const got = new Map<string, number[]>()
    const offs = new Map<string, () => void>()
    const names = ['room:a', 'room:b', 'room:c', 'room:d'] as const
    let established = 0
    for (const name of names) reader.channel(name).on('subscribed', () => established++)
    const sent = new Map<string, number[]>(names.map((name) => [name, []]))
    let n = 0
    const publish = async () => {
      n++
      for (const name of names) {
        sent.get(name)?.push(n)
        await rt.publish(name, { n })
      }
    }
    for (let round = 0; round < 8; round++) {
      const name = names[round % names.length] as (typeof names)[number]
      offs.get(name)?.()
      const list: number[] = []
      got.set(name, list)
      offs.set(
        name,
        reader.channel(name).subscribe(({ data }) => list.push(data.n)),
      )
      const before = established
      await publish()
      if (round % 3 === 1) cut()
      await until(() => established > before)
      await publish()
      await publish()
      await until(() => got.get(name)?.at(-1) === n)
    }
    await until(() => [...got.values()].every((list) => list.at(-1) === n))
    for (const [name, list] of got) {
      // From the moment on which it was established, all of them.
      expect(list).toEqual(sent.get(name)?.filter((each) => each >= (list[0] as number)))
    }
  })
})

it('moves between all transports in mid-stream, with cuts, and nothing is lost, doubled or disordered', async () => {
  const reader = client()
  const writer = client()
  const got: number[] = []
  let gaps = 0
  const room = reader.channel('room:1')
  room.on('gap', () => gaps++)
  room.subscribe(({ data }) => got.push(data.n))
  await until(() => reader.status === 'connected')
  let n = 0
  let going = true
  const published: Promise<unknown>[] = []
  const publishing = (async () => {
    while (going) {
      published.push(writer.channel('room:1').publish({ n: ++n }))
      await pause(1)
    }
  })()
  const rungs: TransportName[] = ['sse', 'long-poll', 'poll', 'websocket']
  for (let i = 0; i < 24; i++) {
    const rung = rungs[Math.floor(Math.random() * rungs.length)] as TransportName
    const moved = reader.switchTo(rung).catch(() => {})
    if (i % 5 === 2) cut()
    await moved
    await pause(Math.random() * 40)
    if (i % 7 === 3) reader.reconnect()
  }
  going = false
  await publishing
  await Promise.all(published)
  await until(() => got.length >= n)
  expect(got).toEqual(upTo(n))
  expect(gaps).toBe(0)
})

it('sends live messages once, and says so when it cannot', async () => {
  const reader = client()
  const writer = client()
  const got: number[] = []
  reader.channel('live:1').subscribe(({ data, id }) => got.push(id === null ? data.n : -1))
  let established = false
  reader.channel('live:1').on('subscribed', () => {
    established = true
  })
  await until(() => established)
  await expect(writer.channel('live:1').publish({ n: 0 })).resolves.toEqual({ id: null })
  const results = await Promise.allSettled(
    upTo(60).map(async (n) => {
      await pause(n * 5)
      if (n % 20 === 10) cut()
      return writer.channel('live:1').publish({ n })
    }),
  )
  for (const result of results) {
    if (result.status === 'rejected') expect(['unknown', 'failed']).toContain(result.reason.outcome)
  }
  await until(() => reader.status === 'connected' && writer.status === 'connected')
  expect(new Set(got).size).toBe(got.length)
})
