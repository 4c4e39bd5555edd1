// The demo in a real browser on several nodes, as real processes, and on a Redis that goes away: nothing is lost or doubled whatever happens (I1 to I4).
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RedisServer } from '@rt/server/testing'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Chat, type ChatNode } from './chat-process'
import {
  agree,
  allRungs,
  chat,
  face,
  force,
  full,
  meet,
  noBrowser,
  noRedis,
  type Rung,
  say,
  sees,
  shows,
  undo,
  useBrowser,
  visit,
} from './pages'

useBrowser()

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
