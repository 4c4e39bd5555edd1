// `user:<id>:online` in Redis, and members with odd ids: on each transport, in a hidden tab of a real browser, through the built doors.
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Client, createClient, type PresenceList, type TransportName } from '@rt/client'
import { createRealtime } from '@rt/server'
import { redis as broker } from '@rt/server/redis'
import { RedisServer } from '@rt/server/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Tab, Tabs } from './hidden-tab.ts'

const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
const executable = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
/** Of the page: it takes its user and its transport from its address. */
const page = `<!doctype html><title>tab</title><script type="module">
import { createClient } from '/client.js'
const [user, rung] = location.hash.slice(1).split(',')
const client = createClient('/rt', { token: user, transports: [rung] })
window.there = client.channel('room:1').presence.enter({ name: 'tab' }).then(() => document.visibilityState)
</script>`

/** Milliseconds. */
const TTL = 3000

let redis: RedisServer
let server: Server
let url = ''
const ending: (() => unknown)[] = []
const undo: (() => unknown)[] = []
const reported: string[] = []

/** What esbuild makes of the built client, as an app's bundler would. */
async function bundle(): Promise<string> {
  const door = new URL('../../../client/dist/index.js', import.meta.url)
  const tsup = createRequire(new URL('../../../client/package.json', import.meta.url)).resolve('tsup')
  const { build } = createRequire(tsup)('esbuild') as {
    build(options: object): Promise<{ readonly outputFiles: readonly { readonly text: string }[] }>
  }
  expect(readFileSync(door).length).toBeGreaterThan(0)
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(door)],
    bundle: true,
    format: 'esm',
    write: false,
    outdir: 'out',
  })
  return outputFiles[0]?.text ?? ''
}

beforeAll(async () => {
  redis = await RedisServer.start()
  const client = await bundle()
  const rt = createRealtime({
    broker: broker(redis.url),
    authenticate: (request) => {
      const token = request.headers.get('authorization')?.replace('Bearer ', '')
      return token === undefined ? null : { id: decodeURIComponent(token.replace('id:', '')) }
    },
    channels: { 'room:{id}': { message: z.null(), subscribe: 'public', presence: z.object({ name: z.string() }) } },
    presence: { ttl: TTL, grace: '1s' },
    pollFloor: 1000,
    onError: (error) => void reported.push(String(error)),
  })
  server = createServer((request, response) => {
    const script = request.url === '/client.js'
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html').end(script ? client : page)
  })
  rt.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  ending.push(
    () => rt.close(),
    () => server.close(),
    () => server.closeAllConnections(),
  )
})

afterEach(async () => {
  for (const run of undo.splice(0).reverse()) await run()
})

afterAll(async () => {
  for (const run of ending) await run()
  await redis?.close()
})

function client(id: string, rung: TransportName): Client {
  const made = createClient(`${url}/rt`, { token: `id:${encodeURIComponent(id)}`, transports: [rung] })
  undo.push(() => made.close())
  return made
}

const left = async (id: string) => Number(await redis.command('PTTL', `user:${id}:online`))
const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** For two lives of the key: it is always there, and would always be gone within a minute. */
async function staysOnline(id: string): Promise<void> {
  // The stream may come behind the answer that the member has entered.
  const soon = performance.now() + 1000
  while ((await left(id)) < 0 && performance.now() < soon) await pass(20)
  const until = performance.now() + 2 * TTL
  let looks = 0
  while (performance.now() < until) {
    const ms = await left(id)
    expect(ms).toBeGreaterThan(0)
    expect(ms).toBeLessThanOrEqual(60_000)
    looks++
    await pass(50)
  }
  expect(looks).toBeGreaterThan(20)
}

async function goesOffline(id: string): Promise<void> {
  const until = performance.now() + TTL + 1000
  while ((await left(id)) >= 0 && performance.now() < until) await pass(50)
  expect(await left(id)).toBe(-2)
}

describe.skipIf(!process.env['REDIS_SERVER'])('user:<id>:online', () => {
  it('is there for as long as the user is, on each transport, and no longer than a minute', async () => {
    expect(await left('7')).toBe(-2)
    await Promise.all(
      rungs.map(async (rung, i) => {
        const one = client(`7${i}`, rung)
        await one.channel('room:1').presence.enter({ name: rung })
        await staysOnline(`7${i}`)
        one.close()
        await goesOffline(`7${i}`)
      }),
    )
  })

  it('of user 7 stays when one of two tabs on different transports goes', async () => {
    const [first, second] = [client('7', 'websocket'), client('7', 'poll')]
    for (const each of [first, second]) await each.channel('room:1').presence.enter({ name: 'seven' })
    first.close()
    await staysOnline('7')
    second.close()
    await goesOffline('7')
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('members with odd ids', () => {
  const odd = ['__proto__', 'constructor', '👩‍👩‍👧 Ω', 'a b\tc', '{"id":1}', '*', 'x'.repeat(255)]

  it('enter, are listed and leave as others do', async () => {
    const watcher = client('watcher', 'websocket')
    const entered: string[] = []
    const gone: string[] = []
    let list: PresenceList = { members: [], known: false }
    let wake = () => {}
    watcher.channel('room:odd').presence.subscribe((now, change) => {
      list = now
      if (change?.action === 'enter') entered.push(change.member.id)
      if (change?.action === 'leave') gone.push(change.member.id)
      wake()
    })
    const until = async (check: () => boolean) => {
      while (!check())
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
    await until(() => list.known)
    const all = odd.map((id, i) => [id, client(id, rungs[i % 4] as TransportName)] as const)
    for (const [id, one] of all) await one.channel('room:odd').presence.enter({ name: id.slice(0, 9) })
    await until(() => entered.length >= odd.length)
    expect(list.members.map(({ id }) => id).sort()).toEqual([...odd].sort())
    for (const id of odd) expect(await left(id)).toBeGreaterThan(0)
    expect((await watcher.channel('room:odd').presence.get()).members).toHaveLength(odd.length)
    for (const [, one] of all) await one.channel('room:odd').presence.leave()
    await until(() => gone.length >= odd.length)
    expect([entered.sort(), gone.sort()]).toEqual([[...odd].sort(), [...odd].sort()])
    expect(list.members).toEqual([])
    expect(reported).toEqual([])
  })

  it.each(['', 'x'.repeat(256), 'x'.repeat(1000)])('are refused, and the app is told why: %#', async (id) => {
    reported.length = 0
    const response = await fetch(`${url}/rt`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer id:${id}` },
      body: JSON.stringify([{ type: 'enter', ref: 1, channel: 'room:odd', client: 'tab', state: { name: 'nobody' } }]),
    })
    expect(response.status).toBe(500)
    expect(await response.json()).toMatchObject({ error: { code: 'internal' } })
    expect(reported).toEqual([
      'TypeError: authenticate must return null or { id, expiresAt?, issuedAt? } with an id of 1 to 255 characters.',
    ])
    expect(await redis.command('KEYS', `user:${id}:online`)).toEqual([])
  })
})

describe.skipIf(!process.env['REDIS_SERVER'] || !existsSync(executable))('a hidden tab', () => {
  it('of user 7 keeps user:7:online, while its page uses SSE and long polls', async () => {
    const tabs = await Tabs.start(executable)
    undo.push(() => tabs.close())
    const hidden: (readonly [string, Tab])[] = []
    for (const rung of ['sse', 'long-poll']) {
      const user = rung === 'sse' ? '7' : '77'
      const tab = await tabs.open(`${url}/#id:${user},${rung}`)
      while ((await tab.evaluate('typeof window.there')) === 'undefined') await pass(50)
      expect(await tab.evaluate('window.there')).toBe('visible')
      hidden.push([user, tab])
    }
    await tabs.open('about:blank')
    for (const [, tab] of hidden) expect(await tab.evaluate('document.visibilityState')).toBe('hidden')
    await Promise.all(hidden.map(([user]) => staysOnline(user)))
    for (const [, tab] of hidden) expect(await tab.evaluate('document.visibilityState')).toBe('hidden')
    for (const [, tab] of hidden) await tab.close()
    await Promise.all(hidden.map(([user]) => goesOffline(user)))
  })
})
