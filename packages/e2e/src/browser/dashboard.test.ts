// The dashboard example in a real browser: begins on polling, moves between all transports while its thirty figures go on, and shows each value in its order.
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import type { Example, ExampleNode } from './example-process'
import {
  connected,
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

/** How far each of the figures is on this page: the how manieth of its values is shown. */
const places = (page: Page) =>
  page.locator('article').evaluateAll((cards) => cards.map((card) => Number((card as HTMLElement).dataset['nth'] ?? 0)))

/** Each of the thirty goes on by so many values. */
async function goOn(page: Page, values: number): Promise<void> {
  const before = await places(page)
  expect(before).toHaveLength(30)
  await page.waitForFunction(
    ([before, values]) =>
      [...document.querySelectorAll('article')].every(
        (card, i) => Number(card.dataset['nth'] ?? 0) >= (before[i] as number) + values,
      ),
    [before, values] as const,
  )
}

async function force(page: Page, rung: string): Promise<void> {
  await page.locator(`[data-rung="${rung}"]`).click()
  await page.locator(`[data-rung="${rung}"][aria-pressed="true"]`).waitFor()
}

/** Begins on polling, takes every transport once, and ends where it began. */
async function move(page: Page): Promise<void> {
  await page.locator('[data-rung="poll"][aria-pressed="true"]').waitFor()
  for (const rung of ['websocket', 'sse', 'long-poll', 'poll']) {
    await goOn(page, 1)
    await force(page, rung)
  }
  await goOn(page, 1)
  // A switch is no cut, and what overlaps is not shown twice.
  await shows(page, 'cuts', 0)
  await shows(page, 'backwards', 0)
}

describe.skipIf(noBrowser)('the dashboard in memory (needs chromium)', () => {
  it('takes every transport, has its lines at once after a reload, and fits a small screen', async () => {
    const { nodes } = await startNodes<[ExampleNode]>('dashboard', 1)
    const page = await visit(nodes[0].url)
    await move(page)
    await page.reload()
    await connected(page)
    await page.locator('#visitors .line[d*="L"]').waitFor({ state: 'attached' })
    const points = (await page.locator('#visitors .line').getAttribute('d'))?.split('L').length
    expect(points).toBeGreaterThan(2)
    await page.setViewportSize({ width: 360, height: 640 })
    expect(await page.locator(':root').evaluate(({ scrollWidth }) => scrollWidth)).toBe(360)
  })
})

describe.skipIf(noBrowser || noRedis)(
  'the dashboard on two nodes and a source (needs chromium and redis-server)',
  () => {
    let example: Example
    let nodes: [ExampleNode, ExampleNode]
    shared(async () => {
      const redis = await startRedis()
      ;({ example, nodes } = await startNodes<[ExampleNode, ExampleNode]>('dashboard', 2, { redisUrl: redis.url }))
    })

    const long = { timeout: 180_000 }
    it(
      'goes on after a cut and the death of its node, on any transport, as the page on the other node',
      long,
      async () => {
        const page = await visit(nodes[0].url)
        const other = await visit(nodes[1].url)
        if (full) await move(page)
        for (const rung of full ? ['websocket', 'sse', 'long-poll', 'poll'] : ['websocket']) {
          await force(page, rung)
          await page.locator('#cut').click()
          process.kill(nodes[0].pid, 'SIGKILL')
          await page.locator('#status[data-status="reconnecting"]').waitFor()
          nodes[0] = await example.node()
          await connected(page)
          await goOn(page, 2)
        }
        await shows(page, 'backwards', 0)
        await shows(other, 'backwards', 0)
        await shows(other, 'cuts', 0)
        // The two follow one source: neither stays behind the other.
        const reached = await places(page)
        await other.waitForFunction(
          (reached) =>
            [...document.querySelectorAll('article')].every(
              (card, i) => Number(card.dataset['nth']) >= (reached[i] ?? 0),
            ),
          reached,
        )
      },
    )

    const looks = async () => {
      const page = await visit(nodes[0].url, { viewport: { width: 1200, height: 880 }, deviceScaleFactor: 1.5 })
      await force(page, 'sse')
      // Until the lines go from side to side.
      await page.waitForFunction(() =>
        [...document.querySelectorAll('article')].every((card) => Number(card.dataset['nth']) > 60),
      )
      await shows(page, 'age', /ms$/)
      await picture(page, 'dashboard')
    }
    if (full || record) it('looks as its picture', looks)
  },
)
