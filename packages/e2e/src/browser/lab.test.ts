// The lab example in a real browser: all of its buttons are pressed, on each transport, and nothing is lost, doubled or reordered.
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { Counters } from '../../../../examples/lab/src/page/counters'
import { full, noBrowser, noRedis, picture, record, shared, shows, start, startRedis, useStage, visit } from './stage'

useStage()

const rungs = ['websocket', 'sse', 'long-poll', 'poll'] as const
const bad = (page: Page) => page.locator('#lost, #doubled, #reordered, #gaps').allTextContents()
const count = async (page: Page, selector: string) =>
  Number((await page.locator(selector).textContent())?.replaceAll(/\D/g, ''))

describe('the counters of the lab', () => {
  it('call lost what is stored and overtaken, and take it back when it comes late', () => {
    const counters = new Counters()
    for (const n of [1, 2, 3]) counters.stored(`5-${n}`, 'sse')
    counters.received('5-1', 'a', 'sse')
    expect(counters.row('sse')).toMatchObject({ sent: 3, received: 1, lost: 0 })
    expect(counters.onTheWay).toBe(2)
    counters.received('5-3', 'c', 'poll')
    expect(counters.row('sse').lost).toBe(1)
    expect(counters.onTheWay).toBe(0)
    counters.received('5-2', 'b', 'poll')
    expect(counters.row('sse').lost).toBe(0)
    expect(counters.row('poll')).toMatchObject({ received: 2, reordered: 1 })
  })

  it('find what comes twice, and call nothing lost that a gap accounts for', () => {
    const counters = new Counters()
    counters.received('9-1', 'a', 'sse')
    counters.received('9-1', 'a', 'sse')
    // Received before its answer.
    counters.stored('9-1', 'sse')
    counters.stored('10-1', 'sse')
    counters.gap('websocket')
    counters.received('11-1', 'c', 'websocket')
    expect(counters.row('sse')).toEqual({ sent: 2, received: 1, lost: 0, doubled: 1, reordered: 0, gaps: 0 })
    expect(counters.row('websocket')).toMatchObject({ received: 1, gaps: 1 })
  })
})

describe('the lab without Redis', () => {
  it('says what it needs', async () => {
    const started = start('lab', { env: { REDIS_SERVER: '/there/is/none' } })
    expect(await started.ended()).toBe(2)
    expect(started.stderr).toContain('The lab needs Redis')
    expect(started.stderr).toContain('REDIS_URL=redis://localhost:6379 npm start -- lab')
  })
})

describe.skipIf(noBrowser || noRedis)('the lab (needs chromium and redis-server)', () => {
  let url = ''
  shared(async () => {
    url = (await start('lab').node()).url
  })

  it('shows a node that is killed, frozen and back', async () => {
    const page = await visit(url)
    const node = page.locator('#node-1')
    await page
      .locator('#node-1[data-state="running"]')
      .getByText(/process \d+/)
      .waitFor()
    const before = await page.locator('#node-1-state').textContent()
    await node.getByRole('button', { name: 'Kill' }).click()
    await page.locator('#node-1[data-state="dead"]').waitFor()
    await page.locator('#node-1[data-state="running"]').waitFor()
    expect(await page.locator('#node-1-state').textContent()).not.toBe(before)
    await page.locator('#redis').getByRole('button', { name: 'Freeze' }).click()
    await page.locator('#redis[data-state="frozen"]').waitFor()
    await page.setViewportSize({ width: 360, height: 640 })
    expect(await page.locator(':root').evaluate(({ scrollWidth }) => scrollWidth)).toBe(360)
  })

  it('keeps its counters at 0 through all of its buttons on each transport', { timeout: 300_000 }, async () => {
    const page = await visit(`${url}/?seconds=${full ? 60 : 8}`)
    await page.locator('#script').click()
    await page.locator('#script[data-state="done"]').waitFor({ timeout: 300_000 })
    expect(await bad(page)).toEqual(['0', '0', '0', '0'])
    for (const rung of full ? rungs : []) {
      expect(await count(page, `#row-${rung} [data-column="received"]`)).toBeGreaterThan(0)
    }
    expect(await count(page, '#received')).toBeGreaterThan(full ? 300 : 30)
    expect(await count(page, '#cuts')).toBeGreaterThan(0)
    // What the client says of it.
    await page
      .locator('#steps li', { hasText: /^[\d:]+.*(Tries|works|failed|Waits)/ })
      .nth(5)
      .waitFor()
  })

  const looks = async () => {
    const page = await visit(url, { viewport: { width: 1120, height: 880 }, deviceScaleFactor: 1.5 })
    for (const rung of rungs) {
      await page.locator(`[data-rung="${rung}"]`).click()
      await page.locator(`[data-rung="${rung}"][aria-pressed="true"]`).waitFor()
      await page.waitForFunction(
        (rung) => Number(document.querySelector(`#row-${rung} [data-column="received"]`)?.textContent) > 40,
        rung,
      )
    }
    await page.locator('[data-rung="websocket"]').click()
    await page.locator('[data-rung="websocket"][aria-pressed="true"]').waitFor()
    await page.locator('[data-do="cut-proxy"]').click()
    await page.locator('#status[data-status="reconnecting"]').waitFor()
    await page.locator('#status[data-status="connected"]').waitFor()
    await page.locator('[data-do="kill-2"]').click()
    await page.locator('#node-2[data-state="dead"]').waitFor()
    await page.locator('#status[data-status="connected"]').waitFor()
    await picture(page, 'lab')
    expect(await bad(page)).toEqual(['0', '0', '0', '0'])
  }
  if (full || record) it('looks as its picture', looks)

  if (full) {
    it('runs with the Redis of REDIS_URL as well', async () => {
      const redis = await startRedis()
      const { url } = await start('lab', { redisUrl: redis.url }).node()
      const page = await visit(url)
      await page.locator('[data-do="cut-redis"]').click()
      await shows(page, 'received', /^\d{2,}$/)
      expect(await bad(page)).toEqual(['0', '0', '0', '0'])
    })
  }
})
