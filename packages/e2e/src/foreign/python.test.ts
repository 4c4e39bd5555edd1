// A WebSocket client in Python that knows rt only from docs/protocol.md: order and completeness through the death of its server.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { RedisServer } from '@rt/server/testing'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ask } from '../plain-client'
import { ServerProcess } from '../server-process'

const { RT_PYTHON, REDIS_SERVER } = process.env

/** One line of the client. */
interface Line {
  readonly connected?: string
  readonly cursor?: boolean
  readonly gap?: string
  readonly id?: string
  readonly n?: number
}

describe.skipIf(!RT_PYTHON || !REDIS_SERVER)('a client in Python', () => {
  let store: RedisServer
  /** The node that dies, and the one that lives and publishes. */
  let mortal: ServerProcess
  let other: ServerProcess

  beforeAll(async () => {
    store = await RedisServer.start()
    mortal = await ServerProcess.start({ redisUrl: store.url })
    other = await ServerProcess.start({ redisUrl: store.url })
  })
  afterAll(async () => {
    await mortal.kill()
    await other.kill()
    await store.close()
  })

  it('subscribes, publishes, and resumes by its cursor: nothing is lost, doubled or out of order', async () => {
    const own = 400
    const others = 100
    const script = fileURLToPath(new URL('./client.py', import.meta.url))
    const endpoint = `ws://127.0.0.1:${mortal.port}/rt`
    const python = spawn(RT_PYTHON as string, [script, endpoint, 'room:python', String(own), String(own + others)])
    onTestFinished(() => void python.kill())
    const lines: Line[] = []
    let stderr = ''
    python.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const exit = once(python, 'exit')
    const output = createInterface({ input: python.stdout })
    output.on('line', (line) => lines.push(JSON.parse(line) as Line))
    const delivered = async (wanted: number) => {
      while (!lines.some(({ n }) => n === wanted)) await once(output, 'line')
    }

    await delivered(1)
    let published = 0
    const publish = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const command = { type: 'publish', ref: 1, channel: 'room:python', data: { n: 1000 + ++published } }
        const body = JSON.stringify([command])
        const answer = await ask(`${other.origin}/rt`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        })
        expect(JSON.parse(answer.text)).toMatchObject([{ value: { duplicate: false } }])
      }
    }
    for (let lives = 2; lives > 0; lives--) {
      await publish(25)
      // So it is there (again). It is killed in the midst of its publishing, which goes on when the server is back.
      await delivered(1000 + published)
      await mortal.kill()
      await publish(25)
      mortal = await ServerProcess.start({ redisUrl: store.url, port: mortal.port })
    }

    expect([await exit, stderr]).toEqual([[0, null], ''])
    const connections = lines.filter(({ connected }) => connected !== undefined)
    expect(connections).toEqual([
      { connected: 'rt.v1', cursor: false },
      { connected: 'rt.v1', cursor: true },
      { connected: 'rt.v1', cursor: true },
    ])
    expect(lines.filter(({ gap }) => gap !== undefined)).toEqual([])
    const seen = lines.flatMap(({ n }) => n ?? [])
    expect(seen.filter((n) => n <= 1000)).toEqual(Array.from({ length: own }, (_, i) => i + 1))
    expect(seen.filter((n) => n > 1000)).toEqual(Array.from({ length: others }, (_, i) => 1001 + i))
  })
})
