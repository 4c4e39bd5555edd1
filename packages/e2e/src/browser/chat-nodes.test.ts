// The demo in a real browser on several nodes, as real processes, and on a Redis that goes away: nothing is lost or doubled whatever happens (I1 to I4).
import type { RedisServer } from '@rt/server/testing'
import type { Page } from 'playwright-core'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Example, ExampleNode } from './example-process'
import { agree, allRungs, chat, enter, face, force, meet, type Rung, say, sees, visit } from './pages'
import { full, noBrowser, noRedis, picture, record, shared, shows, startRedis, useStage } from './stage'

useStage()

describe.skipIf(noRedis)('several nodes of the demo (needs redis-server)', () => {
  let redis: RedisServer
  shared(async () => {
    redis = await startRedis()
  })

  // At SIGTERM those of the other tests end, too.
  it.for(full ? (['SIGTERM', 'SIGINT', 'SIGKILL'] as const) : (['SIGKILL'] as const))(
    'end with their parent at %s',
    async (signal) => {
      const started = chat({ args: ['--nodes', '2'], redisUrl: redis.url })
      const nodes = [await started.node(), await started.node()]
      expect(new Set([started.pid, ...nodes.map(({ pid }) => pid)]).size).toBe(3)
      started.kill(signal)
      // The nodes hold the parent's output open: it is closed when all are gone.
      await started.ended()
      for (const { url } of nodes) await expect(fetch(url)).rejects.toThrow()
    },
  )
})

describe.skipIf(noBrowser || noRedis)('the demo on two nodes (needs chromium and redis-server)', () => {
  let redis: RedisServer
  let started: Example
  let nodes: [ExampleNode, ExampleNode]
  let ada: Page
  let bob: Page
  let room = ''
  let rooms = 0

  shared(async () => {
    redis = await startRedis()
    started = chat({ args: ['--nodes', '2'], redisUrl: redis.url, grace: 300 })
    nodes = [await started.node(), await started.node()]
    ada = await visit(nodes[0].url, 'Ada')
    bob = await visit(nodes[1].url, 'Bob')
  })
  // A room of its own for each test.
  beforeEach(async () => {
    room = `room-${++rooms}`
    await Promise.all([ada, bob].map((page) => enter(page, room)))
  })

  it('messages cross over each pair of transports; each change of transport is without loss', async () => {
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

  const each = <R extends Rung>(rungs: readonly R[]) => rungs.map((rung) => [rung, rung] as const)

  it.for(full ? each(allRungs) : ([['sse', 'poll']] as const))(
    'links on %s and %s that are cut in mid-typing lose nothing',
    async (pair) => {
      for (const [i, page] of [ada, bob].entries()) await force(page, pair[i] as Rung)
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

  it.for(full ? each(allRungs) : ([['websocket', 'long-poll']] as const))(
    'nodes on %s and %s that are killed are missed by nobody once they are back',
    async (pair) => {
      const pages = [ada, bob] as const
      for (const [i, page] of pages.entries()) await force(page, pair[i] as Rung)
      await say(ada, 'before')
      await sees(bob, 'before')
      let count = 1
      for (const [i, page] of (full ? pages : [ada]).entries()) {
        const other = pages[1 - i] as Page
        const killed = nodes[i] as ExampleNode
        await shows(page, 'node', `node ${i + 1} · process ${killed.pid}`)
        await other.locator('#burst').click()
        process.kill(killed.pid, 'SIGKILL')
        await page.locator('#burst').click()
        await say(page, `while ${i + 1} was away`)
        await other.locator('#burst').click()
        await say(other, `is ${i + 1} there?`)

        const back = await started.node()
        expect(back.url).toBe(killed.url)
        expect(back.pid).not.toBe(killed.pid)
        nodes[i] = back
        await sees(other, `while ${i + 1} was away`)
        await sees(page, `is ${i + 1} there?`)
        await shows(page, 'node', `node ${i + 1} · process ${back.pid}`)
        count += 62
        await agree(pages, count)
      }
    },
  )

  it('who is on another node is seen, and seen to type and to go', async () => {
    await enter(bob, 'elsewhere')
    await meet(ada, () => visit(`${nodes[1].url}/#${room}`, 'Bob'))
  })

  const looks = async () => {
    const ada = await visit(nodes[0].url, 'Ada Lovelace', {
      viewport: { width: 1280, height: 800 },
      deviceScaleFactor: 2,
    })
    const grace = await visit(nodes[1].url, 'Grace Hopper', { colorScheme: 'dark' })
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
    await picture(ada, 'chat')
    await agree([ada, grace], 6)
  }
  if (full || record) it('looks as its picture in the README', looks)

  it('without their Redis they take nobody off who may be there, and say that they are not sure', async () => {
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
