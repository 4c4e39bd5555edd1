// `next build && next start` of the notifications example: streams, their end, their renewal, and the page in a real browser.
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from '@rt/client'
import { RedisServer } from '@rt/server/testing'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Realtime } from '../../../../examples/notifications/lib/realtime'
import { openSse } from '../plain-client'
import { NextApp, type NextServer } from './app'
import { badge, live, open, send, visit } from './visit'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const noBrowser = !existsSync(executablePath)
const redisBinary = process.env['REDIS_SERVER'] ?? 'redis-server'
const noRedis =
  !(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, redisBinary))) &&
  !existsSync(redisBinary)

const app = new NextApp()
let server: NextServer
let browser: Browser
const undo: (() => unknown)[] = []

beforeAll(async () => {
  app.addDebugRoute()
  // As if the platform ended responses after a few seconds: `life` is shorter, as it must be.
  app.edit('lib/realtime.ts', "life: '4m'", "life: '5s'")
  await app.build()
  server = await app.start('start')
  if (!noBrowser) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
}, 120_000)
afterEach(async () => {
  for (const run of undo.splice(0).reverse()) await run()
})
afterAll(async () => {
  await browser?.close()
  await server?.kill()
  app.remove()
})

const channel = 'user:ada:notifications'
const cookie = { cookie: 'user=ada' }
const streamOf = ({ url }: NextServer, headers = {}) =>
  openSse(`${url}/rt?v=1&channels=${channel}`, { headers: { ...cookie, ...headers } })

/** Publishes from a route handler. */
const publish = async ({ url }: NextServer, id: string) => {
  const answer = await fetch(`${url}/debug?id=${id}`, { method: 'POST' })
  expect(answer.status).toBe(200)
}

describe('the endpoint as route handlers', () => {
  it('streams each event at once, uncompressed, and from another route handler: there is one rt', async () => {
    const { answer, events, close } = await streamOf(server, { 'accept-encoding': 'gzip, br' })
    undo.push(close)
    expect(answer.headers).toMatchObject({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    expect(answer.headers['content-encoding']).toBeUndefined()
    await events.next('subscribed')
    await publish(server, 'a')
    expect(await events.next('message')).toMatchObject({ channel, data: { type: 'read', ids: ['a'] } })
    expect(answer.complete).toBe(false)
  })

  it('keeps nothing of a client that is gone, a second later', async () => {
    const alive = async () => ((await (await fetch(`${server.url}/debug`)).json()) as { alive: number }).alive
    const streams = await Promise.all(Array.from({ length: 20 }, () => streamOf(server)))
    for (const { events } of streams) await events.next('subscribed')
    expect(await alive()).toBeGreaterThanOrEqual(20)
    for (const { close } of streams) close()
    const closed = performance.now()
    while ((await alive()) > 0) expect(performance.now() - closed, 'milliseconds since the close').toBeLessThan(1000)
  })

  it('renews streams before the platform ends them: publications in the middle arrive once, in order', async () => {
    let streams = 0
    let cut = 0
    const client = createClient<Realtime>(`${server.url}/rt`, {
      headers: cookie,
      transports: ['sse'],
      async fetch(input, init) {
        // What a platform with `maxDuration = 7` does.
        const limit = new AbortController()
        const timer = setTimeout(() => {
          cut++
          limit.abort()
        }, 7000)
        const signals = [limit.signal, ...(init?.signal ? [init.signal] : [])]
        init?.signal?.addEventListener('abort', () => clearTimeout(timer))
        streams++
        return fetch(input, { ...init, signal: AbortSignal.any(signals) })
      },
    })
    undo.push(() => client.close())
    const room = client.channel(channel)
    const received: string[] = []
    let wake = () => {}
    room.on('gap', () => received.push('gap'))
    await new Promise<void>((resolve) => {
      room.on('subscribed', () => resolve())
      room.subscribe(({ data }) => {
        received.push(...(data.type === 'read' ? data.ids : []))
        wake()
      })
    })
    const sent: string[] = []
    while (streams < 3) {
      sent.push(`n${sent.length}`)
      await publish(server, sent.at(-1) as string)
    }
    while (received.length < sent.length) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    expect(received).toEqual(sent)
    expect(cut).toBe(0)
  })

  it('says `bye` when Next is told to end, so that it ends at once, streams or not', async () => {
    const other = await app.start('start')
    undo.push(() => other.kill())
    const { events } = await streamOf(other)
    await events.next('subscribed')
    const told = performance.now()
    const ended = other.kill('SIGTERM')
    expect(await events.next('bye')).toMatchObject({ error: { code: 'draining' } })
    await ended
    expect(performance.now() - told).toBeLessThan(5000)
  })
})

describe.skipIf(noBrowser)('the page (needs chromium)', () => {
  const visitor = async (...args: Parameters<typeof visit> extends [unknown, ...infer Rest] ? Rest : never) => {
    const visited = await visit(browser, ...args)
    undo.push(async () => {
      await visited.page.context().close()
      expect(visited.wrong).toEqual([])
    })
    return visited.page
  }

  /** A server of its own, with nothing in memory. */
  const fresh = async () => {
    const started = await app.start('start')
    undo.push(() => started.kill())
    return started
  }

  it('lets one sign in, and sends to oneself and to others', async () => {
    const { url } = await fresh()
    const context = await browser.newContext()
    undo.push(() => context.close())
    const { page, wrong } = await open(await context.newPage(), url)
    await page.getByRole('button', { name: 'Ada Lovelace' }).click()
    await live(page)
    await badge(page, 0)
    await send(page, 'to <b>me</b>', 'Send to myself')
    await badge(page, 1)
    expect(await page.locator('li p').allTextContents()).toEqual(['to <b>me</b>'])
    await send(page, 'for Grace', 'Send to Grace')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('button', { name: 'Grace Hopper' }).click()
    await badge(page, 1)
    expect(await page.locator('li p').allTextContents()).toEqual(['for Grace'])
    expect(wrong).toEqual([])
  })

  it('has the badge before any script runs, then lives: two tabs, marks and reload agree', async () => {
    const { url } = await fresh()
    const grace = await visitor(url, 'grace')
    await send(grace, 'first', 'Send to Ada')
    await send(grace, 'second', 'Send to Ada')
    // Both are stored when the form is empty again and the server answered.
    await expect
      .poll(async () => (await (await fetch(url, { headers: cookie })).text()).match(/<li[ >]/g)?.length)
      .toBe(2)

    const still = await visitor(url, 'ada', { javaScriptEnabled: false })
    await badge(still, 2)
    expect(await still.locator('li p').allTextContents()).toEqual(['second', 'first'])

    const tab = await visitor(url, 'ada')
    await badge(tab, 2)
    const { page: twin, wrong } = await open(await tab.context().newPage(), url)
    for (const page of [tab, twin]) await live(page)
    await send(grace, 'third', 'Send to Ada')
    for (const page of [tab, twin]) await badge(page, 3)
    expect(await twin.title()).toBe('(3) rt notifications')

    await tab.locator('li', { hasText: 'second' }).getByRole('button', { name: 'Mark as read' }).click()
    for (const page of [tab, twin]) await badge(page, 2)
    await twin.getByRole('button', { name: 'Mark all as read' }).click()
    for (const page of [tab, twin]) await badge(page, 0)
    await tab.reload()
    await live(tab)
    await badge(tab, 0)
    expect(await tab.locator('li p').allTextContents()).toEqual(['third', 'second', 'first'])
    expect(wrong).toEqual([])
  })

  it.skipIf(noRedis)('on two nodes, one of which is replaced (needs redis-server)', async () => {
    const redis = await RedisServer.start()
    undo.push(() => redis.close())
    const nodes = await Promise.all([1, 2].map(() => app.start('start', { redisUrl: redis.url })))
    undo.push(() => Promise.all(nodes.map((node) => node.kill())))
    const [one, two] = nodes as [NextServer, NextServer]
    const ada = await visitor(one.url, 'ada')
    const grace = await visitor(two.url, 'grace')
    await live(ada)
    await send(grace, 'across', 'Send to Ada')
    await badge(ada, 1)

    // A page that tries to come back holds nothing up.
    const told = performance.now()
    await one.kill('SIGTERM')
    expect(performance.now() - told).toBeLessThan(5000)
    await ada.locator('[role="status"][data-live="false"]').waitFor()
    await send(grace, 'while it was away', 'Send to Ada')
    nodes[0] = await app.start('start', { redisUrl: redis.url, port: one.port })
    // The page that was open the whole time, and one that the new process renders.
    await badge(ada, 2)
    const still = await visitor(one.url, 'ada', { javaScriptEnabled: false })
    await badge(still, 2)
  })

  it('looks as its picture', async () => {
    const { url } = await fresh()
    const ada = await visitor(url, 'ada', { viewport: { width: 1180, height: 520 }, deviceScaleFactor: 2 })
    const grace = await visitor(url, 'grace', { viewport: { width: 360, height: 640 } })
    await live(ada)
    const texts = [
      'I read your notes on the engine twice.',
      'The build is green.',
      'Found the bug. It was a moth.',
      'Lunch at noon?',
    ]
    for (const [i, text] of texts.entries()) {
      await send(grace, text, 'Send to Ada')
      await badge(ada, (i % 2) + 1)
      if (i === 1) {
        await ada.getByRole('button', { name: 'Mark all as read' }).click()
        await badge(ada, 0)
      }
    }
    // Nothing is cut off on a small screen either.
    expect(await grace.locator(':root').evaluate(({ scrollWidth }) => scrollWidth)).toBe(360)
    await ada.locator('#badge').evaluate((node) => Promise.all(node.getAnimations().map(({ finished }) => finished)))
    if (process.env['RT_RECORD'] !== undefined) {
      const folder = fileURLToPath(new URL('../../../../docs/images/', import.meta.url))
      mkdirSync(folder, { recursive: true })
      await ada.screenshot({ path: join(folder, 'notifications.png') })
    }
    expect(await ada.locator('li[data-read="false"]').count()).toBe(2)
  })
})
