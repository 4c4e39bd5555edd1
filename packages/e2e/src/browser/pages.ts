/** The demo's pages in a real browser as a visitor uses them; for the chat tests. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { Chat } from './chat-process'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
export const noBrowser = !existsSync(executablePath)
const redisBinary = process.env['REDIS_SERVER'] ?? 'redis-server'
export const noRedis =
  !(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, redisBinary))) &&
  !existsSync(redisBinary)

const rungs = { websocket: 'WebSocket', sse: 'SSE', 'long-poll': 'Long poll', poll: 'Poll' } as const
export type Rung = keyof typeof rungs
export const full = process.env['RT_TEST_SIZE'] === 'full'
export const allRungs = Object.keys(rungs) as Rung[]

let browser: Browser
export const undo: (() => Promise<unknown>)[] = []
/** What no page may do: throw, break its own policy, or ask another host for something. */
const wrong: string[] = []

export function chat(options?: ConstructorParameters<typeof Chat>[0]): Chat {
  const started = new Chat(options)
  undo.push(() => started.close())
  return started
}

/** Opens the page in a browser profile of its own and joins, by keyboard alone. */
export async function visit(address: string, name: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options)
  undo.push(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', (error) => wrong.push(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) wrong.push(message.text())
  })
  const { host } = new URL(address)
  page.on('request', (request) => {
    if (new URL(request.url()).host !== host) wrong.push(`asked for ${request.url()}`)
  })
  await page.goto(address)
  await page.locator('#name:focus').fill(name)
  await page.keyboard.press('Enter')
  await connected(page)
  return page
}

export const connected = (page: Page) => page.locator('#status[data-status="connected"]').waitFor()

export async function say(page: Page, text: string): Promise<void> {
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

/** Waits until the open room shows this message as received. */
export const sees = (page: Page, text: string) =>
  page.locator('.room:not([hidden]) .log .message', { hasText: text }).waitFor()

export const shows = (page: Page, id: string, text: string | number) =>
  page.locator(`#${id}`, { hasText: new RegExp(`^${text}$`) }).waitFor({ state: 'attached' })

export async function force(page: Page, rung: Rung): Promise<void> {
  await page.locator(`[data-rung="${rung}"]`).click()
  await page.locator(`[data-rung="${rung}"][aria-pressed="true"]`).waitFor()
  await shows(page, 'transport', rungs[rung])
}

/** The avatars of those who are in the open room. */
export const face = (page: Page, name: string) => page.locator(`#faces .avatar[aria-label="${name}"]`)

/** Ada sees Bob come, type, stop and go; both see themselves. */
export async function meet(ada: Page, openBob: () => Promise<Page>): Promise<void> {
  await face(ada, 'Ada').waitFor()
  const bob = await openBob()
  await shows(ada, 'people-word', 'Bob came in')
  for (const page of [ada, bob]) for (const name of ['Ada', 'Bob']) await face(page, name).waitFor()
  await shows(bob, 'people-word', '2 here')
  expect(await face(ada, 'Bob').textContent()).toBe('B')
  const colours = await Promise.all(
    [ada, bob].map((page) => face(page, 'Bob').evaluate((avatar) => getComputedStyle(avatar).backgroundColor)),
  )
  expect(colours[0]).toBe(colours[1])

  await bob.locator('#text').pressSequentially('hm')
  await shows(ada, 'typing', 'Bob is typing')
  expect(await bob.locator('#typing').textContent()).toBe('')
  // Nothing is typed any more, and nothing sent.
  await shows(ada, 'typing', '')

  await bob.close()
  await shows(ada, 'people-word', 'Bob left')
  expect(await face(ada, 'Bob').count()).toBe(0)
  await shows(ada, 'people-word', '1 here')
}

/** The messages of the open room from top to bottom, each as its sender's page and number. */
export const order = (page: Page) =>
  page
    .locator('.room:not([hidden]) .log .message')
    .evaluateAll((messages) => messages.map((message) => message.getAttribute('data-sender')))

/** All pages have received so many messages, in one order, each once, none of them lost, none unsent. */
export async function agree(pages: readonly Page[], count: number): Promise<void> {
  for (const page of pages) {
    await shows(page, 'received', count)
    expect(await page.locator('#lost, #doubled, #gaps').allTextContents()).toEqual(['0', '0', '0'])
    expect(await page.locator('.outbox .message').count()).toBe(0)
  }
  const [first = [], ...others] = await Promise.all(pages.map(order))
  expect(new Set(first).size).toBe(count)
  for (const other of others) expect(other).toEqual(first)
}

/** Starts a browser for the tests of a file, and takes back after each of them what it opened. */
export function useBrowser(): void {
  beforeAll(async () => {
    if (!noBrowser) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  })
  afterAll(() => browser?.close())
  afterEach(async () => {
    for (const run of undo.splice(0).reverse()) await run()
    expect(wrong.splice(0)).toEqual([])
  })
}
