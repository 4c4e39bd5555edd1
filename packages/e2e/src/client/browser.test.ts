// The built client in a real browser: relative URL, native WebSocket and fetch, each transport, and the back/forward cache.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { createRealtime } from '@rt/server'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'

const built = join(dirname(createRequire(import.meta.url).resolve('@rt/client/package.json')), 'dist')

const PAGE = `<!doctype html><title>test</title><script type="module">
  import { createClient } from '/client/index.js'
  const client = (globalThis.client = createClient('/rt'))
  globalThis.got = []
  globalThis.statuses = []
  client.on('status', (status) => statuses.push(status))
  addEventListener('pageshow', ({ persisted }) => { globalThis.persisted = persisted })
  client.channel('room:1').subscribe(({ data }) => got.push(data.n), { last: 100 })
</script>`

let rt: ReturnType<typeof start>
let http: Server
let browser: Browser
let origin = ''

function start() {
  return createRealtime({
    channels: { 'room:{id}': { message: z.object({ n: z.number() }), subscribe: 'public', publish: 'public' } },
    pollFloor: 100,
  })
}

beforeAll(async () => {
  rt = start()
  http = createServer(async (request, response) => {
    const path = new URL(request.url ?? '', 'http://x').pathname
    const [, folder, name = ''] = path.split('/')
    if (folder === 'client') {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(await readFile(join(built, name)))
    } else if (path !== '/rt')
      response.writeHead(200, { 'content-type': 'text/html' }).end(path === '/' ? PAGE : 'other')
  })
  rt.attach(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM_PATH'] as string,
    args: ['--no-sandbox'],
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  })
})

afterAll(async () => {
  await browser?.close()
  await rt.close()
  http.closeAllConnections()
  http.close()
})

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const heard = (page: Page, n: number) => page.waitForFunction(`got.length >= ${n}`)

it.skipIf(!process.env['CHROMIUM_PATH'])(
  'hears and publishes over each transport, and misses nothing while it moves and while it is in the back/forward cache',
  async () => {
    const page = await browser.newPage()
    await page.goto(origin)
    await page.waitForFunction(`client.status === 'connected'`)
    // On a busy machine SSE may win the race.
    expect(['websocket', 'sse']).toContain(await page.evaluate('client.transport'))
    let n = 0
    for (const rung of ['sse', 'long-poll', 'poll', 'websocket']) {
      await page.evaluate(`client.switchTo('${rung}')`)
      expect(await page.evaluate('client.transport')).toBe(rung)
      await rt.publish('room:1', { n: ++n })
      await page.evaluate(`client.channel('room:1').publish({ n: ${++n} })`)
      await heard(page, n)
    }
    expect(await page.evaluate('got')).toEqual(upTo(n))
    expect(await page.evaluate('statuses')).toEqual(['connecting', 'connected'])

    await page.goto(`${origin}/other`)
    await rt.publish('room:1', { n: ++n })
    // A page from the cache is not loaded again.
    await page.goBack({ waitUntil: 'commit' })
    await heard(page, n)
    expect(await page.evaluate('persisted')).toBe(true)
    expect(await page.evaluate('got')).toEqual(upTo(n))
    await page.waitForFunction(`client.status === 'connected'`)
    expect(await page.evaluate('statuses')).toEqual(['connecting', 'connected', 'reconnecting', 'connected'])
  },
)
