// Chromium's own EventSource in a bare page, with nothing of ours in it: it resumes by itself when its server is killed, and misses nothing.
import { RedisServer } from '@rt/server/testing'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../plain-client'
import { ServerProcess } from '../server-process'

const { CHROMIUM_PATH, REDIS_SERVER } = process.env

/** What the page collects. */
interface Seen {
  readonly messages: { readonly id: string; readonly n: number }[]
  readonly types: string[]
}

describe.skipIf(!CHROMIUM_PATH || !REDIS_SERVER)("the browser's EventSource", () => {
  const undo: (() => unknown)[] = []
  let store: RedisServer
  let mortal: ServerProcess
  let other: ServerProcess

  beforeAll(async () => {
    store = await RedisServer.start()
    mortal = await ServerProcess.start({ redisUrl: store.url })
    other = await ServerProcess.start({ redisUrl: store.url })
    undo.push(
      () => mortal.kill(),
      () => other.kill(),
      () => store.close(),
    )
  })
  afterAll(async () => {
    for (const run of undo.splice(0)) await run()
  })

  it('is let in by a ticket of another node, once: when it is cut it is told so, and goes on with a new one', async () => {
    const browser = await chromium.launch({ executablePath: CHROMIUM_PATH as string, args: ['--no-sandbox'] })
    undo.unshift(() => browser.close())
    const page = await browser.newPage()
    await page.goto(`${mortal.origin}/`)
    const ticket = async () => (await ask(`${other.origin}/ticket/ann`)).text
    await page.exposeFunction('ticket', ticket)
    await page.evaluate(async () => {
      const seen = { ns: [] as number[], who: [] as string[], closed: 0 }
      let place = ''
      const ticket = (window as unknown as { ticket(): Promise<string> }).ticket
      const open = async () => {
        const query = new URLSearchParams({ channels: 'user:ann:inbox', cursor: place, ticket: await ticket() })
        const source = new EventSource(`/rt?${query}`)
        source.onmessage = ({ data, lastEventId }) => {
          if (lastEventId !== '') place = lastEventId
          const event = JSON.parse(data)
          if (event.type === 'hello') seen.who.push(event.identity)
          if (event.cursor !== undefined) place = event.cursor
          if (event.type === 'message' && !seen.ns.includes(event.data.n)) seen.ns.push(event.data.n)
        }
        source.onerror = () => {
          // It tried again by itself with the same URL, and was refused.
          if (source.readyState !== EventSource.CLOSED) return
          seen.closed++
          setTimeout(open, 100)
        }
      }
      Object.assign(window, { seen })
      await open()
    })
    const until = (check: string) => page.waitForFunction(check, null, { timeout: 45_000 })
    await until('seen.who.length === 1')
    let n = 0
    const publish = async () => {
      const answer = await ask(`${other.origin}/publish/${++n}`)
      expect(answer.status).toBe(200)
    }
    for (let i = 0; i < 5; i++) await publish()
    await until('seen.ns.length === 5')
    await mortal.kill()
    for (let i = 0; i < 5; i++) await publish()
    mortal = await ServerProcess.start({ redisUrl: store.url, port: mortal.port })
    await until('seen.ns.length === 10')
    await publish()
    await until('seen.ns.length === 11')
    const seen = await page.evaluate(
      () => (window as unknown as { seen: { ns: number[]; who: string[]; closed: number } }).seen,
    )
    expect(seen.ns).toEqual(Array.from({ length: n }, (_, i) => i + 1))
    expect(new Set(seen.who)).toEqual(new Set(['ann']))
    expect(seen.closed).toBeGreaterThan(0)

    const once = await ticket()
    const headers = { accept: 'application/json' }
    const use = () => ask(`${mortal.origin}/rt?channels=user:ann:inbox&ticket=${once}`, { headers })
    expect((await use()).status).toBe(200)
    const again = await use()
    expect(again.status).toBe(401)
    expect(again.text).not.toContain(once)
  })

  it('comes back with Last-Event-ID after a kill, and misses nothing', async () => {
    const browser = await chromium.launch({ executablePath: CHROMIUM_PATH as string, args: ['--no-sandbox'] })
    undo.unshift(() => browser.close())
    const page = await browser.newPage()
    await page.goto(`${mortal.origin}/`)
    await page.evaluate(() => {
      const seen: Seen = { messages: [], types: [] }
      const source = new EventSource('/rt?channels=room:source')
      source.onmessage = ({ data }) => {
        const event = JSON.parse(data)
        seen.types.push(event.type)
        if (event.type === 'message') seen.messages.push({ id: event.id, n: event.data.n })
      }
      Object.assign(window, { seen })
    })
    const seen = () => page.evaluate(() => (window as unknown as { seen: Seen }).seen)
    const until = (check: string) => page.waitForFunction(check, null, { timeout: 45_000 })
    await until(`seen.types.includes('subscribed')`)

    let n = 0
    const publish = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const body = JSON.stringify([{ type: 'publish', ref: 1, channel: 'room:source', data: { n: ++n } }])
        const headers = { 'content-type': 'application/json' }
        const answer = await ask(`${other.origin}/rt`, { method: 'POST', headers, body })
        expect(JSON.parse(answer.text)).toMatchObject([{ value: { duplicate: false } }])
      }
    }
    for (let life = 1; life <= 2; life++) {
      await publish(20)
      await until(`seen.messages.some(({ n }) => n > ${n - 10})`)
      const during = publish(20)
      await mortal.kill()
      await during
      mortal = await ServerProcess.start({ redisUrl: store.url, port: mortal.port })
      await publish(20)
    }
    await until(`seen.messages.some(({ n }) => n === ${n})`)

    const { messages, types } = await seen()
    // A kill between a publication and the cursor behind it brings that publication twice; by its id whoever cares drops it.
    const once = messages.filter(({ id }, i) => messages.findIndex((message) => message.id === id) === i)
    expect(once.map((message) => message.n)).toEqual(Array.from({ length: n }, (_, i) => i + 1))
    expect(types.filter((type) => type === 'gap')).toEqual([])
    // It came back by itself, twice, and each time with a Last-Event-ID: else the channel would have been new.
    expect(types.filter((type) => type === 'hello')).toHaveLength(3)
    expect(types.filter((type) => type === 'subscribed')).toHaveLength(1)
  })
})
