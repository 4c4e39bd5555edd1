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
