// curl as a client: event streams, polls that cost nothing without news, commands.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import type { PollBody } from '@rt/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ServerProcess } from '../server-process'

const { RT_CURL } = process.env

describe.skipIf(!RT_CURL)('curl', () => {
  let server: ServerProcess
  let endpoint = ''

  beforeAll(async () => {
    server = await ServerProcess.start()
    endpoint = `${server.origin}/rt`
  })
  afterAll(() => server.kill())

  async function curl(...args: string[]): Promise<string> {
    return (await promisify(execFile)(RT_CURL as string, ['-sS', ...args])).stdout
  }

  const publish = (channel: string, n: number) => {
    const command = JSON.stringify([{ type: 'publish', ref: 1, channel, data: { n } }])
    return curl(endpoint, '-H', 'Content-Type: application/json', '-d', command)
  }

  it('-N reads an event stream as it comes, and resumes it by the last id', async () => {
    const accept = ['-H', 'Accept: text/event-stream']
    const start = (...args: string[]) => {
      const child = spawn(RT_CURL as string, ['-sS', '-N', `${endpoint}?channels=room:stream`, ...accept, ...args])
      let text = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      const until = async (pattern: RegExp) => {
        while (!pattern.test(text)) await once(child.stdout, 'data')
        return text
      }
      return { child, until }
    }
    const first = start()
    expect(await first.until(/"subscribed".*\n\nid: .*\n\n/)).toMatch(/^retry: \d+\ndata: \{"type":"hello"/)
    await publish('room:stream', 1)
    const text = await first.until(/"data":\{"n":1\}\}\n\nid: (.*)\n\n/)
    const [cursor] = [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.slice(1) ?? []
    first.child.kill()

    await publish('room:stream', 2)
    const second = start('-H', `Last-Event-ID: ${cursor}`)
    const resumed = await second.until(/"data":\{"n":2\}\}\n\nid: /)
    expect(resumed).not.toContain('"n":1')
    expect(resumed).not.toContain('"gap"')
    second.child.kill()
  })

  it('polls by its cursor, and is told 304 as long as there is no news', async () => {
    const poll = async (cursor: string, ...args: string[]) => {
      const [head = '', body = ''] = (await curl('-i', `${endpoint}?channels=room:poll${cursor}`, ...args)).split(
        '\r\n\r\n',
      )
      return { status: Number(head.split(' ')[1]), etag: /^etag: (.*)$/im.exec(head)?.[1]?.trim() ?? '', body }
    }
    const first = await poll('')
    const { cursor, events } = JSON.parse(first.body) as PollBody
    expect(events).toMatchObject([{ type: 'subscribed', channel: 'room:poll' }])

    const same = await poll(`&cursor=${cursor}`, '-H', `If-None-Match: ${first.etag}`)
    expect([same.status, same.body]).toEqual([304, ''])
    // News of other channels are no news here.
    await publish('room:other', 1)
    expect((await poll(`&cursor=${cursor}`, '-H', `If-None-Match: ${first.etag}`)).status).toBe(304)

    await publish('room:poll', 7)
    const news = await poll(`&cursor=${cursor}`, '-H', `If-None-Match: ${first.etag}`)
    expect(news.status).toBe(200)
    expect((JSON.parse(news.body) as PollBody).events).toMatchObject([{ type: 'message', data: { n: 7 } }])
    expect(news.etag).not.toBe(first.etag)
  })

  it('publishes once, however often it says so', async () => {
    const command = [{ type: 'publish', ref: 1, channel: 'room:once', data: { n: 1 }, messageId: 'm1' }]
    const send = async () =>
      JSON.parse(await curl(endpoint, '-H', 'Content-Type: application/json', '-d', JSON.stringify(command)))
    const [first] = await send()
    expect(first).toMatchObject({ type: 'result', ref: 1, value: { duplicate: false } })
    expect(await send()).toEqual([{ ...first, value: { ...first.value, duplicate: true } }])
  })
})
