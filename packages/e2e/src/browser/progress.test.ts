// The progress example in a real browser: a page that is reloaded in mid-stream shows every token once, and a job that is stopped is stopped in its worker.
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { tokensOf } from '../../../../examples/progress/src/writer'
import type { ExampleNode } from './example-process'
import {
  full,
  noBrowser,
  noRedis,
  picture,
  record,
  shared,
  shows,
  startNodes,
  startRedis,
  useStage,
  visit,
} from './stage'

useStage()

// Milliseconds for a token. A report has about 300, so that there is time to load a page in their middle, also on a busy machine.
const pace = { env: { PROGRESS_PACE: '40' } }
const topic = 'the sandwich'

const textOf = (page: Page) => page.locator('#text').evaluate((text) => text.textContent ?? '')
const phase = (page: Page, name: string) => page.locator(`#job[data-phase="${name}"]`).waitFor()
const number = async (page: Page, id: string) => Number(await page.locator(`#${id}`).textContent())
const workerOf = async (page: Page) => Number(/\d+/.exec((await page.locator('#worker').textContent()) ?? '')?.[0])

/** Hands a topic in by keyboard, and waits until so many tokens were seen. */
async function ask(page: Page, tokens: number): Promise<void> {
  // Without the tokens of another job.
  await page.goto(`${new URL(page.url()).origin}/`)
  await page.locator('#topic').fill(topic)
  await page.keyboard.press('Enter')
  await hasTokens(page, tokens)
}

/** Loads the page anew with the job of this hash. */
async function show(page: Page, hash: string): Promise<Page> {
  await page.goto(`${new URL(page.url()).origin}/?${hash.slice(1)}${hash}`)
  return page
}

/** Not asked at each frame: a page that another one covers has few. */
const hasTokens = (page: Page, tokens: number) =>
  page.waitForFunction(
    (least) =>
      Number(document.querySelector('#at-load')?.textContent) + Number(document.querySelector('#since')?.textContent) >=
      least,
    tokens,
    { polling: 50 },
  )

/** The whole report stands there, each of its tokens once. */
async function complete(page: Page): Promise<void> {
  await phase(page, 'done')
  const id = new URL(page.url()).hash.slice(1)
  const tokens = tokensOf(topic, id)
  await hasTokens(page, tokens.length)
  expect(await textOf(page)).toBe(tokens.join(''))
  expect(await page.locator('#doubled, #missing').allTextContents()).toEqual(['0', '0'])
  await shows(page, 'percent', '100 %')
}

/** Reloads in mid-stream; the other page comes in the middle, too. `meanwhile`: what happens to the worker before the end. */
async function reload(
  page: Page,
  openOther: (hash: string) => Promise<Page>,
  meanwhile = async () => {},
): Promise<void> {
  await ask(page, 20)
  await page.reload()
  await page.locator('#status[data-status="connected"]').waitFor()
  await hasTokens(page, 40)
  // In mid-stream: some stood there, some came.
  expect(await number(page, 'at-load')).toBeGreaterThanOrEqual(20)
  await page.locator('#cut').click()
  const other = await openOther(new URL(page.url()).hash)
  await meanwhile()
  await complete(page)
  await complete(other)
  expect(await number(page, 'since')).toBeGreaterThan(0)
  await shows(page, 'cuts', 1)
  // Who comes when all is over sees the same.
  await page.reload()
  await complete(page)
  await shows(page, 'since', 0)
}

/** Stops a job in the middle of its text; another one goes on, and neither page gets one token more. */
async function stop(page: Page, other: Page): Promise<void> {
  await ask(page, 20)
  const { hash } = new URL(page.url())
  await other.evaluate((hash) => location.assign(hash), hash)
  await other.getByRole('button', { name: 'Stop' }).click()
  await phase(page, 'stopped')
  await phase(other, 'stopped')
  await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'hidden' })
  const stopped = await textOf(page)
  const all = tokensOf(topic, hash.slice(1))
  const percent = await page.locator('#percent').textContent()
  // The same worker writes as much again of another report: time in which the first one would have gone on.
  await ask(page, 20)
  await show(page, hash)
  await phase(page, 'stopped')
  await page.waitForFunction((text) => document.querySelector('#text')?.textContent === text, stopped)
  expect(await textOf(other)).toBe(stopped)
  expect(all.join('').startsWith(stopped)).toBe(true)
  expect(stopped.length).toBeLessThan(all.join('').length)
  await shows(page, 'percent', percent as string)
}

describe.skipIf(noBrowser)('progress in memory (needs chromium)', () => {
  let node: ExampleNode
  let page: Page
  let other: Page
  shared(async () => {
    ;({
      nodes: [node],
    } = await startNodes<[ExampleNode]>('progress', 1, pace))
    page = await visit(node.url)
    other = await visit(node.url)
  })

  // The quick size has it on two nodes, and here only what is left by a job that was stopped.
  if (full) {
    it('shows every token once through a reload, a cut and in a late tab', async () => {
      await reload(page, (hash) => show(other, hash))
    })
  }

  it('stops at the button, and fits a small screen', async () => {
    await stop(page, other)
    expect(await workerOf(page)).toBe(node.pid)
    await page.setViewportSize({ width: 360, height: 640 })
    expect(await page.locator(':root').evaluate(({ scrollWidth }) => scrollWidth)).toBe(360)
    await page.locator('#topic').fill(' ')
    await page.keyboard.press('Enter')
    await shows(page, 'failed', 'Not taken: A topic has 1 to 80 characters.')
  })
})

describe.skipIf(noBrowser || noRedis)('progress on two nodes and a worker (needs chromium and redis-server)', () => {
  let nodes: [ExampleNode, ExampleNode]
  let page: Page
  let other: Page
  shared(async () => {
    const redis = await startRedis()
    ;({ nodes } = await startNodes<[ExampleNode, ExampleNode]>('progress', 2, { ...pace, redisUrl: redis.url }))
    page = await visit(nodes[0].url)
    other = await visit(nodes[1].url)
  })

  it('shows every token once through a reload, a cut, on the other node, and the death of the worker', async () => {
    let killed = 0
    await reload(
      page,
      (hash) => show(other, hash),
      async () => {
        killed = await workerOf(page)
        expect(nodes.map(({ pid }) => pid)).not.toContain(killed)
        process.kill(killed, 'SIGKILL')
      },
    )
    expect(await workerOf(page)).toBeGreaterThan(0)
    expect(await workerOf(page)).not.toBe(killed)
  })

  it('stops at the button, in the worker, which is a process of its own', async () => {
    await stop(page, other)
    expect(await workerOf(page)).toBeGreaterThan(0)
    expect(nodes.map(({ pid }) => pid)).not.toContain(await workerOf(page))
  })

  const looks = async () => {
    const page = await visit(nodes[0].url, { viewport: { width: 860, height: 780 }, deviceScaleFactor: 2 })
    await ask(page, 110)
    await page.reload()
    await hasTokens(page, 160)
    await picture(page, 'progress')
    await phase(page, 'writing')
    expect(await page.locator('#doubled, #missing').allTextContents()).toEqual(['0', '0'])
  }
  if (full || record) it('looks as its picture', looks)
})
