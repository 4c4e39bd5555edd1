// The cursors example in a real browser: who is here, where they point, on one node and on two; and how many frames a page draws with 20 cursors that move at 60 Hz.
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { Cursor } from '../../../../examples/cursors/src/page/cursor'
import { type Point, Sender } from '../../../../examples/cursors/src/sender'
import type { ExampleNode } from './example-process'
import { full, noBrowser, noRedis, picture, record, shows, startNodes, startRedis, useStage, visit } from './stage'

useStage()

describe('a cursor of somebody else', () => {
  /** 60 positions a second along x, 1/1000 for each millisecond; each `together` in one message, which takes `way` of them. */
  function shown(together: number, way: (message: number) => number): readonly number[] {
    const cursor = new Cursor()
    const messages = Array.from({ length: 60 / together }, (_, i) => {
      const points = Array.from({ length: together }, (_, j): Point => {
        const time = (i * together + j) * 16
        return [time / 1000, 0.5, time]
      })
      return { points, arrives: (points.at(-1)?.[2] ?? 0) + way(i) }
    })
    const steps: number[] = []
    let x: number | null = null
    for (let now = 0; now < 960; now += 16) {
      for (; (messages[0]?.arrives ?? Number.POSITIVE_INFINITY) <= now; messages.shift()) {
        cursor.take(messages[0]?.points ?? [], false, now)
      }
      const at = cursor.at(now)
      if (at !== null && x !== null) steps.push(Math.round((at.x - x) * 1000))
      x = at?.x ?? null
    }
    return steps.slice(20)
  }

  it('goes on by the same step at each frame, however many positions come together', () => {
    for (const together of [1, 4]) expect(new Set(shown(together, () => 32)), `${together}`).toEqual(new Set([16]))
  })

  it('never goes back, and stands still for no frame, on a way whose length varies', () => {
    const steps = shown(1, (message) => 30 + (message % 3) * 14)
    expect(Math.min(...steps)).toBeGreaterThan(0)
  })

  it('is where it was sent once no more comes, and a rest is no slow movement', () => {
    const cursor = new Cursor()
    cursor.take([[0.2, 0.2, 0]], false, 10)
    expect(cursor.at(500)).toMatchObject({ x: 0.2, y: 0.2 })
    cursor.take([[0.8, 0.4, 2000]], false, 2010)
    expect(cursor.at(2010)).toMatchObject({ x: 0.2, y: 0.2 })
    expect(cursor.at(2500)).toMatchObject({ x: 0.8, y: 0.4 })
  })
})

describe('the sender', () => {
  it('sends several positions in one message where answers do not keep up, the newest always', async () => {
    const sent: Point[][] = []
    const answers: (() => void)[] = []
    const sender = new Sender(({ points }) => {
      sent.push(points)
      return new Promise<void>((resolve) => answers.push(resolve))
    })
    for (let i = 0; i < 50; i++) {
      sender.move(i / 50, 0)
      sender.flush()
    }
    expect(sent.map((points) => points.length)).toEqual([1, 1, 1, 1])
    answers.shift()?.()
    await Promise.resolve()
    sender.flush()
    expect(sent[4]).toHaveLength(32)
    expect(sent[4]?.at(-1)?.[0]).toBe(0.98)
  })
})

/** How many pixels of the board are painted around a place, given in parts of its size. */
const painted = (page: Page, x: number, y: number) =>
  page.locator('#board').evaluate(
    (board, [x, y]) => {
      const canvas = board as HTMLCanvasElement
      const left = Math.round(canvas.width * x) - 5
      const top = Math.round(canvas.height * y) - 5
      const { data } = canvas.getContext('2d')?.getImageData(left, top, 25, 25) ?? { data: [] }
      return [...data].filter((value, i) => i % 4 === 3 && value > 0).length
    },
    [x, y] as const,
  )

async function point(page: Page, x: number, y: number): Promise<void> {
  const box = await page.locator('#board').boundingBox()
  if (box === null) throw new Error('The page has no board.')
  await page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 5 })
}

/** Ada and Bob see each other come, point, change the name and go. */
async function meet(first: ExampleNode, second: ExampleNode): Promise<void> {
  const ada = await visit(first.url)
  await shows(ada, 'count', '1 here')
  const bob = await visit(second.url)
  await shows(ada, 'count', '2 here')
  await bob.getByLabel('Your name').fill('Bob')
  await bob.keyboard.press('Enter')
  await ada.locator('#faces [aria-label="Bob"]').waitFor()
  expect(await painted(ada, 0.3, 0.6)).toBe(0)
  await point(bob, 0.3, 0.6)
  await expect.poll(() => painted(ada, 0.3, 0.6)).toBeGreaterThan(20)
  // By keyboard he goes on from there.
  await bob.locator('#board').focus()
  await bob.keyboard.down('ArrowRight')
  await expect.poll(() => painted(ada, 0.3, 0.6)).toBe(0)
  await bob.keyboard.up('ArrowRight')
  await bob.close()
  await shows(ada, 'count', '1 here')
  expect(await ada.locator('#faces li').count()).toBe(1)
}

const robots = (count: number) => ({ args: ['--robots', String(count)] })

/** Counts what a page draws, and what comes, while this many cursors move sixty times a second. */
async function measure(page: Page, count: number, seconds: number): Promise<void> {
  await shows(page, 'count', `${count + 1} here`)
  await shows(page, 'messages', /^[1-9]\d{2,}$/)
  const frames = await page.evaluate(
    (milliseconds) =>
      new Promise<number>((resolve) => {
        const begun = performance.now()
        let count = 0
        const next = (): unknown =>
          performance.now() - begun < milliseconds ? requestAnimationFrame(next) && count++ : resolve(count)
        requestAnimationFrame(next)
      }),
    seconds * 1000,
  )
  const messages = Number(await page.locator('#messages').textContent())
  console.log(`${count} cursors: ${Math.round(frames / seconds)} frames a second, ${messages} messages a second came`)
  // What the page must hold on any machine: every cursor keeps coming.
  expect(messages).toBeGreaterThan(count * 5)
  expect(frames).toBeGreaterThan(0)
}

describe.skipIf(noBrowser)('the cursors on one node in memory (needs chromium)', () => {
  it('are drawn as they move, on a small screen, too, and come back after the death of their node', async () => {
    const {
      nodes: [node],
    } = await startNodes<[ExampleNode]>('cursors', 1, robots(5))
    const ada = await visit(node.url)
    await measure(ada, 5, 1)
    await ada.setViewportSize({ width: 360, height: 640 })
    expect(await ada.locator(':root').evaluate(({ scrollWidth, scrollHeight }) => [scrollWidth, scrollHeight])).toEqual(
      [360, 640],
    )
    expect((await ada.locator('#board').boundingBox())?.height).toBeGreaterThan(400)

    process.kill(node.pid, 'SIGKILL')
    await shows(ada, 'status-text', 'Reconnecting …')
    await shows(ada, 'status-text', 'Connected')
    // The second count from now on is one of a whole second after it.
    await ada.locator('#messages').evaluate(
      (messages) =>
        new Promise<void>((resolve) => {
          let counts = 0
          new MutationObserver(() => {
            if (messages.textContent !== '0' && ++counts === 2) resolve()
          }).observe(messages, { childList: true })
        }),
    )
    await shows(ada, 'count', '6 here')
  })

  if (full) {
    it('are seen where they are, by name, until they go', async () => {
      const {
        nodes: [node],
      } = await startNodes<[ExampleNode]>('cursors', 1, robots(0))
      await meet(node, node)
    })

    // The last one is more than a page is asked to hold, to see what gives way first.
    it.for([20, 100])('move sixty times a second: a page draws all %d', async (count) => {
      const {
        nodes: [node],
      } = await startNodes<[ExampleNode]>('cursors', 1, robots(count))
      const ada = await visit(node.url, { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 2 })
      await measure(ada, count, 5)
    })
  }
})

describe.skipIf(noBrowser || noRedis)('the cursors on two nodes (needs chromium and redis-server)', () => {
  it('are seen from the other node', async () => {
    const redis = await startRedis()
    const { nodes } = await startNodes<[ExampleNode, ExampleNode]>('cursors', 2, { ...robots(0), redisUrl: redis.url })
    await meet(...nodes)
  })

  const looks = async () => {
    const redis = await startRedis()
    const { nodes } = await startNodes<[ExampleNode, ExampleNode]>('cursors', 2, { ...robots(12), redisUrl: redis.url })
    const ada = await visit(nodes[0].url, { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.5 })
    await shows(ada, 'count', '13 here')
    await ada.getByLabel('Your name').fill('You')
    await shows(ada, 'messages', /^[4-9]\d\d$/)
    await ada.locator('#board').click()
    await picture(ada, 'cursors')
    expect(await ada.locator('#faces li').count()).toBe(8)
    await shows(ada, 'more', /^\+5$/)
  }
  if (full || record) it('look as their picture in the README', looks)
})
