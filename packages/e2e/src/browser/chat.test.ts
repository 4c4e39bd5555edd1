// The demo in a real browser, its nodes as real processes: what its page shows, and that nothing is lost or doubled whatever happens (I1 to I4).
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RedisServer } from '@rt/server/testing'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Tally } from '../../../../examples/chat/src/page/tally'
import { Chat, type ChatNode } from './chat-process'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const noBrowser = !existsSync(executablePath)
const redisBinary = process.env['REDIS_SERVER'] ?? 'redis-server'
const noRedis =
  !(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, redisBinary))) &&
  !existsSync(redisBinary)

const rungs = { websocket: 'WebSocket', sse: 'SSE', 'long-poll': 'Long poll', poll: 'Poll' } as const
type Rung = keyof typeof rungs
const full = process.env['RT_TEST_SIZE'] === 'full'
const allRungs = Object.keys(rungs) as Rung[]

let browser: Browser
const undo: (() => Promise<unknown>)[] = []
/** What no page may do: throw, break its own policy, or ask another host for something. */
const wrong: string[] = []

afterEach(async () => {
  for (const run of undo.splice(0).reverse()) await run()
  expect(wrong.splice(0)).toEqual([])
})

function chat(options?: ConstructorParameters<typeof Chat>[0]): Chat {
  const started = new Chat(options)
  undo.push(() => started.close())
  return started
}

/** Opens the page in a browser profile of its own and joins, by keyboard alone. */
async function visit(address: string, name: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options)
  undo.push(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', (error) => wrong.push(error.message))
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) wrong.push(message.text())
  })
  const { host } = new URL(address)
  page.on('request', (request) => {
    if (new URL(request.url()).host !== host) wrong.push(`asked for ${request.url()}`)
  })
  await page.goto(address)
  await page.locator('#name:focus').fill(name)
  await page.keyboard.press('Enter')
  await connected(page)
  return page
}

const connected = (page: Page) => page.locator('#status[data-status="connected"]').waitFor()

async function say(page: Page, text: string): Promise<void> {
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

/** Waits until the open room shows this message as received. */
const sees = (page: Page, text: string) =>
  page.locator('.room:not([hidden]) .log .message', { hasText: text }).waitFor()

const shows = (page: Page, id: string, text: string | number) =>
  page.locator(`#${id}`, { hasText: new RegExp(`^${text}$`) }).waitFor({ state: 'attached' })

async function force(page: Page, rung: Rung): Promise<void> {
  await page.locator(`[data-rung="${rung}"]`).click()
  await page.locator(`[data-rung="${rung}"][aria-pressed="true"]`).waitFor()
  await shows(page, 'transport', rungs[rung])
}

/** The avatars of those who are in the open room. */
const face = (page: Page, name: string) => page.locator(`#faces .avatar[aria-label="${name}"]`)

/** Ada sees Bob come, type, stop and go; both see themselves. */
async function meet(ada: Page, openBob: () => Promise<Page>): Promise<void> {
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
const order = (page: Page) =>
  page
    .locator('.room:not([hidden]) .log .message')
    .evaluateAll((messages) => messages.map((message) => message.getAttribute('data-sender')))

/** All pages have received so many messages, in one order, each once, none of them lost, none unsent. */
async function agree(pages: readonly Page[], count: number): Promise<void> {
  for (const page of pages) {
    await shows(page, 'received', count)
    expect(await page.locator('#lost, #doubled, #gaps').allTextContents()).toEqual(['0', '0', '0'])
    expect(await page.locator('.outbox .message').count()).toBe(0)
  }
  const [first = [], ...others] = await Promise.all(pages.map(order))
  expect(new Set(first).size).toBe(count)
  for (const other of others) expect(other).toEqual(first)
}

beforeAll(async () => {
  if (!noBrowser) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})
afterAll(() => browser?.close())

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

describe.skipIf(noRedis)('several nodes of the demo (needs redis-server)', () => {
  it.for(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('end with their parent at %s', async (signal) => {
    const redis = await RedisServer.start()
    undo.push(() => redis.close())
    const started = chat({ args: ['--nodes', '2'], redisUrl: redis.url })
    const nodes = [await started.node(), await started.node()]
    expect(new Set([started.pid, ...nodes.map(({ pid }) => pid)]).size).toBe(3)
    started.kill(signal)
    // The nodes hold the parent's output open: it is closed when all are gone.
    await started.ended()
    for (const { url } of nodes) await expect(fetch(url)).rejects.toThrow()
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

describe.skipIf(noBrowser || noRedis)('the demo without its Redis (needs chromium and redis-server)', () => {
  it('takes nobody off who may be there, and says that it is not sure', async () => {
    const redis = await RedisServer.start()
    undo.push(() => redis.close())
    const { url } = await chat({ redisUrl: redis.url, grace: 0 }).node()
    const ada = await visit(url, 'Ada')
    const bob = await visit(url, 'Bob')
    await face(ada, 'Bob').waitFor()
    await redis.kill()
    await shows(ada, 'people-word', 'not sure who is here')
    await bob.close()
    await redis.start()
    // Redis came back empty: what it does not know is no leave, and Ada's own place was brought again.
    await ada.locator('#status[data-status="connected"]').waitFor()
    await say(ada, 'still here')
    await sees(ada, 'still here')
    expect(await face(ada, 'Bob').count()).toBe(1)
    expect(await face(ada, 'Ada').count()).toBe(1)
    await shows(ada, 'people-word', 'not sure who is here')
  })
})

describe.skipIf(noBrowser || noRedis)('the demo on two nodes (needs chromium and redis-server)', () => {
  let redis: RedisServer
  let started: Chat
  let nodes: [ChatNode, ChatNode]
  let room = 0

  beforeAll(async () => {
    redis = await RedisServer.start()
    started = new Chat({ args: ['--nodes', '2'], redisUrl: redis.url, grace: 300 })
    nodes = [await started.node(), await started.node()]
  })
  afterAll(async () => {
    await started?.close()
    await redis?.close()
  })
  // A room of its own for each test.
  beforeEach(() => {
    room++
  })
  const roomOn = ({ url }: ChatNode, name = `room-${room}`) => `${url}/#${name}`

  it('messages cross over each pair of transports; each change of transport is without loss', async () => {
    const ada = await visit(roomOn(nodes[0]), 'Ada')
    const bob = await visit(roomOn(nodes[1]), 'Bob')
    let count = 0
    for (const [i, rung] of allRungs.entries()) {
      const other = allRungs[(i + 1) % allRungs.length] as Rung
      // In the middle of a burst.
      await bob.locator('#burst').click()
      await force(ada, rung)
      await ada.locator('#burst').click()
      await force(bob, other)
      await say(ada, `${rung} to ${other}`)
      await sees(bob, `${rung} to ${other}`)
      await say(bob, `${other} to ${rung}`)
      await sees(ada, `${other} to ${rung}`)
      count += 42
      await agree([ada, bob], count)
    }
    expect(await ada.locator('.log .word', { hasText: 'node 1' }).count()).toBe(count / 2)
    expect(await ada.locator('.log .word', { hasText: 'node 2' }).count()).toBe(count / 2)
    await shows(ada, 'cuts', 0)
  })

  it.for(full ? allRungs : (['sse', 'poll'] as const))(
    '%s: a link that is cut in mid-typing loses nothing',
    async (rung) => {
      const ada = await visit(roomOn(nodes[0]), 'Ada')
      const bob = await visit(roomOn(nodes[1]), 'Bob')
      await force(ada, rung)
      await force(bob, rung)
      const input = ada.locator('#text')
      await input.pressSequentially('half a sen')
      await bob.locator('#burst').click()
      // By script, so that the focus stays where one types.
      await ada.evaluate(() => document.querySelector<HTMLElement>('button#cut')?.click())
      await ada.locator('#burst').evaluate((button: HTMLElement) => button.click())
      await bob.locator('#cut').click()
      await input.pressSequentially('tence')
      await bob.locator('#burst').click()
      await input.press('Enter')
      await sees(bob, 'half a sentence')
      await agree([ada, bob], 61)
      await shows(ada, 'cuts', 1)
      await shows(bob, 'cuts', 1)
    },
  )

  it.for(full ? allRungs : (['websocket', 'long-poll'] as const))(
    '%s: a node that is killed is missed by nobody once it is back',
    async (rung) => {
      const ada = await visit(roomOn(nodes[0]), 'Ada')
      const bob = await visit(roomOn(nodes[1]), 'Bob')
      await force(ada, rung)
      await say(ada, 'before')
      await sees(bob, 'before')
      await shows(ada, 'node', `node 1 · process ${nodes[0].pid}`)

      await bob.locator('#burst').click()
      process.kill(nodes[0].pid as number, 'SIGKILL')
      await ada.locator('#burst').click()
      await say(ada, 'while it was away')
      await bob.locator('#burst').click()
      await say(bob, 'are you there?')

      const back = await started.node()
      expect(back.url).toBe(nodes[0].url)
      expect(back.pid).not.toBe(nodes[0].pid)
      nodes[0] = back
      await sees(bob, 'while it was away')
      await sees(ada, 'are you there?')
      await shows(ada, 'node', `node 1 · process ${back.pid}`)
      await agree([ada, bob], 63)
    },
  )

  it('who is on another node is seen, and seen to type and to go', async () => {
    await meet(await visit(roomOn(nodes[0]), 'Ada'), () => visit(roomOn(nodes[1]), 'Bob'))
  })

  it('looks as its picture in the README', async () => {
    const ada = await visit(roomOn(nodes[0], 'lobby'), 'Ada Lovelace', {
      viewport: { width: 1280, height: 800 },
      deviceScaleFactor: 2,
    })
    const grace = await visit(roomOn(nodes[1], 'lobby'), 'Grace Hopper', { colorScheme: 'dark' })
    const talk = async (...lines: readonly (readonly [Page, string])[]) => {
      for (const [page, text] of lines) {
        await say(page, text)
        for (const reader of [ada, grace]) await sees(reader, text)
      }
    }
    await talk([grace, 'Morning! Could you cut your link while I write?'])
    await ada.locator('#cut').click()
    await talk([ada, 'Done. It was back before I could look.'], [grace, 'Now change the transport.'])
    await force(ada, 'long-poll')
    await talk(
      [ada, 'Long polling. Nothing lost, nothing doubled: the page counts for itself.'],
      [grace, 'And we are not even on the same node.'],
      [grace, 'Next I kill yours. What you send meanwhile will wait.'],
    )
    await ada.locator('#text').focus()
    await grace.locator('#text').pressSequentially('Ready?')
    await shows(ada, 'typing', 'Grace Hopper is typing')
    const colours = await ada
      .locator('.log .avatar, #my-avatar')
      .evaluateAll((avatars) => avatars.map((avatar) => getComputedStyle(avatar).backgroundColor))
    expect(new Set(colours).size).toBe(2)
    if (process.env['RT_SCREENSHOTS']) {
      const folder = fileURLToPath(new URL('../../../../docs/images/', import.meta.url))
      mkdirSync(folder, { recursive: true })
      await ada.screenshot({ path: join(folder, 'chat.png') })
    }
    await agree([ada, grace], 6)
  })
})
