// Every host by its example, run as a process: each transport, cuts, what else the app serves, clients that go, SIGTERM, and the page in a browser.
import { once } from 'node:events'
import { type Client, createClient, type TransportName } from '@rt/client'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Example } from './example'

interface Host {
  /** Compressing middleware, and a route that takes a body which a parser has read. */
  readonly middleware: boolean
}

const table: readonly (readonly [string, Host])[] = [
  ['express', { middleware: true }],
  ['fastify', { middleware: true }],
  ['hono', { middleware: true }],
  ['node', { middleware: false }],
]
const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
/** Those that hold something open at the server. */
const held = rungs.filter((rung) => rung !== 'poll')

const chromiumPath = process.env['CHROMIUM_PATH']

const undo: (() => unknown)[] = []
afterAll(async () => {
  for (const run of undo.splice(0).reverse()) await run()
})

async function start(name: string): Promise<Example> {
  const example = await Example.start(name)
  undo.push(() => example.kill())
  return example
}

interface Listener {
  readonly client: Client
  /** All texts so far. */
  readonly texts: readonly string[]
  /** Resolves when this text has come. */
  heard(text: string): Promise<void>
}

/** Subscribes to the board over one transport. Resolves when that is established. */
async function listen({ url }: Example, rung: TransportName): Promise<Listener> {
  const client: Client = createClient(`${url}/rt`, { transports: [rung] })
  undo.push(() => client.close())
  const board = client.channel('board')
  const texts: string[] = []
  const waiting = new Map<string, () => void>()
  board.subscribe(({ data }) => {
    const { text } = data as { text: string }
    texts.push(text)
    waiting.get(text)?.()
  })
  await new Promise<void>((resolve, reject) => {
    board.on('subscribed', () => resolve())
    board.on('error', reject)
    client.on('error', reject)
  })
  expect(client.transport).toBe(rung)
  return {
    client,
    texts,
    heard: (text) => new Promise((resolve) => (texts.includes(text) ? resolve() : void waiting.set(text, resolve))),
  }
}

const say = (client: Client, text: string) => client.channel('board').publish({ text })

/** The answer of a WebSocket server that is not ours. */
async function echoed(url: string, text: string): Promise<string> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  await once(socket, 'open')
  socket.send(text)
  const [data] = (await once(socket, 'message')) as [Buffer]
  socket.close()
  await once(socket, 'close')
  return String(data)
}

describe.concurrent.each(table)('examples/%s', (name, { middleware }) => {
  let example: Example
  beforeAll(async () => {
    example = await start(name)
  })

  it.each(rungs)('publishes and receives over %s, and resumes after a cut', async (rung) => {
    const { client, texts, heard } = await listen(example, rung)
    const other = await listen(example, 'websocket')
    const own = (text: string) => `${rung}: ${text}`
    await say(client, own('one'))
    await heard(own('one'))
    const back = new Promise<void>((resolve) => {
      client.on('status', (status) => status === 'connected' && resolve())
    })
    client.reconnect()
    expect(client.status).toBe('reconnecting')
    // Stored while nobody is there to receive it, unless chance lets the client come back at once.
    await say(other.client, own('two'))
    if (client.status === 'reconnecting') expect(texts).not.toContain(own('two'))
    await back
    await heard(own('two'))
    await say(client, own('three'))
    await heard(own('three'))
    await other.heard(own('three'))
    const mine = (list: readonly string[]) => list.filter((text) => text.startsWith(`${rung}:`))
    expect(mine(texts)).toEqual([own('one'), own('two'), own('three')])
    expect(mine(other.texts)).toEqual([own('one'), own('two'), own('three')])
    expect(client.transport).toBe(rung)
    client.close()
    other.client.close()
  })

  it('leaves other routes to the app, body parsers and compression included', async () => {
    const { client, heard } = await listen(example, 'sse')
    const page = await fetch(`${example.url}/`)
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')])
    expect(await page.text()).toContain('<title>rt on ')
    expect((await fetch(`${example.url}/nothing`)).status).toBe(404)
    expect((await fetch(`${example.url}/rt/nothing`)).status).toBe(404)
    if (!middleware) return
    // The script is large enough for the middleware, so it is really there.
    const script = await fetch(`${example.url}/page.js`)
    expect(script.headers.get('content-encoding')).toMatch(/^(gzip|br|zstd|deflate)$/)
    await script.text()
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ text: 'by a route' })
    expect((await fetch(`${example.url}/announce`, { method: 'POST', headers, body })).status).toBe(200)
    await heard('by a route')
    const latest = (await (await fetch(`${example.url}/latest`)).json()) as unknown[]
    expect(latest).toHaveLength(1)
    client.close()
  })

  it('leaves other upgrades to the app', async () => {
    for (const text of ['one', 'two']) expect(await echoed(`${example.url}/echo`, text)).toBe(text)
  })
})

/** The stream on which the server hears the orders of all nodes. */
const OWN = 1

describe.concurrent.each(table)('the process of examples/%s', (name) => {
  it('frees a stream within a second of its client, and ends at SIGTERM with clients on every transport', async () => {
    const example = await start(name)
    const leaving = await Promise.all(held.map((rung) => listen(example, rung)))
    // A long poll that has just been answered comes again.
    const all: number[] = []
    while (all.at(-1) !== held.length + OWN) all.push(await example.streams())
    const closed = performance.now()
    for (const { client } of leaving) client.close()
    while ((await example.streams()) > OWN) expect(performance.now() - closed).toBeLessThan(1000)

    const staying = await Promise.all(rungs.map((rung) => listen(example, rung)))
    const lost = staying.map(
      ({ client }) =>
        new Promise<void>((resolve) => {
          // Who polls hears of it at the next poll.
          if (client.transport === 'poll') resolve()
          client.on('status', (status) => status === 'reconnecting' && resolve())
        }),
    )
    expect(await example.end()).toEqual({ code: 0, stderr: '' })
    await Promise.all(lost)
    for (const { client } of staying) client.close()
  })
})

describe.skipIf(!chromiumPath)('the page (needs chromium)', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath as string, args: ['--no-sandbox'] })
  })
  afterAll(() => browser?.close())

  it.each(table)('of examples/%s shows the newest message, live', async (name) => {
    const example = await start(name)
    const other = await listen(example, 'sse')
    await say(other.client, 'before')
    const page = await browser.newPage()
    const wrong: string[] = []
    page.on('pageerror', (error) => wrong.push(error.message))
    page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()))
    await page.goto(example.url)
    const newest = (text: string) => page.locator('#newest', { hasText: text }).waitFor()
    await newest('before')
    await say(other.client, 'live')
    await newest('live')
    await page.locator('#text').fill('from the page')
    await page.locator('#text').press('Enter')
    await newest('from the page')
    await other.heard('from the page')
    // On a busy machine SSE may be proven first, and a page that listens is content with it.
    expect(await page.locator('#transport').textContent()).toMatch(/^(websocket|sse)$/)
    expect(await page.locator('#count').textContent()).toBe('3')
    expect(wrong).toEqual([])
    await page.close()
  })
})
