// The editor example in a real browser: two people type at random while links are cut and nodes are killed, and both end with the same text, in which nothing is missing.
import type { BrowserContextOptions, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import type { Example, ExampleNode } from './example-process'
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

/** Edits of each of the two. */
const edits = full ? 2000 : 80
const textOf = (page: Page) => page.locator('#area').inputValue()
const has = (page: Page, text: string) =>
  page.waitForFunction((wanted) => document.querySelector<HTMLTextAreaElement>('#area')?.value.includes(wanted), text)
/** A page that has the document. */
async function open(url: string, name: string, options?: BrowserContextOptions): Promise<Page> {
  const [base, hash = 'test'] = url.split('#')
  const page = await visit(`${base}/?name=${name}#${hash}`, options)
  await page.locator('#area:enabled').waitFor()
  return page
}

/** Takes a page to another document. */
async function turn(page: Page, name: string): Promise<void> {
  const url = new URL(page.url())
  url.searchParams.set('document', name)
  url.hash = name
  await page.goto(url.href)
  await page.locator('#area:enabled').waitFor()
}

/**
 * Edits at random places as somebody at a keyboard would: writes, and deletes letters. Each tenth edit writes a marker, such as `[a17]`, that nobody
 * deletes or writes into. Cuts its link now and then.
 */
function type(page: Page, by: string): Promise<string[]> {
  return page.evaluate(
    async ([by, edits]) => {
      const area = document.querySelector('#area') as HTMLTextAreaElement
      const cut = document.querySelector('#cut') as HTMLButtonElement
      const any = (below: number) => Math.floor(Math.random() * below)
      area.focus()
      const markers: string[] = []
      for (let i = 0; i < edits; i++) {
        const { value } = area
        const inMarker = (index: number) => /\[[a-z\d]*$/.test(value.slice(Math.max(0, index - 8), index))
        let at = any(value.length + 1)
        while (inMarker(at)) at--
        if (i % 10 === 0) {
          const marker = `[${by}${i}]`
          markers.push(marker)
          area.setSelectionRange(at, at)
          document.execCommand('insertText', false, marker)
        } else if (any(5) < 3) {
          area.setSelectionRange(at, at)
          const words = ['ab ', 'é', '😀', 'line\n', 'x'.repeat(1 + any(12))]
          document.execCommand('insertText', false, words[any(words.length)])
        } else {
          // Letters from here on, up to the next marker.
          const letters = /^[^[\]]{0,3}/u.exec(value.slice(at))?.[0].length ?? 0
          area.setSelectionRange(at, at + letters)
          if (letters > 0) document.execCommand('delete')
        }
        if (i % 50 === 25) cut.click()
        // The others' changes come in between.
        await new Promise((resolve) => setTimeout(resolve, any(12)))
      }
      return markers
    },
    [by, edits] as const,
  )
}

/** All have stored what they typed, and show the same text with each marker once; so does one that comes now. */
async function agree(pages: readonly Page[], markers: readonly string[], late: () => Promise<Page>): Promise<void> {
  for (const page of pages) await shows(page, 'saved', 'All changes saved')
  const all = [...pages, await late()]
  for (const page of all) {
    await page.waitForFunction((wanted) => {
      const value = document.querySelector<HTMLTextAreaElement>('#area')?.value ?? ''
      return wanted.every((marker) => value.includes(marker))
    }, markers)
  }
  // What was deleted last may still be on its way.
  await expect.poll(async () => new Set(await Promise.all(all.map(textOf))).size, { timeout: 20_000 }).toBe(1)
  const value = await textOf(pages[0] as Page)
  expect([...value.matchAll(/\[[a-z]\d+\]/g)].map(([marker]) => marker).sort()).toEqual([...markers].sort())
  expect(value).not.toContain('\ufffd')
}

const long = { timeout: 600_000 }

describe.skipIf(noBrowser)('the editor in memory (needs chromium)', () => {
  let url = ''
  let ada: Page
  let bob: Page
  shared(async () => {
    const { nodes } = await startNodes<[ExampleNode]>('editor', 1)
    url = nodes[0].url
    ada = await open(url, 'Ada')
    bob = await open(url, 'Bob')
  })

  it('two who type at once while their links are cut end with one text', long, async () => {
    const markers = (await Promise.all([type(ada, 'a'), type(bob, 'b')])).flat()
    expect(Number(await ada.locator('#cuts').textContent())).toBeGreaterThan(0)
    await agree([ada, bob], markers, () => open(url, 'Late'))
  })

  it('a caret stays where it is in the text, and the others see it there', async () => {
    for (const page of [ada, bob]) await turn(page, 'carets')
    await ada.locator('#area').pressSequentially('one three')
    await has(bob, 'one three')
    await bob.locator('#area').focus()
    await bob.evaluate(() => document.querySelector<HTMLTextAreaElement>('#area')?.setSelectionRange(4, 4))
    await ada.locator('.caret[data-name="Bob"]').waitFor()
    await ada.locator('#area').press('Control+Home')
    await ada.locator('#area').pressSequentially('zero ')
    await has(bob, 'zero one')
    await bob.locator('#area').pressSequentially('two ')
    await has(ada, 'zero one two three')
    const [caret, copy] = await Promise.all([
      ada.locator('.caret[data-name="Bob"]').boundingBox(),
      ada.locator('#copy').boundingBox(),
    ])
    expect(caret?.x).toBeGreaterThan((copy?.x ?? 0) + 80)
    expect(await bob.locator('#people li').allTextContents()).toEqual(expect.arrayContaining(['Ada', 'Bob']))
    await turn(bob, 'elsewhere')
    await ada.locator('.caret').waitFor({ state: 'detached' })
  })

  it('a large paste arrives whole; a small screen is enough', async () => {
    for (const page of [ada, bob]) await turn(page, 'paste')
    await ada.setViewportSize({ width: 360, height: 640 })
    const text = `${`${'Lorem ipsum 😀 '.repeat(20)}\n`.repeat(250)}end`
    await ada.locator('#area').fill(text)
    await has(bob, '\nend')
    // Compared there: what differs would be a long message.
    expect((await textOf(bob)) === text).toBe(true)
    expect(await ada.locator(':root').evaluate(({ scrollWidth }) => scrollWidth)).toBe(360)
  })
})

describe.skipIf(noBrowser || noRedis)('the editor on two nodes (needs chromium and redis-server)', () => {
  let example: Example
  let nodes: [ExampleNode, ExampleNode]
  shared(async () => {
    const redis = await startRedis()
    ;({ example, nodes } = await startNodes<[ExampleNode, ExampleNode]>('editor', 2, { redisUrl: redis.url }))
  })

  it('two who type at once while links are cut and both nodes are killed end with one text', long, async () => {
    const [ada, bob] = [await open(nodes[0].url, 'Ada'), await open(nodes[1].url, 'Bob')]
    let typing = true
    const typed = Promise.all([type(ada, 'a'), type(bob, 'b')]).finally(() => {
      typing = false
    })
    await has(bob, '[a20]')
    // Each once at least, and on in turn for as long as they type.
    for (let i = 0; i < 2 || typing; i++) {
      process.kill((nodes[i % 2] as ExampleNode).pid, 'SIGKILL')
      nodes[i % 2] = await example.node()
    }
    const markers = (await typed).flat()
    await agree([ada, bob], markers, () => open(nodes[0].url, 'Late'))
    // In another document, nothing of it.
    await turn(ada, 'other')
    expect(await textOf(ada)).toBe('')
  })

  const looks = async () => {
    const ada = await open(`${nodes[0].url}#minutes`, 'Ada', {
      viewport: { width: 900, height: 560 },
      deviceScaleFactor: 2,
    })
    const others = [await open(`${nodes[1].url}#minutes`, 'Grace'), await open(`${nodes[1].url}#minutes`, 'Alan')]
    const text = [
      'Minutes of the Analytical Society',
      '',
      'Present: everybody whose name stands above, each on a page of their own, and not all on the same node.',
      '',
      'Grace reports that the moth is out of the relay. Alan asks whether that can be decided in general.',
      'We type all at once, and cut our links while we do. Nothing was lost.',
    ].join('\n')
    await ada.locator('#area').fill(text)
    for (const [i, [from, to]] of [
      ['Grace reports', 'the moth'],
      ['decided', 'decided in general'],
    ].entries()) {
      const page = others[i] as Page
      await has(page, 'Nothing was lost.')
      await page.locator('#area').evaluate(
        (area: HTMLTextAreaElement, [from, to]) => {
          area.focus()
          area.setSelectionRange(
            area.value.indexOf(from as string),
            area.value.indexOf(to as string) + (to as string).length,
          )
        },
        [from, to],
      )
    }
    await ada.locator('.caret[data-name="Grace"]').waitFor()
    await ada.locator('.caret[data-name="Alan"]').waitFor()
    await shows(ada, 'saved', 'All changes saved')
    await picture(ada, 'editor')
    expect(await ada.locator('.selected').count()).toBeGreaterThanOrEqual(2)
  }
  if (full || record) it('looks as its picture', looks)
})
