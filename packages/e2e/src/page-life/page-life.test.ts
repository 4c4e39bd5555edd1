// The life of a page in a real browser: in the background, frozen, offline, and on a link that died without a word. Each hears everything once, in order.
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FaultProxy } from '../ladder/fault-proxy'
import { halfOpen } from '../ladder/faults'
import { type Tab, Tabs } from '../presence/hidden-tab'
import { Child } from '../processes/child'
import type { SiteAsked, SiteTold } from '../sharing/site'

const chromiumPath = process.env['CHROMIUM_PATH']
const all = ['websocket', 'sse', 'long-poll'] as const
const full = process.env['RT_TEST_SIZE'] === 'full'
/** The client trusts a link again that was out of sight for less. */
const AWAY = 10_000
/** Seconds within which a page is back; the server's heartbeat alone would show a dead link after 8.75. */
const BOUND = 6000

let site: Child<SiteTold, SiteAsked>
let proxy: FaultProxy
let origin = ''

beforeAll(async () => {
  site = new Child(new URL('../sharing/site.ts', import.meta.url), {})
  proxy = await FaultProxy.start([(await site.next('ready')).port])
  origin = `http://127.0.0.1:${proxy.port}`
})
afterAll(async () => {
  await proxy?.close()
  await site?.kill()
  expect(site.stderr).toBe('')
})

async function publish(n: number): Promise<void> {
  const published = site.next('published')
  site.ask({ type: 'publish', n })
  await published
}

async function streams(open: number): Promise<void> {
  const told = site.next('streams', (now) => now.open === open)
  site.ask({ type: 'count' })
  await told
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

describe.skipIf(!chromiumPath).each(full ? all : (['sse'] as const))('a tab on %s', (transport) => {
  let tabs: Tabs
  let tab: Tab
  let other: Tab

  const until = async (expression: string) => {
    while ((await tab.evaluate(expression)) !== true);
  }

  beforeAll(async () => {
    tabs = await Tabs.start(chromiumPath as string)
    tab = await tabs.open(`${origin}/?share=no&transports=${transport}`)
    await until('globalThis.established === true')
    other = await tabs.open('about:blank')
  })
  afterAll(async () => {
    await tabs?.close()
    if (transport !== 'long-poll') await streams(0)
  })

  it('hears what is published while it is in the background, and makes sure of its link when it is back', async () => {
    await until(`document.visibilityState === 'hidden'`)
    await publish(1)
    await until('got.length === 1')
    await tab.evaluate(`new Promise((resolve) => setTimeout(resolve, ${AWAY}))`)
    await publish(2)
    await tab.show()
    await publish(3)
    await until('got.length === 3')
    await until(`client.explain().then((steps) => steps.some(({ text }) => /new connection beside/.test(text)))`)
    if (transport !== 'long-poll') await streams(1)
    await publish(4)
    await until('got.length === 4')
    expect(await tab.evaluate('got.map(({ n }) => n)')).toEqual(upTo(4))
    expect(await tab.evaluate('statuses')).toEqual(['connecting', 'connected'])
  })

  it('hears what was published while it was frozen, once', async () => {
    await other.show()
    await until(`document.visibilityState === 'hidden'`)
    await tab.freeze(true)
    for (const n of [5, 6, 7]) await publish(n)
    await tab.freeze(false)
    await tab.show()
    await until('got.length === 7')
    await publish(8)
    await until('got.length === 8')
    expect(await tab.evaluate('got.map(({ n }) => n)')).toEqual(upTo(8))
    expect(await tab.evaluate('faults')).toEqual([])
    if (transport !== 'long-poll') await streams(1)
  })
})

describe.skipIf(!chromiumPath).each(full ? all : (['websocket'] as const))('a page on %s', (transport) => {
  let browser: Browser
  let page: Page
  let offline: (is: boolean) => Promise<void>

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath as string, args: ['--no-sandbox'] })
    page = await browser.newPage()
    await page.goto(`${origin}/?share=no&transports=${transport}`)
    await page.waitForFunction('established')
    const session = await page.context().newCDPSession(page)
    await session.send('Network.enable')
    offline = async (is) => {
      const conditions = { offline: is, latency: 0, downloadThroughput: -1, uploadThroughput: -1 }
      await session.send('Network.emulateNetworkConditions', conditions)
    }
  })
  afterAll(async () => {
    await browser?.close()
  })

  it('whose link died without a word is back at once when the browser says that it is online', async () => {
    proxy.strike(halfOpen)
    await publish(1)
    await offline(true)
    await page.waitForFunction('navigator.onLine === false')
    await offline(false)
    await page.waitForFunction('got.length === 1', undefined, { timeout: BOUND })
    expect(await page.evaluate('got.map(({ n }) => n)')).toEqual([1])
  })

  it('that is offline says so, and is back at once', async () => {
    await page.waitForFunction(`client.status === 'connected'`)
    await offline(true)
    proxy.cut()
    await page.waitForFunction(`client.problem === 'offline'`)
    expect(await page.evaluate('client.status')).toBe('reconnecting')
    await publish(2)
    await offline(false)
    await page.waitForFunction('got.length === 2', undefined, { timeout: BOUND })
    await publish(3)
    await page.waitForFunction('got.length === 3')
    expect(await page.evaluate('got.map(({ n }) => n)')).toEqual(upTo(3))
    expect(await page.evaluate('client.problem')).toBeNull()
    expect(await page.evaluate('faults')).toEqual([])
  })
})
