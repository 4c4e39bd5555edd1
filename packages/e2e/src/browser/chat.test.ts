// The demo in a real browser on one node in memory: what its page shows, and that nothing is lost or doubled (I1 to I4).
import { describe, expect, it } from 'vitest'
import { Tally } from '../../../../examples/chat/src/page/tally'
import { agree, chat, connected, face, meet, noBrowser, order, say, sees, shows, useBrowser, visit } from './pages'

useBrowser()

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

  it('takes the next port when the wanted one is taken', async () => {
    const first = await chat().node()
    const port = Number(new URL(first.url).port)
    const second = await chat({ port }).node()
    expect(Number(new URL(second.url).port)).toBeGreaterThan(port)
    expect((await fetch(second.url)).status).toBe(200)
  })

  it.for(['SIGTERM', 'SIGINT'] as const)('ends at %s', async (signal) => {
    const started = chat()
    const { url } = await started.node()
    started.kill(signal)
    expect(await started.ended()).toBe(0)
    await expect(fetch(url)).rejects.toThrow()
  })
})

describe.skipIf(noBrowser)('the demo on one node in memory (needs chromium)', () => {
  it('two visitors talk; each message stands there once, with its author', async () => {
    const { url } = await chat().node()
    const ada = await visit(url, 'Ada')
    const bob = await visit(url, 'Bob')
    await say(ada, 'hello <b>Bob</b>')
    await sees(bob, 'hello <b>Bob</b>')
    await say(bob, 'hello Ada')
    await sees(ada, 'hello Ada')
    await agree([ada, bob], 2)
    expect(await ada.locator('.message.mine .text').allInnerTexts()).toEqual(['hello <b>Bob</b>'])
    expect(await ada.locator('.message:not(.mine) .author').allInnerTexts()).toEqual(['Bob'])
    await ada.locator('#trip', { hasText: /^[\d.]+ ms$/ }).waitFor()
  })

  it('who comes later sees the last 50; a reload stays the same visitor', async () => {
    const { url } = await chat().node()
    const ada = await visit(url, 'Ada')
    for (let i = 0; i < 3; i++) await ada.locator('#burst').click()
    await shows(ada, 'received', 60)
    const bob = await visit(url, 'Bob')
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

  it('rooms are apart; a room that is not looked at counts what came', async () => {
    const { url } = await chat().node()
    const ada = await visit(url, 'Ada')
    const bob = await visit(url, 'Bob')
    await ada.locator('[data-room="garden"]').click()
    await say(ada, 'in the garden')
    await bob.locator('[data-room="garden"] .unread', { hasText: '1' }).waitFor()
    expect(await order(bob)).toEqual([])
    await bob.locator('[data-room="garden"]').click()
    await sees(bob, 'in the garden')
    expect(await bob.locator('[data-room="garden"] .unread').textContent()).toBe('')
  })

  it('who types is seen until the message is there', async () => {
    const { url } = await chat().node()
    const ada = await visit(url, 'Ada')
    const bob = await visit(url, 'Bob')
    await ada.locator('#text').pressSequentially('I am thinking')
    await shows(bob, 'typing', 'Ada is typing')
    await ada.locator('#text').press('Enter')
    await sees(bob, 'I am thinking')
    await shows(bob, 'typing', '')
  })

  it('who is there is seen, and seen to type and to go', async () => {
    const { url } = await chat({ grace: 300 }).node()
    await meet(await visit(url, 'Ada'), () => visit(url, 'Bob'))
  })

  it('somebody is in the room that is looked at', async () => {
    const { url } = await chat({ grace: 60_000 }).node()
    const ada = await visit(url, 'Ada')
    const bob = await visit(url, 'Bob')
    await face(ada, 'Bob').waitFor()
    await bob.locator('[data-room="garden"]').click()
    await shows(ada, 'people-word', 'Bob left')
    await shows(bob, 'people-word', '1 here')
    await bob.locator('[data-room="lobby"]').click()
    await face(ada, 'Bob').waitFor()
    expect(await face(bob, 'Bob').count()).toBe(1)
  })

  it('a reload is no leave', async () => {
    const { url } = await chat({ grace: 60_000 }).node()
    const ada = await visit(url, 'Ada')
    const bob = await visit(url, 'Bob')
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
    const { url } = await chat().node()
    const ada = await visit(url, 'Ada')
    const bob = await visit(url, 'Bob')
    await say(ada, 'x'.repeat(2001))
    const failed = ada.locator('.outbox .message[data-state="failed"]')
    expect(await failed.locator('.word').textContent()).toMatch(/^Not sent: .*2000/)
    await failed.getByRole('button', { name: 'Edit' }).click()
    expect(await ada.locator('#text').inputValue()).toHaveLength(2001)
    await say(ada, 'shorter')
    await sees(bob, 'shorter')
    await agree([ada, bob], 1)
  })

  it('a server that lost everything is told as a gap, in its place', async () => {
    const first = chat()
    const { url } = await first.node()
    const ada = await visit(url, 'Ada')
    await say(ada, 'before')
    await sees(ada, 'before')
    first.kill('SIGKILL')
    await first.ended()
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

  it.for([
    [1280, 800],
    [360, 640],
  ] as const)('fits a screen of %d × %d, whatever is said', async ([width, height]) => {
    const { url } = await chat().node()
    const ada = await visit(url, 'Ada', { viewport: { width, height } })
    const bob = await visit(url, 'Bob')
    await bob.locator('#burst').click()
    await say(ada, 'w'.repeat(2000))
    await shows(ada, 'received', 21)
    const size = ({ scrollWidth, scrollHeight }: Element) => [scrollWidth, scrollHeight]
    expect(await ada.locator(':root').evaluate(size)).toEqual([width, height])
    expect((await ada.locator('#composer').boundingBox())?.y).toBeLessThan(height - 50)
    // The newest is in view; further up the page says what came below.
    await ada.locator('#scroll').evaluate((scroll) => scroll.scrollTo(0, 0))
    await ada.locator('.log .message').first().hover()
    await say(bob, 'look down')
    await ada.locator('#newer', { hasText: '1 new' }).click()
    await ada.locator('#newer').waitFor({ state: 'hidden' })
  })

  it('on a small screen rooms and connection slide over the chat', async () => {
    const { url } = await chat().node()
    const ada = await visit(url, 'Ada', { viewport: { width: 360, height: 640 } })
    await ada.getByRole('button', { name: 'Rooms and connection' }).click()
    await ada.locator('[data-room="workshop"]').click()
    await shows(ada, 'title', 'workshop')
    await ada.locator('#cut').waitFor({ state: 'hidden' })
  })
})
