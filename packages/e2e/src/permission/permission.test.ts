// Permission that is taken away while streams are open: two nodes as processes on one Redis; the order is given to one, the clients are on the other.
import { on } from 'node:events'
import { createClient, type TransportName } from '@rt/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import type { rt } from './node.ts'
import { Nodes, Reader, rungs, startNode } from './nodes.ts'

const undo: (() => unknown)[] = []
let nodes: Nodes

beforeAll(async () => {
  if (process.env['REDIS_SERVER']) nodes = await Nodes.start()
})
afterEach(async () => {
  for (const run of undo.splice(0)) await run()
})
afterAll(() => nodes?.close())

function read(rung: TransportName, token: string | (() => string)): Reader {
  const reader = new Reader(nodes, rung, token)
  undo.push(() => reader.client.close())
  return reader
}

describe.skipIf(!process.env['REDIS_SERVER'])('rt.revoke', () => {
  it.each(rungs)('ends what was open on another node, over %s, and lets nobody in with the old token', async (rung) => {
    const ann = read(rung, `ann-${rung}@${Date.now() - 1000}`)
    const bob = read(rung, `bob-${rung}@${Date.now() - 1000}`)
    await ann.ready()
    await bob.ready()
    await ann.caughtUp()
    await nodes.ask(nodes.here, { type: 'revoke', who: `ann-${rung}` })
    await ann.until(() => ann.client.status === 'failed')
    expect(ann.client.problem).toBe('unauthorized')
    expect(ann.errors).toEqual(['unauthenticated'])
    const last = nodes.published
    // Two, so that the first has had its time.
    for (let i = 0; i < 2; i++) {
      await nodes.publish()
      await bob.caughtUp()
    }
    expect(ann.heard.at(-1)).toBe(last)
    expect(bob.errors).toEqual([])
    // A new client with the old token, and one with a new token.
    const again = read(rung, `ann-${rung}@${Date.now() - 60_000}`)
    await again.until(() => again.client.status === 'failed')
    await read(rung, `ann-${rung}@${Date.now() + 1000}`).ready()
  })

  it.each(rungs)('loses nothing of whoever gets a new token, over %s', async (rung) => {
    let issued = Date.now() - 1000
    const reader = read(rung, () => `cem-${rung}@${issued}`)
    await reader.ready()
    const first = nodes.published
    issued = Date.now() + 60_000
    for (let i = 0; i < 5; i++) {
      await nodes.publish()
      if (i === 2) await nodes.ask(nodes.here, { type: 'revoke', who: `cem-${rung}` })
    }
    await reader.caughtUp()
    expect(reader.heard).toEqual(Array.from({ length: nodes.published - first + 1 }, (_, i) => first + i))
    expect(reader.errors).toEqual([])
  })

  it('finds everybody for whom a function says yes, on all nodes', async () => {
    const readers = ['acme:1', 'acme:2', 'other:1'].map((id) => read('sse', `${id}@${Date.now() - 1000}`))
    for (const reader of readers) await reader.ready()
    await nodes.ask(nodes.here, { type: 'revoke', who: 'acme:*' })
    const [one, two, other] = readers as [Reader, Reader, Reader]
    for (const reader of [one, two]) await reader.until(() => reader.client.status === 'failed')
    await nodes.publish()
    await other.caughtUp()
    expect(other.errors).toEqual([])
  })

  it('holds on a node that was cut off when it was given', async () => {
    const reader = read('websocket', `dan@${Date.now() - 1000}`)
    await reader.ready()
    // Its link comes back after the order.
    await nodes.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await nodes.ask(nodes.here, { type: 'revoke', who: 'dan' })
    await reader.until(() => reader.client.status === 'failed')
  })

  it('holds on a node that starts afterwards', async () => {
    await nodes.ask(nodes.here, { type: 'revoke', who: 'eve' })
    const [late, url] = await startNode(nodes.redis)
    undo.push(() => late.kill())
    const client = createClient<typeof rt>(url, { token: `eve@${Date.now() - 60_000}` })
    undo.push(() => client.close())
    const refused = new Promise((resolve) => client.on('error', resolve))
    client.channel('news').subscribe(() => {})
    expect(await refused).toMatchObject({ code: 'unauthenticated' })
    expect(client.status).toBe('failed')
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('rt.recheck', () => {
  it.each(rungs)('takes a channel from whom its rule refuses now, over %s, and nothing else', async (rung) => {
    const fay = read(rung, `fay-${rung}`)
    fay.hear('gossip')
    const gus = read(rung, `gus-${rung}`)
    await fay.ready()
    await gus.ready()
    for (const node of [nodes.here, nodes.there]) await nodes.ask(node, { type: 'expel', id: `fay-${rung}` })
    await nodes.ask(nodes.here, { type: 'recheck' })
    await fay.until(() => fay.errors.length > 0)
    expect(fay.errors).toEqual(['news forbidden'])
    const before = fay.heard.length
    await nodes.publish()
    await gus.caughtUp()
    await fay.caughtUp()
    await nodes.publish()
    await gus.caughtUp()
    await fay.caughtUp()
    // Of the other channel alone, each once.
    expect(fay.heard.slice(before)).toEqual([nodes.published - 1, nodes.published])
    expect(fay.client.status).toBe('connected')
    expect(gus.errors).toEqual([])
  })
})

/** What a request for `news` brings that has a cursor, over one transport: what was said of the channel, and its publications. */
async function resume(rung: TransportName, url: string, token: string, cursor: string): Promise<string[]> {
  const query = `?channels=news&cursor=${encodeURIComponent(cursor)}`
  const seen = (events: readonly { type: string; data?: { n: number }; error?: { code: string } }[]) =>
    events.flatMap(({ type, data, error }) =>
      type === 'message' ? [`${data?.n}`] : type === 'unsubscribed' ? [error?.code ?? ''] : [],
    )
  if (rung === 'websocket') {
    const socket = new WebSocket(url.replace('http', 'ws') + query, 'rt.v1', {
      headers: { authorization: `Bearer ${token}` },
    })
    try {
      for await (const [data] of on(socket, 'message')) {
        const told = seen(JSON.parse(String(data)))
        if (told.length > 0) return told
      }
    } finally {
      socket.terminate()
    }
  }
  const abort = new AbortController()
  const accept = rung === 'sse' ? 'text/event-stream' : 'application/json'
  const response = await fetch(`${url}${query}${rung === 'long-poll' ? '&wait=10' : ''}`, {
    headers: { accept, authorization: `Bearer ${token}` },
    signal: abort.signal,
  })
  if (!response.ok) return [((await response.json()) as { error: { code: string } }).error.code]
  if (rung !== 'sse') return seen(((await response.json()) as { events: [] }).events)
  let text = ''
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += Buffer.from(chunk).toString()
    const told = seen([...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json as string)))
    if (told.length > 0) break
  }
  abort.abort()
  return seen([...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json as string)))
}

describe.skipIf(!process.env['REDIS_SERVER'])('a cursor', () => {
  it.each(rungs)(
    'of somebody who may hear a channel opens nothing to who may not, over %s, on any node',
    async (rung) => {
      const headers = { accept: 'application/json', authorization: 'Bearer owner' }
      const place = await fetch(`${nodes.hereUrl}?channels=news`, { headers })
      const { cursor } = (await place.json()) as { cursor: string }
      await nodes.publish()
      for (const node of [nodes.here, nodes.there]) await nodes.ask(node, { type: 'expel', id: 'thief' })
      for (const url of [nodes.hereUrl, nodes.thereUrl]) {
        expect(await resume(rung, url, 'thief', cursor)).toEqual(['forbidden'])
        expect(await resume(rung, url, 'owner', cursor)).toEqual([`${nodes.published}`])
      }
    },
  )
})

describe.skipIf(!process.env['REDIS_SERVER'])('a member', () => {
  it.each(rungs)('whom the rule refuses now is not present any more, over %s', async (rung) => {
    const id = `moe-${rung}`
    const reader = read(rung, id)
    await reader.ready()
    const channel = reader.client.channel('news')
    await channel.presence.enter({ here: true })
    const watcher = read('websocket', `nia-${rung}`)
    const { presence } = watcher.client.channel('news')
    const seen: string[] = []
    const told = (what: string) =>
      new Promise<void>((resolve) => {
        const look = () => void (seen.includes(what) && resolve())
        undo.push(
          presence.subscribe((list, change) => {
            if (change === null) for (const member of list.members) seen.push(`enter ${member.id}`)
            else seen.push(`${change.action} ${change.member.id}`)
            look()
          }),
        )
      })
    await told(`enter ${id}`)
    for (const node of [nodes.here, nodes.there]) await nodes.ask(node, { type: 'expel', id })
    const left = told(`leave ${id}`)
    await nodes.ask(nodes.here, { type: 'recheck' })
    await left
    await reader.until(() => reader.errors.length > 0)
    expect([...new Set(reader.errors)]).toEqual(['news forbidden'])
  })
})
