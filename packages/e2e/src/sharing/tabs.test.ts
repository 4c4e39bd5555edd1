// Tabs of one real browser that share a connection: how many the server sees, and what each tab hears while those who lead go.
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Child } from '../processes/child'
import type { SiteAsked, SiteTold } from './site'

const chromiumPath = process.env['CHROMIUM_PATH']
const full = process.env['RT_TEST_SIZE'] === 'full'
/** Tabs, and how often the one that leads is closed. */
const size = full ? { tabs: 8, deaths: 20 } : { tabs: 8, deaths: 4 }

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

const tabs = (query = '') => Promise.all(Array.from({ length: size.tabs }, (_, i) => open(`as=tab${i}&${query}`)))
const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe.skipIf(!chromiumPath)('eight tabs', () => {
  it.each(['websocket', 'sse', 'long-poll'])('have one %s, all are live, and each publishes', async (rung) => {
    const pages = await tabs(`transports=${rung}`)
    if (rung !== 'long-poll') await streams(1)
    for (const page of pages) await page.waitForFunction(`client.status === 'connected'`)
    site.ask({ type: 'publish', n: 1 })
    for (const page of pages) await page.waitForFunction(`got.length === 1`)
    await Promise.all(pages.map((page, i) => page.evaluate(`room.publish({ from: 'tab${i}', n: 1 })`)))
    const heard: unknown[] = []
    for (const page of pages) {
      await page.waitForFunction(`got.length >= ${1 + pages.length}`)
      heard.push(await page.evaluate('got'))
      expect(await page.evaluate('client.transport')).toBe(rung)
      expect(await page.evaluate('faults')).toEqual([])
    }
    for (const list of heard) expect(list).toEqual(heard[0])
    expect((heard[0] as Message[]).map(({ from }) => from).sort()).toEqual(
      ['site', ...pages.map((_, i) => `tab${i}`)].sort(),
    )
  })

  it('each hear everything once and in order, and publish once, while whoever leads is closed again and again', async () => {
    const pages = await tabs()
    await streams(1)
    const gone: { readonly as: string; readonly stored: number[] }[] = []
    const names = new Map(pages.map((page, i) => [page, `tab${i}`]))
    for (const page of pages) await page.evaluate('void flow()')
    site.ask({ type: 'flow' })
    for (let death = 1; death <= size.deaths; death++) {
      const dying = await leader(pages)
      gone.push({ as: names.get(dying) as string, stored: await dying.evaluate<number[]>('stored') })
      await dying.close()
      pages.splice(pages.indexOf(dying), 1)
      const as = `late${death}`
      const page = await open(`as=${as}`)
      names.set(page, as)
      pages.push(page)
      await page.evaluate('void flow()')
      await streams(1)
    }
    for (const page of pages) await page.evaluate('flowing = false')
    const stopped = site.next('published')
    site.ask({ type: 'stop' })
    const { n: last } = await stopped

    const stored = new Map<string, number[]>(gone.map((each) => [each.as, each.stored]))
    for (const page of pages) {
      await page.waitForFunction('stored.length > 0')
      stored.set(names.get(page) as string, await page.evaluate<number[]>('stored'))
    }
    site.ask({ type: 'publish', n: last + 1 })
    for (const page of pages) {
      await page.waitForFunction(`got.some(({ from, n }) => from === 'site' && n === ${last + 1})`)
      expect(await page.evaluate('faults')).toEqual([])
      const got = await page.evaluate<Message[]>('got')
      const ids = got.map(({ id }) => id)
      expect(new Set(ids).size).toBe(ids.length)
      const of = (name: string) => got.filter(({ from }) => from === name).map(({ n }) => n)
      const [first = 0] = of('site')
      expect(of('site')).toEqual(upTo(first, last + 1))
      for (const [name, numbers] of stored) {
        const [begin = 0] = of(name)
        const heard = of(name)
        // One that went may have had one stored that it was not told of any more.
        const end = Math.max(numbers.at(-1) ?? 0, heard.at(-1) ?? 0)
        if (heard.length > 0) expect(heard).toEqual(upTo(begin, end))
      }
    }
    // The first ones were there from the beginning.
    const eldest = pages[0] as Page
    const got = await eldest.evaluate<Message[]>('got')
    for (const [name, numbers] of stored)
      for (const n of numbers) expect(got.filter((each) => each.from === name && each.n === n)).toHaveLength(1)
  })
})
