// The testing doors as the tests of an app use them: server and clients in one process without a port, on each transport, with each fault.
import { createServer } from 'node:http'
import { type Client, type ClientOptions, createClient, type TransportName } from '@rt/client'
import { established, when } from '@rt/client/testing'
import { createRealtime, type Duration } from '@rt/server'
import { createNetwork, FakeClock } from '@rt/server/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'

type Realtime = ReturnType<typeof start>
let clock: FakeClock
let rt: Realtime
let clients: Client<Realtime>[]

function start(options: { clock?: FakeClock; pollFloor: Duration }) {
  return createRealtime({
    ...options,
    authenticate: (request) => {
      const token = request.headers.get('authorization')?.slice('Bearer '.length)
      return token === undefined ? null : { id: token }
    },
    channels: {
      'room:{id}': {
        message: z.object({ text: z.string() }),
        presence: z.object({ name: z.string() }),
        subscribe: ({ params }) => params.id !== 'secret',
        publish: 'public',
      },
    },
  })
}

beforeEach(() => {
  clock = new FakeClock()
  rt = start({ clock, pollFloor: '1s' })
  clients = []
})
afterEach(async () => {
  for (const client of clients) client.close()
  await rt.close()
})

const makeNetwork = () => createNetwork(rt, { clock })

function join(network: ReturnType<typeof makeNetwork>, options: ClientOptions = {}): Client<Realtime> {
  const client = createClient<Realtime>(`${network.url}/rt`, { ...network.options, ...options })
  clients.push(client)
  return client
}

/** Subscribed and established; what it hears from then on. */
async function listen(client: Client<Realtime>): Promise<string[]> {
  const heard: string[] = []
  const room = client.channel('room:1')
  room.subscribe(({ data }) => heard.push(data.text))
  await established(client, room)
  return heard
}

const transports: TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

describe.each(transports)('over %s', (transport) => {
  it('delivers, publishes and tells who is there, without a clock as well', async () => {
    rt = start({ pollFloor: '100ms' })
    const network = createNetwork(rt)
    const client = join(network, { transports: [transport], token: 'ada' })
    const room = client.channel('room:1')
    const messages = room[Symbol.asyncIterator]()
    await established(client, room)
    expect(client.transport).toBe(transport)
    await room.publish({ text: 'hello' })
    expect((await messages.next()).value).toMatchObject({ from: 'ada', data: { text: 'hello' } })
    await room.presence.enter({ name: 'Ada' })
    expect((await rt.presence.list('room:1')).members).toEqual([{ id: 'ada', state: { name: 'Ada' } }])
    await room.presence.leave()
    expect(await rt.presence.count('room:1')).toBe(0)
  })

  it('goes on where it was after a cut', async () => {
    const network = makeNetwork()
    const client = join(network, { transports: [transport] })
    const heard = await listen(client)
    const statuses: string[] = []
    client.on('status', (status) => statuses.push(status))
    network.cut()
    await rt.publish('room:1', { text: 'meanwhile' })
    await clock.advanceAsync(2000)
    expect(heard).toEqual(['meanwhile'])
    // A poll is no link that could be lost: it is asked again.
    expect(statuses).toEqual(transport === 'websocket' || transport === 'sse' ? ['reconnecting', 'connected'] : [])
  })

  it('knows that the network is away, and comes back', async () => {
    const network = makeNetwork()
    const client = join(network, { transports: [transport] })
    const heard = await listen(client)
    network.offline()
    await clock.advanceAsync(10_000)
    expect([client.status, client.problem]).toEqual(['reconnecting', 'offline'])
    await rt.publish('room:1', { text: 'meanwhile' })
    network.restore()
    await clock.advanceAsync(30_000)
    expect([client.status, client.problem, heard]).toEqual(['connected', null, ['meanwhile']])
  })

  it('finds out that a link is dead which looks open', async () => {
    const network = makeNetwork()
    const client = join(network, { transports: [transport] })
    const heard = await listen(client)
    network.blackhole()
    await rt.publish('room:1', { text: 'into the dark' })
    await clock.advanceAsync(900)
    expect([client.status, heard]).toEqual(['connected', []])
    await clock.advanceAsync(60_000)
    expect([client.status, heard]).toEqual(['reconnecting', []])
    network.restore()
    await clock.advanceAsync(30_000)
    expect([client.status, heard]).toEqual(['connected', ['into the dark']])
  })

  it('gets through a network that is slow, in order', async () => {
    const network = makeNetwork()
    const client = join(network, { transports: [transport] })
    const heard = await listen(client)
    await clock.advanceAsync(1000)
    network.delay(200)
    const texts = ['a', 'b', 'c']
    for (const text of texts) await rt.publish('room:1', { text })
    await clock.advanceAsync(199)
    expect(heard).toEqual([])
    await clock.advanceAsync(3000)
    expect(heard).toEqual(texts)
  })
})

it('falls back when transports are blocked, and tells what it is on', async () => {
  const network = makeNetwork()
  const client = join(network, { transports: ['websocket', 'sse', 'long-poll'] })
  const heard = await listen(client)
  expect(client.transport).toBe('websocket')
  network.block('websocket')
  await clock.advanceAsync(5000)
  expect(client.transport).toBe('sse')
  network.block('sse')
  await clock.advanceAsync(5000)
  expect(client.transport).toBe('long-poll')
  await rt.publish('room:1', { text: 'all the same' })
  await clock.advanceAsync(0)
  expect(heard).toEqual(['all the same'])
  network.restore()
  const back = when(client, 'transport', 'websocket')
  await clock.advanceAsync(15 * 60_000)
  await back
})

it('is blocked where nothing but polls comes through and they are not wanted', async () => {
  const network = makeNetwork()
  network.block('websocket', 'sse')
  const client = join(network, { transports: ['websocket', 'sse'] })
  client.channel('room:1').subscribe(() => {})
  await clock.advanceAsync(5000)
  expect([client.status, client.problem]).toEqual(['reconnecting', 'blocked'])
})

it('has faults of its own on each network', async () => {
  const [wifi, cable] = [makeNetwork(), makeNetwork()]
  expect(wifi.url).not.toBe(cable.url)
  const [far, near] = [await listen(join(wifi)), await listen(join(cable))]
  wifi.blackhole()
  await rt.publish('room:1', { text: 'x' })
  await clock.advanceAsync(0)
  expect([far, near]).toEqual([[], ['x']])
})

it('lets the server find out that a client has gone without a word', async () => {
  const network = makeNetwork()
  const client = join(network, { transports: ['websocket'], token: 'ada' })
  await listen(client)
  await client.channel('room:1').presence.enter({ name: 'Ada' })
  network.blackhole()
  client.close()
  await clock.advanceAsync(15_000)
  expect(await rt.presence.count('room:1')).toBe(1)
  await clock.advanceAsync(120_000)
  expect(await rt.presence.count('room:1')).toBe(0)
})

it('carries more than a link takes at once, and waits for who does not read', async () => {
  const network = makeNetwork()
  const texts = Array.from({ length: 60 }, (_, i) => `${i} ${'x'.repeat(10_000)}`)
  for (const text of texts) await rt.publish('room:1', { text })
  for (const transport of transports) {
    const client = join(network, { transports: [transport] })
    const room = client.channel('room:1')
    const heard: string[] = []
    room.subscribe(({ data }) => heard.push(data.text), { last: 60 })
    await established(client, room)
    await clock.advanceAsync(0)
    expect(heard).toEqual(texts)
  }
})

it('leads to a whole server, with the routes of the app', async () => {
  const server = createServer((request, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    if (request.url === '/nothing') response.writeHead(204).end()
    else request.pipe(response.writeHead(201, { 'x-method': request.method }))
  })
  rt.attach(server)
  const network = createNetwork(server, { clock })
  const heard = await listen(join(network))
  const { fetch } = network.options
  const posted = await fetch(`${network.url}/echo`, { method: 'POST', body: 'é' })
  expect([posted.status, posted.headers.get('x-method'), await posted.text()]).toEqual([201, 'POST', 'é'])
  expect(posted.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  const empty = await fetch(new URL('/nothing', network.url))
  expect([empty.status, empty.body]).toEqual([204, null])
  await rt.publish('room:1', { text: 'beside it' })
  await clock.advanceAsync(0)
  expect(heard).toEqual(['beside it'])
})

describe('its fetch fails as fetch does', () => {
  it('with a TypeError when the network fails, before the answer and within it', async () => {
    const server = createServer((_, response) => response.writeHead(200).write('half'))
    const network = createNetwork(server)
    const { fetch } = network.options
    const response = await fetch(network.url)
    const text = response.text()
    network.offline()
    await expect(text).rejects.toThrow()
    await expect(fetch(network.url)).rejects.toThrow(TypeError)
  })

  it('with the reason of who aborted it', async () => {
    const network = createNetwork(createServer())
    const { fetch } = network.options
    const reason = new Error('enough')
    await expect(fetch(network.url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    const asked = fetch(network.url, { signal: controller.signal })
    controller.abort(reason)
    await expect(asked).rejects.toBe(reason)
  })
})

describe('waiting', () => {
  it('for what will not come rejects', async () => {
    const network = makeNetwork()
    const client = join(network, { token: 'ada', transports: ['websocket'] })
    const room = client.channel('room:secret')
    room.subscribe(() => {})
    await expect(established(client, room)).rejects.toMatchObject({ code: 'forbidden' })
    const waiting = when(client, 'transport', 'poll')
    client.close()
    await expect(waiting).rejects.toThrow('The client is closed. Its transport will not be "poll".')
    await expect(established(client, room)).rejects.toThrow(
      'The client is closed. room:secret will not be established.',
    )
    await when(client, 'status', 'closed')
  })

  it('for what is there already is over', async () => {
    const client = join(makeNetwork())
    await listen(client)
    await Promise.all([when(client, 'status', 'connected'), established(client, client.channel('room:1'))])
  })
})
