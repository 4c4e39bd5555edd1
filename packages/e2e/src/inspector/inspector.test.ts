// The inspector in a real browser, on two node processes with one Redis: what the clients do is what it shows, nothing of it is markup, and who may not see it gets nothing.
import { setTimeout as pause } from 'node:timers/promises'
import { createClient, type TransportName } from '@rt/client'
import { established } from '@rt/client/testing'
import type { Page } from 'playwright-core'
import { afterAll, describe, expect, it } from 'vitest'
import { connected, noBrowser, noRedis, open, picture, record, shared, startRedis, useStage } from '../browser/stage'
import { ServerProcess } from '../server-process'

useStage()

/** A text that would be an element, and run. */
const markup = '<img src=x onerror="document.title=1"> & more'

const inspect = async (node: ServerProcess, options?: Parameters<typeof open>[1]): Promise<Page> => {
  const page = await open(`${node.origin}/login?user=admin`, options)
  await connected(page)
  return page
}

const row = (page: Page, table: string, text: string) => page.locator(`#${table} tbody tr`, { hasText: text })

/** Waits until a chart's number is one. */
const moves = (page: Page, chart: string) =>
  page.waitForFunction((id) => Number(document.querySelector(`#${id} .number`)?.textContent) > 0, `${chart}-chart`)

async function openChannel(page: Page, name: string): Promise<void> {
  await page.locator('#open-name').fill(name)
  await page.locator('#open-name').press('Enter')
  await page.locator('#channel-name', { hasText: name }).waitFor()
}

async function publish(page: Page, payload: string): Promise<void> {
  await page.locator('#payload').fill(payload)
  await page.locator('#publish button').click()
}

describe.skipIf(noBrowser || noRedis)('the inspector (needs chromium and redis-server)', () => {
  let nodes: [ServerProcess, ServerProcess]
  const clients: { close(): void }[] = []

  const join = (node: ServerProcess, user: string, transport: TransportName) => {
    const client = createClient(`${node.origin}/rt`, { token: `user:${user}`, transports: [transport] })
    clients.push(client)
    const channel = client.channel('chat:1')
    const heard: { readonly from: string | null; readonly data: unknown }[] = []
    channel.subscribe((message) => heard.push(message))
    return { client, channel, heard }
  }
  let ann: ReturnType<typeof join>
  let noise: NodeJS.Timeout

  shared(async () => {
    const { url: redisUrl } = await startRedis()
    const options = { pollFloor: 200 }
    nodes = await Promise.all([ServerProcess.start({ redisUrl, options }), ServerProcess.start({ redisUrl, options })])
    const [first, second] = nodes
    ann = join(first, 'ann', 'websocket')
    const all = [ann, join(first, 'bob', 'sse'), join(second, 'cid', 'long-poll'), join(second, 'dora', 'poll')]
    await Promise.all(all.map(({ client, channel }) => established(client, channel)))
    await ann.client.channel('lobby:1').presence.enter({ name: markup })
    noise = setInterval(() => ann.channel.publish({ text: `message ${Date.now()}` }).catch(() => {}), 100)
  })
  afterAll(async () => {
    clearInterval(noise)
    for (const client of clients) client.close()
    for (const node of nodes) await node.kill()
  })

  it('shows the clients of both nodes on every transport, and rates that move', async () => {
    const page = await inspect(nodes[0])
    await page.waitForFunction(() => document.querySelectorAll('#nodes tbody tr').length === 2)
    for (const [user, transport] of [
      ['ann', 'WebSocket'],
      ['bob', 'SSE'],
      ['cid', 'Long poll'],
    ] as const)
      await row(page, 'connections', user).filter({ hasText: transport }).first().waitFor()
    await row(page, 'channels', 'chat:1').waitFor()
    for (const chart of ['connections', 'publications', 'deliveries', 'polls']) await moves(page, chart)
    expect(await page.locator('#connections-chart .legend').textContent()).toMatch(/WebSocket 1SSE 1Long poll \d/)
    // A line that goes up and down, and not one that was drawn once.
    const line = () => page.locator('#deliveries-chart .line').getAttribute('d')
    const before = await line()
    await page.waitForFunction(
      (before) => document.querySelector('#deliveries-chart .line')?.getAttribute('d') !== before,
      before,
    )
    await page.setViewportSize({ width: 375, height: 800 })
    expect(await page.locator(':root').evaluate(({ scrollWidth }) => scrollWidth)).toBe(375)
  })

  it('shows the tail of a channel as text, publishes as the server, and says what the schema says', async () => {
    const page = await inspect(nodes[1])
    await row(page, 'channels', 'chat:1').locator('button').click()
    await ann.channel.publish({ text: markup })
    const line = page.locator('#tail li', { hasText: 'onerror' })
    await line.waitFor()
    expect(await line.locator('code').textContent()).toBe(JSON.stringify({ text: markup }))
    expect(await line.locator('b').textContent()).toBe('ann')
    expect(await page.locator('#tail img, #members img').count()).toBe(0)

    await publish(page, '{ "text": "from the page" }')
    await page.locator('#outcome[data-state="good"]', { hasText: /Stored as \d+-\d+/ }).waitFor()
    await expect
      .poll(() => ann.heard.filter(({ data }) => (data as { text: string }).text === 'from the page'))
      .toMatchObject([{ from: null }])
    await publish(page, '{ "text": "" }')
    await page.locator('#outcome[data-state="bad"]', { hasText: /invalid_message.*text: / }).waitFor()
    await publish(page, '{ text }')
    await page.locator('#outcome[data-state="bad"]', { hasText: 'This is no JSON' }).waitFor()

    await openChannel(page, 'lobby:1')
    await page.locator('#members li', { hasText: 'ann' }).waitFor()
    expect(await page.locator('#members li code').textContent()).toBe(JSON.stringify({ name: markup }))
    await openChannel(page, 'nothing:1')
    await page.locator('#tail-state', { hasText: 'unknown_channel' }).waitFor()
  })

  it('gives nothing to who has no permission: no page, no file, no stream, no poll, no command', async () => {
    const [{ origin }] = nodes
    const ask = (headers: Record<string, string>, query = '', init: RequestInit = {}) =>
      fetch(`${origin}/inspect${query}`, { ...init, headers })
    const command = JSON.stringify([{ type: 'publish', ref: 1, channel: 'chat:1', data: { text: 'stolen' } }])
    const post = { method: 'POST', body: command }
    const json = { 'content-type': 'application/json' }
    const before = ann.heard.length
    for (const [cookie, status] of [
      ['', 401],
      ['user=ann', 403],
    ] as const) {
      const answers = [
        await ask({ cookie, accept: 'text/html' }),
        await ask({ cookie }, '?file=page.js'),
        await ask({ cookie, accept: 'text/event-stream' }, '?channels=:nodes'),
        await ask({ cookie, accept: 'application/json' }, '?channels=chat:1&last=10&wait=0'),
        await ask({ cookie }, '?members=lobby:1'),
        await ask({ cookie, ...json }, '', post),
      ]
      expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => status))
      for (const answer of answers) expect(await answer.text()).not.toMatch(/chat:1|ann|websocket/)
    }
    // A page elsewhere that has the admin's cookie.
    const elsewhere = { cookie: 'user=admin', origin: 'https://elsewhere.example', ...json }
    expect((await ask(elsewhere, '', post)).status).toBe(403)
    // Through the app's own door nobody hears of the nodes.
    const app = await fetch(`${origin}/rt?channels=:nodes&wait=0`, { headers: { cookie: 'user=admin' } })
    expect(app.status).toBe(404)
    expect(ann.heard.slice(before).filter(({ data }) => (data as { text: string }).text === 'stolen')).toEqual([])
  })

  const looks = async () => {
    const texts = ['Morning!', 'Who has the key to the cold store?', 'On my way', '12 parcels are late', 'Done :)']
    const rooms = ['design', 'support', 'berlin', 'release', 'warehouse', 'night-shift']
    const people = [
      'Ada',
      'Bob',
      'Cid',
      'Dora',
      'Eva',
      'Finn',
      'Gus',
      'Hana',
      'Ivo',
      'Jana',
      'Kai',
      'Lea',
      'Mo',
      'Nina',
    ]
    const ways: TransportName[] = ['websocket', 'sse', 'websocket', 'long-poll', 'websocket', 'sse', 'poll']
    const channels: { publish(data: { text: string }): Promise<unknown> }[] = []
    const come = async (i: number) => {
      const name = people[i % people.length] as string
      const transports = [ways[i % ways.length] as TransportName]
      const node = nodes[i % 2] as ServerProcess
      const client = createClient(`${node.origin}/rt`, { token: `user:${name.toLowerCase()}`, transports })
      clients.push(client)
      for (const room of rooms.filter((_, k) => (i + k) % (k + 1) === 0)) {
        const channel = client.channel(`team:${room}`)
        channel.subscribe(() => {})
        channels.push(channel)
        if (room === 'design') await channel.presence.enter({ name })
      }
    }
    for (let i = 0; i < 6; i++) await come(i)
    const wide = { viewport: { width: 1440, height: 1180 }, deviceScaleFactor: 1.5 }
    const pages = {
      inspector: await inspect(nodes[0], { ...wide, colorScheme: 'light' }),
      'inspector-dark': await inspect(nodes[0], { ...wide, colorScheme: 'dark' }),
    }
    for (const page of Object.values(pages)) await openChannel(page, 'team:design')
    for (let second = 0; second < 130; second++) {
      if (second % 4 === 0) await come(second / 4 + 6)
      const messages = 6 + 5 * Math.sin(second / 9) + 4 * Math.random()
      for (let i = 0; i < messages; i++) {
        const channel = channels[Math.floor(Math.random() ** 2 * channels.length)]
        const text = texts[Math.floor(Math.random() * texts.length)] as string
        await Promise.all([channel?.publish({ text }), pause(1000 / messages)])
      }
    }
    await publish(pages.inspector, '{ "text": "Maintenance at ten" }')
    for (const [name, page] of Object.entries(pages)) {
      await page.locator('#payload').focus()
      await picture(page, name)
    }
  }
  if (record) it('looks as its picture', { timeout: 300_000 }, looks)

  it('says goodbye to a node that is killed', async () => {
    const page = await inspect(nodes[0])
    await page.waitForFunction(() => document.querySelectorAll('#nodes tbody tr').length === 2)
    await nodes[1].kill()
    await page.waitForFunction(() => document.querySelectorAll('#nodes tbody tr').length === 1)
    await page.locator('#nodes-count', { hasText: /^1$/ }).waitFor()
  })
})
