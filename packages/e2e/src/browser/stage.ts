/** Examples and their pages in a real browser, for one test or for all of a file; used by the tests of the examples. */
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RedisServer } from '@rt/server/testing'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { Example, type ExampleNode, type ExampleOptions } from './example-process'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
export const noBrowser = !existsSync(executablePath)
const redisBinary = process.env['REDIS_SERVER'] ?? 'redis-server'
export const noRedis =
  !(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, redisBinary))) &&
  !existsSync(redisBinary)
export const full = process.env['RT_TEST_SIZE'] === 'full'
/** Makes the pictures that the README shows. */
export const record = process.env['RT_SCREENSHOTS'] !== undefined

let browser: Browser
let context: BrowserContext
/** Opens the windows of the others. */
let opener: Page
let pages = 0
type Undo = () => Promise<unknown>
/** Takes back what was opened: by the test that runs, and by what stands around all tests of a group. */
const opened: Undo[] = []
/** What no page may do: throw, break its own policy, or ask another host for something. */
const wrong: string[] = []

async function takeBack(): Promise<void> {
  for (const run of opened.splice(0).reverse()) await run()
}

/** Starts a browser for the tests of a file, and takes back after each of them what it opened. */
export function useStage(): void {
  beforeAll(async () => {
    if (noBrowser) return
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
    context = await browser.newContext({ reducedMotion: 'reduce' })
    opener = await context.newPage()
  })
  afterAll(() => browser?.close())
  afterEach(async () => {
    await takeBack()
    expect(wrong.splice(0)).toEqual([])
  })
}

/** Sets up what all tests of a group share: what it opens stays until the last of them is over. */
export function shared(setUp: () => Promise<void>): void {
  let kept: Undo[] = []
  beforeAll(async () => {
    try {
      await setUp()
    } finally {
      kept = opened.splice(0)
    }
  })
  afterAll(async () => {
    opened.push(...kept)
    await takeBack()
  })
}

export function start(name: string, options?: ExampleOptions): Example {
  const example = new Example(name, options)
  opened.push(() => example.close())
  return example
}

/** Starts an example with this many nodes, and waits for them. */
export async function startNodes<N extends ExampleNode[]>(
  name: string,
  count: N['length'],
  options: ExampleOptions = {},
): Promise<{ readonly example: Example; readonly nodes: N }> {
  const example = start(name, { ...options, args: ['--nodes', String(count), ...(options.args ?? [])] })
  const nodes: ExampleNode[] = []
  while (nodes.length < count) nodes.push(await example.node())
  return { example, nodes: nodes as N }
}

export async function startRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start()
  opened.push(() => redis.close())
  return redis
}

/**
 * Opens a page in a window of its own and under a host name of its own, so that it shares nothing with others, as in another browser; a profile
 * for each would take seconds. `options` for a picture: these have a profile.
 */
export async function open(url: string, options?: BrowserContextOptions): Promise<Page> {
  const page = await (options === undefined ? newWindow() : newProfile(options))
  page.on('pageerror', (error) => wrong.push(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) wrong.push(message.text())
  })
  const own = new URL(url)
  own.hostname = `visitor-${++pages}.localhost`
  page.on('request', (request) => {
    if (new URL(request.url()).hostname !== own.hostname) wrong.push(`asked for ${request.url()}`)
  })
  await page.goto(own.href)
  return page
}

async function newWindow(): Promise<Page> {
  // A tab would be in the background, where next to nothing is drawn.
  const [page] = await Promise.all([
    context.waitForEvent('page'),
    opener.evaluate(() => void window.open('about:blank', '_blank', 'popup,noopener')),
  ])
  opened.push(() => page.close())
  return page
}

async function newProfile(options: BrowserContextOptions): Promise<Page> {
  const profile = await browser.newContext(options)
  opened.push(() => profile.close())
  return profile.newPage()
}

/** The same, and waits until the page is connected. */
export async function visit(url: string, options?: BrowserContextOptions): Promise<Page> {
  const page = await open(url, options)
  await connected(page)
  return page
}

export const connected = (page: Page) => page.locator('#status[data-status="connected"]').waitFor()

/** Waits until the element shows exactly this. */
export const shows = (page: Page, id: string, text: RegExp | string | number) =>
  page
    .locator(`#${id}`, { hasText: text instanceof RegExp ? text : new RegExp(`^${text}$`) })
    .waitFor({ state: 'attached' })

/** With `RT_SCREENSHOTS=1`, the picture that the README shows. */
export async function picture(page: Page, name: string): Promise<void> {
  if (!record) return
  const folder = fileURLToPath(new URL('../../../../docs/images/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}
