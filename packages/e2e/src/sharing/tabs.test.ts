// Tabs of one real browser that share a connection: how many the server sees, and what each tab hears while those who lead go, are stuck, or are frozen.
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { Tabs } from '../presence/hidden-tab'
import { Child } from '../processes/child'
import type { SiteAsked, SiteTold } from './site'

const chromiumPath = process.env['CHROMIUM_PATH']
const full = process.env['RT_TEST_SIZE'] === 'full'
/** How often the tab that leads is closed. */
const deaths = full ? 20 : 2
const TABS = 8
// A tab that twice could not ride on another in time, as on a busy machine, stays by itself for a minute.
vi.setConfig({ testTimeout: 180_000 })

let site: Child<SiteTold, SiteAsked>
let origin = ''
let browser: Browser
let context: BrowserContext

beforeAll(async () => {
  site = new Child(new URL('site.ts', import.meta.url), {})
  origin = `http://127.0.0.1:${(await site.next('ready')).port}`
  browser = await chromium.launch({ executablePath: chromiumPath as string, args: ['--no-sandbox'] })
})
afterAll(async () => {
  await browser?.close()
  await site?.kill()
  expect(site.stderr).toBe('')
})
beforeEach(async () => {
  context = await browser.newContext()
})
afterEach(async () => {
  await context.close()
  await stop()
})

interface Message {
  readonly from: string
  readonly n: number
  readonly id: string
}

async function open(query = ''): Promise<Page> {
  const page = await context.newPage()
  await page.goto(`${origin}/?${query}`)
  await page.waitForFunction('established')
  return page
}

async function openAll(query: string, number = TABS): Promise<Page[]> {
  const pages: Page[] = []
  for (let i = 0; i < number; i++) pages.push(await open(`as=tab${i}&${query}`))
  return pages
}

/** Waits until the server has so many streams. */
async function streams(open: number): Promise<void> {
  const told = site.next('streams', (now) => now.open === open)
  site.ask({ type: 'count' })
  await told
}

async function leader(pages: readonly Page[]): Promise<Page> {
  for (;;) {
    for (const page of pages) if (await page.evaluate('leads()')) return page
  }
}

async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash')
  page.goto('chrome://crash').catch(() => {})
  await crashed
}

async function publish(n: number): Promise<void> {
  const published = site.next('published')
  site.ask({ type: 'publish', n })
  await published
}

/** Ends the flow of the site, and tells its last number. */
async function stop(): Promise<number> {
  const stopped = site.next('published')
  site.ask({ type: 'stop' })
  return (await stopped).n
}

const heardFromSite = (page: Page, n: number) =>
  page.waitForFunction(`got.some((message) => message.from === 'site' && message.n === ${n})`)

const from = (name: string, messages: readonly Message[]) =>
  messages.filter((message) => message.from === name).map(({ n }) => n)

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

/** From the first number of each origin that it heard on, a tab heard every one, once, in order. */
async function complete(page: Page, last: number): Promise<Message[]> {
  await heardFromSite(page, last)
  expect(await page.evaluate('faults')).toEqual([])
  const got = await page.evaluate<Message[]>('got')
  for (const name of new Set(got.map((message) => message.from))) {
    const numbers = from(name, got)
    expect(numbers).toEqual(range(numbers[0] as number, numbers.at(-1) as number))
  }
  expect(from('site', got).at(-1)).toBe(last)
  return got
}

describe.skipIf(!chromiumPath)('tabs of one browser', () => {
  it.each(full ? ['websocket', 'sse', 'long-poll'] : ['sse'])(
    'have one %s for eight, all are live, and each publishes',
    async (rung) => {
      const pages = await openAll(`transports=${rung}`)
      // What polls is no stream.
      await streams(rung === 'long-poll' ? 0 : 1)
      await publish(1)
      await Promise.all(pages.map((page) => heardFromSite(page, 1)))
      await Promise.all(pages.map((page, i) => page.evaluate(`room.publish({ from: 'tab${i}', n: 1 })`)))
      const heard: Message[][] = []
      for (const page of pages) {
        await page.waitForFunction(`got.length === ${1 + TABS}`)
        expect(await page.evaluate('client.transport')).toBe(rung)
        expect(await page.evaluate('statuses')).toEqual(['connecting', 'connected'])
        expect(await page.evaluate('faults')).toEqual([])
        heard.push(await page.evaluate<Message[]>('got'))
      }
      for (const got of heard) expect(got).toEqual(heard[0])
      expect(new Set(heard[0]?.map((message) => message.from)).size).toBe(1 + TABS)
      await streams(rung === 'long-poll' ? 0 : 1)
    },
  )

  it('cannot even be loaded when six of them have a stream each', async () => {
    await openAll('transports=sse&share=no', 6)
    await streams(6)
    const seventh = await context.newPage()
    await expect(seventh.goto(origin, { timeout: 3000 })).rejects.toThrow('Timeout')
  })

  it('come down to one stream when all are opened at once', async () => {
    const pages = await Promise.all(Array.from({ length: TABS }, (_, i) => open(`as=tab${i}&transports=sse`)))
    await streams(1)
    await publish(1)
    for (const page of pages) await complete(page, 1)
  })

  it('each hear everything once and in order, and publish once, while the one that leads is closed again and again', async () => {
    const pages = await openAll('')
    await streams(1)
    const names = new Map(pages.map((page, i) => [page, `tab${i}`]))
    const stored = new Map<string, number[]>()
    site.ask({ type: 'flow' })
    for (const page of pages) await page.evaluate('void flow()')
    for (let death = 1; death <= deaths; death++) {
      const dying = await leader(pages)
      stored.set(names.get(dying) as string, await dying.evaluate<number[]>('stored'))
      // In turn by its user, and by a crash, of which it is told nothing.
      if (death % 2 === 0) await crash(dying)
      await dying.close()
      pages.splice(pages.indexOf(dying), 1)
      const page = await open(`as=late${death}`)
      names.set(page, `late${death}`)
      pages.push(page)
      await page.evaluate('void flow()')
      await streams(1)
    }
    for (const page of pages) {
      await page.evaluate('stopFlow()')
      stored.set(names.get(page) as string, await page.evaluate<number[]>('stored'))
    }
    const last = (await stop()) + 1
    await publish(last)
    const heard = await Promise.all(pages.map((page) => complete(page, last)))
    // What the eldest heard is all that was stored: it was there from the beginning.
    const [eldest = []] = heard
    if (!full) for (const [name, numbers] of stored) expect(from(name, eldest)).toEqual(expect.arrayContaining(numbers))
    for (const got of heard) {
      const [first] = got
      const begin = eldest.findIndex(({ id }) => id === first?.id)
      if (begin >= 0) expect(got).toEqual(eldest.slice(begin))
    }
    expect([...stored.values()].every((numbers) => numbers.length > 0)).toBe(true)
  })

  it.each(['hear', 'publish'])(
    'do not wait for one that leads and is stuck, whether they %s, and take it in when it goes on',
    async (what) => {
      const pages = await openAll('', 4)
      const stuck = await leader(pages)
      const others = pages.filter((page) => page !== stuck)
      site.ask({ type: 'flow' })
      await stuck.evaluate('stick()')
      const published = what === 'publish' && (await others[0]?.evaluate(`room.publish({ from: 'other', n: 1 })`))
      const next = await leader(others)
      const last = (await stop()) + 1
      await publish(last)
      for (const page of others) {
        const got = await complete(page, last)
        if (published !== false) expect(from('other', got)).toEqual([1])
        expect(await page.evaluate('statuses')).toEqual(['connecting', 'connected'])
      }
      site.ask({ type: 'release' })
      expect(await stuck.evaluate('leads()')).toBe(false)
      expect(await next.evaluate('leads()')).toBe(true)
      await complete(stuck, last)
      await streams(1)
    },
  )

  it('have one connection for each identity', async () => {
    const ann = await openAll('user=ann', 2)
    const bob = await openAll('user=bob', 2)
    const nobody = await openAll('', 2)
    await streams(3)
    await publish(1)
    for (const page of [...ann, ...bob, ...nobody]) await complete(page, 1)
  })

  it('are one member, who does not leave when the one that leads is closed', async () => {
    const watcher = await open('user=eve')
    await watcher.evaluate('watchLobby()')
    const pages = await openAll('user=ann', 3)
    for (const page of pages) await page.evaluate(`lobby.presence.enter({ name: 'Ann' })`)
    const dying = await leader(pages)
    // A witness: when it is told that this one left, it would have been told of the other one as well.
    const witness = await open('user=bob')
    await witness.evaluate(`lobby.presence.enter({ name: 'Bob' })`)
    await streams(3)
    await Promise.all([dying.close(), witness.close()])
    await watcher.waitForFunction(`changes.includes('leave bob')`)
    expect(await watcher.evaluate('changes')).toEqual(['enter ann', 'enter bob', 'leave bob'])
    const rest = pages.filter((page) => page !== dying)
    await (rest[0] as Page).evaluate(`lobby.presence.update({ name: 'Anna' })`)
    await watcher.waitForFunction(`changes.includes('update ann')`)
    await (rest[0] as Page).evaluate(`lobby.presence.leave()`)
    await (rest[1] as Page).evaluate(`lobby.presence.leave()`)
    await watcher.waitForFunction(`changes.includes('leave ann')`)
    expect(await watcher.evaluate('changes')).toEqual([
      'enter ann',
      'enter bob',
      'leave bob',
      'update ann',
      'leave ann',
    ])
    expect(await watcher.evaluate('faults')).toEqual([])
  })

  it('begin a channel each with its state, whoever had it before', async () => {
    const pages = await openAll('', 2)
    const first = await leader(pages)
    const second = pages.find((page) => page !== first) as Page
    for (const page of [second, first]) {
      await page.evaluate('hearScore()')
      await page.waitForFunction(`score.at(-1) === 'subscribed'`)
    }
    await first.evaluate(`client.channel('score:1').publish({ from: 'first', n: 1 })`)
    for (const page of pages) {
      await page.waitForFunction(`score.length === 3`)
      expect(await page.evaluate('score')).toEqual(['state 7', 'subscribed', 1])
    }
    await streams(1)
  })
})

describe.skipIf(!chromiumPath)('a frozen tab that leads', () => {
  it('gives the lead to another one, and misses nothing when it goes on', async () => {
    const tabs = await Tabs.start(chromiumPath as string)
    try {
      const first = await tabs.open(`${origin}/`)
      await until(() => first.evaluate('globalThis.established'))
      const second = await tabs.open(`${origin}/`)
      await until(() => second.evaluate('globalThis.established'))
      expect(await first.evaluate('leads()')).toBe(true)
      // A browser freezes only what nobody sees.
      await until(() => first.evaluate(`document.visibilityState === 'hidden'`))
      await first.freeze(true)
      await until(() => second.evaluate('leads()'))
      await publish(1)
      await until(() => second.evaluate('got.length === 1'))
      await first.freeze(false)
      await until(() => first.evaluate('got.length === 1'))
      await streams(1)
      await publish(2)
      for (const tab of [first, second]) {
        await until(() => tab.evaluate('got.length === 2'))
        expect(await tab.evaluate('got.map(({ n }) => n)')).toEqual([1, 2])
        expect(await tab.evaluate('faults')).toEqual([])
      }
    } finally {
      await tabs.close()
    }
  })

  async function until(is: () => Promise<unknown>): Promise<void> {
    while ((await is()) !== true) await new Promise((resolve) => setTimeout(resolve, 20))
  }
})
