// `next dev` and a server of one's own in development: what is edited, restarted, and upgraded there, in a real browser.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { RedisServer } from '@rt/server/testing'
import { type Browser, chromium, type WebSocket } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openSse } from '../plain-client'
import { NextApp, type NextServer } from './app'
import { badge, live, open, send, visit } from './visit'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const noBrowser = !existsSync(executablePath)
const redisBinary = process.env['REDIS_SERVER'] ?? 'redis-server'
const noRedis =
  !(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, redisBinary))) &&
  !existsSync(redisBinary)

// Development compiles each page when it is first asked for, and once more after each start.
const COMPILES = 120_000

let app: NextApp
let browser: Browser
const undo: (() => unknown)[] = []

beforeAll(async () => {
  app = new NextApp()
  if (!noBrowser) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})
afterEach(async () => {
  for (const run of undo.splice(0).reverse()) await run()
})
afterAll(async () => {
  await browser?.close()
  app.remove()
})

it.skipIf(noBrowser || noRedis)(
  '`next dev` that is killed and started again: the badge is right at once (needs chromium and redis-server)',
  { timeout: COMPILES },
  async () => {
    const redis = await RedisServer.start()
    undo.push(() => redis.close())
    let server: NextServer = await app.start('dev', { redisUrl: redis.url })
    undo.push(() => server.kill())
    const { page: ada, wrong } = await visit(browser, server.url, 'ada')
    undo.push(() => ada.context().close())
    await live(ada)
    await send(ada, 'one', 'Send to myself')
    await badge(ada, 1)

    const { answer, events, close } = await openSse(`${server.url}/rt?v=1&channels=user:ada:notifications`, {
      headers: { cookie: 'user=ada' },
    })
    undo.push(close)
    await events.next('subscribed')
    await send(ada, 'two', 'Send to myself')
    await events.next('message')
    expect(answer.complete).toBe(false)
    await badge(ada, 2)

    await server.kill()
    server = await app.start('dev', { redisUrl: redis.url, port: server.port })
    // What the server renders, without a script.
    const still = await visit(browser, server.url, 'ada', { javaScriptEnabled: false })
    undo.push(() => still.page.context().close())
    await badge(still.page, 2)
    // The page that was open (Next may load it anew).
    await live(ada)
    await badge(ada, 2)
    await send(ada, 'three', 'Send to myself')
    await badge(ada, 3)
    // Our news come before the answer to the button that made them, so that the kill cuts this one.
    expect(wrong.filter((message) => message !== 'network error')).toEqual([])
  },
)

describe.skipIf(noBrowser)('a server of one’s own in development (needs chromium)', () => {
  it('has WebSocket beside the hot reload of Next, which goes on, and so does rt across an edit', {
    timeout: COMPILES,
  }, async () => {
    await app.build(['node_modules/tsup/dist/cli-default.js'])
    const server = await app.start('own server, dev')
    undo.push(() => server.kill())
    const context = await browser.newContext()
    undo.push(() => context.close())
    await context.addCookies([{ name: 'user', value: 'ada', url: server.url }])
    const page = await context.newPage()
    const sockets: WebSocket[] = []
    page.on('websocket', (socket) => sockets.push(socket))
    const { wrong } = await open(page, server.url)
    await live(page, 'WebSocket')
    await send(page, 'before', 'Send to myself')
    await badge(page, 1)

    // Known to this document alone: gone when the page is loaded anew.
    await page.evaluate(() => document.body.setAttribute('data-mark', 'old'))
    app.edit('app/notifications.tsx', '<h1>Notifications</h1>', '<h1>Edited</h1>')
    await page.locator('h1', { hasText: 'Edited' }).waitFor()
    // The instance of rt, and what it holds, survive the edit of its own module.
    app.edit('lib/realtime.ts', "life: '4m'", "life: '3m'")
    await expect.poll(async () => (await fetch(server.url, { headers: { cookie: 'user=ada' } })).status).toBe(200)
    await send(page, 'after', 'Send to myself')
    await badge(page, 2)

    expect(await page.locator('body[data-mark="old"]').count()).toBe(1)
    const alive = sockets.filter((socket) => !socket.isClosed()).map((socket) => new URL(socket.url()).pathname)
    expect(alive.filter((path) => path.startsWith('/_next/'))).toHaveLength(1)
    expect(alive.filter((path) => path === '/rt')).toHaveLength(1)
    expect(wrong).toEqual([])
  })
})
