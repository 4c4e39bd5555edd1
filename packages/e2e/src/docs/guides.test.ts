// The code of the guides runs, and prints what they say: each page's blocks as modules, against a server that serves their `rt`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Realtime } from '@rt/server'
import { RedisServer } from '@rt/server/testing'
import ts from 'typescript'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { freePort } from '../free-port'
import { typescriptOf } from './blocks'

const folder = mkdtempSync(join(fileURLToPath(new URL('../..', import.meta.url)), '.guides-'))
const servers: Server[] = []
// Not before: the pages' clients would come back again and again.
afterAll(() => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  rmSync(folder, { recursive: true, force: true })
})

const printed: string[] = []
/** What a block logs, line by line. */
const line = (text: string) => expect.poll(() => printed, { timeout: 50_000 }).toContain(text)

beforeEach(() => {
  printed.length = 0
  vi.spyOn(console, 'log').mockImplementation((...words) => void printed.push(words.join(' ').trim()))
})
afterEach(() => void vi.restoreAllMocks())

/** Writes the blocks of a guide to files, with another port than the one that is printed there. */
function place(guide: string, port = 3000) {
  mkdirSync(join(folder, guide))
  for (const [file, code] of typescriptOf(`docs/guides/${guide}.md`)) {
    writeFileSync(join(folder, guide, file), code.replaceAll('localhost:3000', `localhost:${port}`))
  }
  return { load: (file: string) => import(/* @vite-ignore */ join(folder, guide, file)) }
}

/** Serves the `rt` of a guide, and gives its other blocks as modules, which reach it. */
async function open(guide: string) {
  const server = createServer().listen(0)
  await once(server, 'listening')
  servers.push(server)
  const { load } = place(guide, (server.address() as AddressInfo).port)
  const { rt } = (await load('realtime.ts')) as { rt: Realtime }
  rt.attach(server)
  return { rt, load }
}

it('notifications: the badge is right at first, and stays so', async () => {
  const { load } = await open('notifications')
  const { notify, readAll } = await load('notify.ts')
  await notify('ada', 'before')
  await load('page.ts')
  await line('1 unread')
  expect(printed).not.toContain('new: before')
  await notify('ada', 'after')
  await line('2 unread')
  await line('new: after')
  await readAll('ada')
  await line('0 unread')
  const { notifyOrMail } = await load('mail.ts')
  const mails: string[] = []
  for (const user of ['ada', 'bob']) await notifyOrMail(user, 'hi', async (to: string) => void mails.push(to))
  expect(mails).toEqual(['bob'])
})

it('chat: what is sent is there, who types is shown', async () => {
  const { rt, load } = await open('chat')
  const { send } = await load('room.ts')
  await send('hello')
  const [stored] = await rt.history('chat:42', { last: 1 })
  expect(stored).toMatchObject({ from: 'ada', data: { text: 'hello' } })
  await send('   ')
  expect(printed.at(-1)).toMatch(/does not fit/)
  const { typed } = await load('typing.ts')
  await line('1')
  typed()
  await line('1  Ada')
})

it('from Socket.IO: the page hears what it says', async () => {
  const { rt, load } = await open('socket-io')
  await rt.publish('room:42', { type: 'waved', to: 'ada' }, { from: 'bob' })
  await load('page.ts')
  await line('bob waves to ada')
  await line('ada: hello')
})

it('dashboards: the page shows the load', async () => {
  const { load } = await open('dashboards')
  const timers = vi.spyOn(globalThis, 'setInterval')
  await load('measure.ts')
  const timer = timers.mock.results.at(-1)?.value
  await load('page.ts')
  await expect.poll(() => printed.filter((text) => / \d/.test(text)).length, { timeout: 50_000 }).toBeGreaterThan(3)
  clearInterval(timer)
  expect(printed).toContain('live')
})

describe.skipIf(!process.env['REDIS_SERVER'])('progress', () => {
  it('a bar, a text that is whole after a reload, and an end by the stop button', async () => {
    const redis = await RedisServer.start()
    vi.stubEnv('REDIS_URL', redis.url)
    const { rt, load } = await open('progress')
    const { importRows } = await load('import.ts')
    await importRows('7', ['a', 'b', 'c'], async () => {})
    await load('bar.ts')
    await line('3 of 3')

    const { answer } = await load('answer.ts')
    const done = answer('7', async function* (signal: AbortSignal) {
      for (const word of ['one ', 'two ', 'three ']) {
        yield word
        await pause(120) // the pace of the model
      }
      // It would go on for ever.
      if (!signal.aborted) await once(signal, 'abort')
    })
    await expect.poll(() => rt.history('job:7:text', { last: 1 })).toHaveLength(1)
    const { stop } = await load('text.ts')
    await line('one two three')
    await stop()
    await done
    expect((await rt.history('job:7:text', { last: 1 }))[0]?.data).toMatchObject({ end: true })
    await rt.close()
    await redis.close()
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('deploying', () => {
  it('a process that is ready when it reaches Redis, and ends by SIGTERM when nobody is left', async () => {
    const redis = await RedisServer.start()
    const port = await freePort()
    const code = typescriptOf('docs/guides/deploying.md').get('server.ts') as string
    const program = join(folder, 'server.mjs')
    writeFileSync(program, ts.transpileModule(code, { compilerOptions: { target: ts.ScriptTarget.ES2022 } }).outputText)
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, REDIS_URL: redis.url, PORT: String(port) },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const exited = once(child, 'exit')
    try {
      const ask = (path: string) =>
        fetch(`http://localhost:${port}${path}`).then(
          ({ status }) => status,
          () => 0,
        )
      await expect.poll(() => ask('/health/ready'), { timeout: 50_000 }).toBe(200)
      await redis.kill()
      await expect.poll(() => ask('/health/ready'), { timeout: 50_000 }).toBe(503)
      expect(await ask('/health/live')).toBe(200)
      child.kill('SIGTERM')
      expect(await exited).toEqual([0, null])
    } finally {
      child.kill('SIGKILL')
      await redis.close()
    }
  })
})

// Most of it is waiting, about 20 s: that the door has all that a backend needs is seen by the compiler as well.
if (full && process.env['REDIS_SERVER']) {
  const { load } = place('backend')
  await load('timed.test.ts')
}
