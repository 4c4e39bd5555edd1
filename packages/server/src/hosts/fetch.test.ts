import { limits } from '@rt/protocol'
import { beforeEach, describe, expect, test } from 'vitest'
import { CURSOR, control, hello, message, ScriptedGateway } from '../transports/scripted-gateway.fixture'
import { createFetchHandler, type FetchHandler } from './fetch'

let gateway: ScriptedGateway
let handle: FetchHandler

beforeEach(() => {
  gateway = new ScriptedGateway()
  handle = createFetchHandler(gateway)
})

const URL_A = 'http://h.example/rt?channels=a'
const sse = { accept: 'text/event-stream' }
const json = { 'content-type': 'application/json' }

describe('the fetch host', () => {
  test('streams, and frees everything when the body is cancelled', async () => {
    const response = await handle(new Request(URL_A, { headers: sse }))
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const decoder = new TextDecoder()
    let text = ''
    while (!text.endsWith(':\n\n')) text += decoder.decode((await reader.read()).value)
    expect(text).toContain(`data: ${hello.json}\n\nid: ${CURSOR}\n\n`)
    const opened = await gateway.opened()
    await reader.cancel()
    await opened.closed
    expect(opened.wire.write([control({ type: 'beat' })], null)).toBe(false)
    opened.wire.close(null)
  })

  test('frees everything when the request is aborted', async () => {
    const controller = new AbortController()
    await handle(new Request(URL_A, { headers: sse, signal: controller.signal }))
    const opened = await gateway.opened()
    controller.abort()
    await opened.closed
  })

  test('opens nothing that lasts for a request that is aborted already', async () => {
    await handle(new Request(URL_A, { headers: sse, signal: AbortSignal.abort() }))
    await (await gateway.opened()).closed
  })

  test('sees a reader that does not keep up, and when it does again', async () => {
    const response = await handle(new Request(URL_A, { headers: sse }))
    const opened = await gateway.opened()
    const large = message('a', '1-0', 'x'.repeat(20_000))
    expect(opened.wire.write([large], null)).toBe(false)
    const drained = opened.drained()
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    for (let size = 0; size < 20_000; ) size += (await reader.read()).value?.length ?? 0
    await drained
    expect(opened.wire.write([control({ type: 'beat' })], null)).toBe(true)
  })

  test('ends a stream that the server ends', async () => {
    const response = await handle(new Request(URL_A, { headers: sse }))
    const opened = await gateway.opened()
    opened.wire.close(null)
    expect(await response.text()).toContain('hello')
  })

  test('polls, with a body only where there is one', async () => {
    gateway.onOpen = ({ wire }) => queueMicrotask(() => wire.caughtUp?.())
    const url = `${URL_A}&cursor=${CURSOR}`
    expect(await (await handle(new Request(url))).json()).toEqual({ events: [], cursor: CURSOR, next: 5000 })
    const same = await handle(new Request(url, { headers: { 'if-none-match': `"${CURSOR}"` } }))
    expect([same.status, same.body]).toEqual([304, null])
  })

  test('runs commands, in whatever pieces the body comes', async () => {
    const text = '[{"type":"publish","ref":1,"channel":"a","data":"é"}]'
    const bytes = new TextEncoder().encode(text)
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    const response = await handle(
      new Request('http://h.example/rt', { method: 'POST', headers: json, body, duplex: 'half' }),
    )
    expect(response.status).toBe(200)
    expect(gateway.executed[0]?.text).toBe(text)
  })

  test('turns away bodies that are no UTF-8, also when the text ends within a character', async () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xe2, 0x82],
    ]) {
      const body = Uint8Array.from(bytes)
      const response = await handle(new Request('http://h.example/rt', { method: 'POST', headers: json, body }))
      expect([response.status, await response.json()]).toMatchObject([400, { error: { code: 'invalid_request' } }])
    }
    expect(gateway.executed).toEqual([])
  })

  test('stops reading a body that is too large', async () => {
    let pulls = 0
    let cancelled = false
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulls++
        controller.enqueue(new Uint8Array(10_000))
      },
      cancel() {
        cancelled = true
      },
    })
    const response = await handle(
      new Request('http://h.example/rt', { method: 'POST', headers: json, body, duplex: 'half' }),
    )
    expect(response.status).toBe(413)
    expect(cancelled).toBe(true)
    expect(pulls).toBeLessThan(limits.frameBytes / 10_000 + 5)
  })

  test('checks the Origin against the host of the request', async () => {
    gateway.onOpen = ({ wire }) => queueMicrotask(() => wire.caughtUp?.())
    const ask = (origin: string) => handle(new Request(URL_A, { headers: { origin } }))
    expect((await ask('http://h.example')).status).toBe(200)
    expect((await ask('http://evil.example')).status).toBe(403)
  })
})
