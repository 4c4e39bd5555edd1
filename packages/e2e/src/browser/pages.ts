/** The chat in a real browser as a visitor uses it; for the chat tests. */
import type { BrowserContextOptions, Page } from 'playwright-core'
import { expect } from 'vitest'
import type { Example, ExampleOptions } from './example-process'
import { connected, open, shows, start } from './stage'

const rungs = { websocket: 'WebSocket', sse: 'SSE', 'long-poll': 'Long poll', poll: 'Poll' } as const
export type Rung = keyof typeof rungs
export const allRungs = Object.keys(rungs) as Rung[]

/** `grace`: milliseconds after which somebody whose page closed is gone. */
export function chat({ grace, ...options }: ExampleOptions & { readonly grace?: number } = {}): Example {
  return start('chat', grace === undefined ? options : { ...options, env: { CHAT_GRACE: String(grace) } })
}

/** Opens the page in a browser profile of its own and joins, by keyboard alone. */
export async function visit(address: string, name: string, options?: BrowserContextOptions): Promise<Page> {
  const page = await open(address, options)
  await page.locator('#name:focus').fill(name)
  await page.keyboard.press('Enter')
  await connected(page)
  return page
}

/** Loads the page anew in a room of this name, as the visitor who was there. */
export async function enter(page: Page, room: string): Promise<void> {
  await page.goto(`${new URL(page.url()).origin}/?${room}#${room}`)
  await connected(page)
}

export async function say(page: Page, text: string): Promise<void> {
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

/** Waits until the open room shows this message as received. */
export const sees = (page: Page, text: string) =>
  page.locator('.room:not([hidden]) .log .message', { hasText: text }).waitFor()

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
