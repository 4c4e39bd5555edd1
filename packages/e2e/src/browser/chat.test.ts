// The demo in a real browser on one node in memory: what its page shows, and that nothing is lost or doubled (I1 to I4).
import type { Page } from 'playwright-core'
import { beforeEach, describe, expect, it } from 'vitest'
import { Tally } from '../../../../examples/chat/src/page/tally'
import type { Example } from './example-process'
import { agree, chat, enter, face, meet, order, say, sees, visit } from './pages'
import { connected, full, noBrowser, shared, shows, useStage } from './stage'

useStage()

describe('the counters of the page', () => {
  const tally = (...numbers: readonly (number | 'gap')[]) => {
    const made = new Tally()
    for (const number of numbers) number === 'gap' ? made.gap() : made.take('ada', number)
    const { received, lost, doubled, gaps } = made
    return { received, lost, doubled, gaps }
  }

  it('find what is missing, and take it back when it comes late', () => {
    expect(tally(7, 8, 11)).toEqual({ received: 3, lost: 2, doubled: 0, gaps: 0 })
    expect(tally(7, 8, 11, 10, 9)).toEqual({ received: 5, lost: 0, doubled: 0, gaps: 0 })
  })

  it('find what comes twice, also across a gap', () => {
    expect(tally(1, 2, 2, 'gap', 1)).toMatchObject({ lost: 0, doubled: 2, gaps: 1 })
  })

  it('call nothing lost that a gap accounts for', () => {
    expect(tally(1, 2, 'gap', 9, 11)).toEqual({ received: 4, lost: 1, doubled: 0, gaps: 1 })
  })
})

describe('the start of the demo', () => {
  it('says why several nodes need REDIS_URL, and what to do', async () => {
    const started = chat({ args: ['--nodes', '2'] })
    expect(await started.ended()).toBe(2)
    expect(started.stderr).toContain('needs REDIS_URL')
    expect(started.stderr).toContain('REDIS_URL=redis://localhost:6379 npm start -- --nodes 2')
  })

  it('takes the next port when the wanted one is taken, and ends at SIGTERM and SIGINT', async () => {
    const first = chat()
    const firstUrl = (await first.node()).url
    const port = Number(new URL(firstUrl).port)
    const second = chat({ port })
    const secondUrl = (await second.node()).url
    expect(Number(new URL(secondUrl).port)).toBeGreaterThan(port)
    expect((await fetch(secondUrl)).status).toBe(200)

    first.kill('SIGTERM')
    second.kill('SIGINT')
    expect(await first.ended()).toBe(0)
    expect(await second.ended()).toBe(0)
    for (const url of [firstUrl, secondUrl]) await expect(fetch(url)).rejects.toThrow()
  })
})

// The quick size has it on two nodes only.
if (full) {
  describe.skipIf(noBrowser)('people of the demo (needs chromium)', () => {
    it('are seen to be there, to type and to go', async () => {
      const { url } = await chat({ grace: 300 }).node()
      await meet(await visit(url, 'Ada'), () => visit(url, 'Bob'))
    })
  })
}

describe.skipIf(noBrowser)('the demo on one node in memory (needs chromium)', () => {
  let started: Example
  let url: string
  let ada: Page
  let bob: Page
  let room = ''
  let rooms = 0

  shared(async () => {
    started = chat()
    url = (await started.node()).url
    ada = await visit(url, 'Ada')
    bob = await visit(url, 'Bob')
  })
  // A room of its own for each test.
  beforeEach(async () => {
    room = `room-${++rooms}`
    await Promise.all([ada, bob].map((page) => enter(page, room)))
  })

  it('two visitors talk; who types is seen; each message stands there once, with its author', async () => {
    await ada.locator('#text').pressSequentially('hello <b>')
    await shows(bob, 'typing', 'Ada is typing')
    await ada.locator('#text').pressSequentially('Bob</b>')
    await ada.locator('#text').press('Enter')
    await sees(bob, 'hello <b>Bob</b>')
    await shows(bob, 'typing', '')
    await say(bob, 'hello Ada')
    await sees(ada, 'hello Ada')
    await agree([ada, bob], 2)
    expect(await ada.locator('.message.mine .text').allInnerTexts()).toEqual(['hello <b>Bob</b>'])
    expect(await ada.locator('.message:not(.mine) .author').allInnerTexts()).toEqual(['Bob'])
    await ada.locator('#trip', { hasText: /^[\d.]+ ms$/ }).waitFor()
  })

  it('who comes later sees the last 50; a reload stays the same visitor', async () => {
    for (let i = 0; i < 3; i++) await ada.locator('#burst').click()
    await shows(ada, 'received', 60)
    await enter(bob, 'elsewhere')
    await enter(bob, room)
    await shows(bob, 'received', 50)
    expect(await order(bob)).toEqual((await order(ada)).slice(-50))
    await ada.reload()
    await connected(ada)
    await shows(ada, 'received', 50)
    expect(await ada.locator('.log .message.mine').count()).toBe(50)
    await say(ada, 'back')
    await sees(bob, 'back')
    await shows(bob, 'lost', 0)
  })

  it('rooms are apart; a room that is not looked at counts what came; somebody is in the one that is looked at', async () => {
    const other = `${room}-b`
    const change = (page: Page, name: string) => page.evaluate((room) => location.assign(`#${room}`), name)
    const link = bob.locator(`[data-room="${other}"]`)
    await face(ada, 'Bob').waitFor()
    // Bob opens the other room, sees Ada go there, and comes back.
    await change(bob, other)
    await shows(ada, 'people-word', 'Bob left')
    await shows(bob, 'people-word', '1 here')
    await bob.locator(`[data-room="${room}"]`).click()
    await face(ada, 'Bob').waitFor()
    expect(await face(bob, 'Bob').count()).toBe(1)

    await change(ada, other)
    await say(ada, 'in the other one')
    await link.locator('.unread', { hasText: '1' }).waitFor()
    expect(await order(bob)).toEqual([])
    await link.click()
    await sees(bob, 'in the other one')
    expect(await link.locator('.unread').textContent()).toBe('')
  })

  it('a reload is no leave', async () => {
    await face(ada, 'Bob').waitFor()
    const said = await ada.locator('#people-word').evaluateHandle((word) => {
      const texts: (string | null)[] = []
      new MutationObserver(() => texts.push(word.textContent)).observe(word, { childList: true })
      return texts
    })
    await bob.reload()
    await connected(bob)
    await shows(bob, 'people-word', '2 here')
    // What Bob's new page does comes behind all that came of the old one.
    await bob.locator('#text').pressSequentially('hm')
    await shows(ada, 'typing', 'Bob is typing')
    expect(await said.jsonValue()).not.toContain('Bob left')
    expect(await said.jsonValue()).not.toContain('Bob came in')
  })

  it('what the schema refuses is marked, says why, and can be edited', async () => {
    await say(ada, 'x'.repeat(2001))
    const failed = ada.locator('.outbox .message[data-state="failed"]')
    expect(await failed.locator('.word').textContent()).toMatch(/^Not sent: .*2000/)
    await failed.getByRole('button', { name: 'Edit' }).click()
    expect(await ada.locator('#text').inputValue()).toHaveLength(2001)
    await say(ada, 'shorter')
    await sees(bob, 'shorter')
    await agree([ada, bob], 1)
  })

  it('fits a large and a small screen, whatever is said; on a small one rooms and connection slide over it', async () => {
    await bob.locator('#burst').click()
    await say(ada, 'w'.repeat(2000))
    await shows(ada, 'received', 21)
    const before = ada.viewportSize() as { width: number; height: number }
    for (const [i, [width, height]] of (
      [
        [1280, 800],
        [360, 640],
      ] as const
    ).entries()) {
      await ada.setViewportSize({ width, height })
      const size = ({ scrollWidth, scrollHeight }: Element) => [scrollWidth, scrollHeight]
      expect(await ada.locator(':root').evaluate(size)).toEqual([width, height])
      expect((await ada.locator('#composer').boundingBox())?.y).toBeLessThan(height - 50)
      // The newest is in view; further up the page says what came below.
      await ada.locator('#scroll').evaluate((scroll) => scroll.scrollTo(0, 0))
      await ada.locator('.log .message').first().hover()
      await say(bob, `look down ${i}`)
      await ada.locator('#newer', { hasText: '1 new' }).click()
      await ada.locator('#newer').waitFor({ state: 'hidden' })
    }
    await ada.getByRole('button', { name: 'Rooms and connection' }).click()
    await ada.locator('[data-room="workshop"]').click()
    await shows(ada, 'title', 'workshop')
    await ada.locator('#cut').waitFor({ state: 'hidden' })
    await ada.setViewportSize(before)
  })

  it('a server that lost everything is told as a gap, in its place', async () => {
    await say(ada, 'before')
    await sees(ada, 'before')
    started.kill('SIGKILL')
    await started.ended()
    await ada.locator('#status[data-status="reconnecting"]').waitFor()
    await say(ada, 'meanwhile')
    await ada.locator('.outbox .message[data-state="pending"]', { hasText: 'meanwhile' }).waitFor()
    await chat({ port: Number(new URL(url).port) }).node()
    await sees(ada, 'meanwhile')
    expect(
      await ada.locator('.room:not([hidden]) .log > .message .text, .room:not([hidden]) .log > .note').allInnerTexts(),
    ).toEqual(['before', 'Some messages may be missing here.', 'meanwhile'])
    await shows(ada, 'lost', 0)
    await shows(ada, 'doubled', 0)
  })
})
