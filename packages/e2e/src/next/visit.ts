/** The notifications page in a browser, and what is looked at there; used by the tests of this folder. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'

export interface Visitor {
  readonly page: Page
  /** What no page may do: throw, render otherwise than the server did, ask another host for something. */
  readonly wrong: readonly string[]
}

/** Opens the page in a browser profile of its own, signed in. */
export async function visit(
  browser: Browser,
  url: string,
  user: 'ada' | 'grace',
  options: BrowserContextOptions = {},
): Promise<Visitor> {
  const context = await browser.newContext(options)
  await context.addCookies([{ name: 'user', value: user, url }])
  return open(await context.newPage(), url)
}

/** Goes there and writes down what goes wrong. */
export async function open(page: Page, url: string): Promise<Visitor> {
  const wrong: string[] = []
  const { host } = new URL(url)
  page.on('pageerror', (error) => wrong.push(error.message))
  page.on('console', (message) => {
    if (/hydrat|Content Security/i.test(message.text())) wrong.push(message.text())
  })
  page.on('request', (request) => {
    if (/^http/.test(request.url()) && new URL(request.url()).host !== host) wrong.push(`asked for ${request.url()}`)
  })
  await page.goto(url)
  return { page, wrong }
}

/** Waits until the badge shows this number; 0 is no badge. */
export async function badge(page: Page, count: number): Promise<void> {
  if (count === 0) await page.locator('#badge').waitFor({ state: 'hidden' })
  else await page.locator('#badge:visible', { hasText: new RegExp(`^${count}$`) }).waitFor()
}

/** Waits until rt is connected; by whatever transport, since one that is slow at first may be passed over. */
export const live = (page: Page, transport = '') =>
  page.locator('[role="status"][data-live="true"]', { hasText: transport }).waitFor()

export async function send(page: Page, text: string, button: string): Promise<void> {
  await page.getByLabel('Text').fill(text)
  await page.getByRole('button', { name: button }).click()
}
