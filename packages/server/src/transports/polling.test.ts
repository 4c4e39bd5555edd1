import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type PollBody, RealtimeError } from '@rt/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createNodeHandler } from '../hosts/node'
import { CURSOR, control, message, type Opened, ScriptedGateway } from './scripted-gateway.fixture'

let gateway: ScriptedGateway
let server: Server
let url: string

beforeEach(async () => {
  gateway = new ScriptedGateway()
  server = createServer(createNodeHandler(gateway))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rt`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const news = [message('a', '1-0'), message('a', '2-0')]
const subscribed = control({ type: 'subscribed', channel: 'a', id: '1-0' })

/** Polls, and prints what the test says as soon as the connection is open. */
async function poll(
  query: string,
  print: (opened: Opened) => void,
  headers: Record<string, string> = {},
): Promise<Response> {
  const opening = gateway.opened()
  const answer = fetch(`${url}?${query}`, { headers })
  const opened = await opening
  print(opened)
  const response = await answer
  // Whatever the answer was, nothing is left behind.
  await opened.closed
  return response
}

const bodyOf = async (response: Response) => (await response.json()) as PollBody

describe('a short poll', () => {
  test('answers when everything up to now is printed', async () => {
    const response = await poll('channels=a', ({ wire }) => {
      wire.write([subscribed, ...news], '1.1.x')
      wire.write([control({ type: 'beat' }), message('a', '3-0')], '1.1.y')
      wire.caughtUp?.()
      wire.write([message('a', '4-0')], '1.1.z')
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-length')).not.toBeNull()
    expect(response.headers.get('etag')).toBe('"1.1.y"')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await bodyOf(response)).toEqual({
      events: [subscribed, ...news, message('a', '3-0')].map((item) => JSON.parse(item.json)),
      cursor: '1.1.y',
      next: 5_000,
    })
  })

  test('says whom the server takes the client for, if for anybody', async () => {
    const print = ({ wire }: Opened) => {
      wire.write([], '1.1.x')
      wire.caughtUp?.()
    }
    const ann = await poll('channels=a', print, { authorization: 'Bearer ann' })
    expect(await bodyOf(ann)).toMatchObject({ identity: 'ann', cursor: '1.1.x' })
    expect(await bodyOf(await poll('channels=a', print))).not.toHaveProperty('identity')
  })

  test('that knows the cursor gets 304 while there is nothing new', async () => {
    const response = await poll(`channels=a&cursor=${CURSOR}`, ({ wire }) => wire.caughtUp?.(), {
      'if-none-match': `"${CURSOR}"`,
    })
    expect([response.status, response.headers.get('etag'), await response.text()]).toEqual([304, `"${CURSOR}"`, ''])
  })

  test.each([`W/"${CURSOR}"`, `"other", "${CURSOR}"`])('gets 304 for %s too, as proxies send it', async (tags) => {
    const response = await poll(`channels=a&cursor=${CURSOR}`, ({ wire }) => wire.caughtUp?.(), {
      'if-none-match': tags,
    })
    expect([response.status, response.headers.get('etag')]).toEqual([304, `"${CURSOR}"`])
  })

  test('gets 304 also when only the clock moved on', async () => {
    const print = ({ wire }: Opened) => {
      wire.write([subscribed], '1.1.later')
      wire.caughtUp?.()
    }
    const response = await poll(`channels=a&cursor=${CURSOR}`, print, { 'if-none-match': `"${CURSOR}"` })
    expect([response.status, response.headers.get('etag')]).toEqual([304, `"${CURSOR}"`])
  })

  test.each([
    ['a publication', news],
    ['a gap', [control({ type: 'gap', channel: 'a', reason: 'history' })]],
    ['the loss of a channel', [control({ type: 'unsubscribed', channel: 'a' })]],
    ['a broker that is away', [control({ type: 'status', broker: 'degraded' })]],
  ])('gets no 304 when there is %s', async (_, items) => {
    const print = ({ wire }: Opened) => {
      wire.write(items, null)
      wire.caughtUp?.()
    }
    const response = await poll(`channels=a&cursor=${CURSOR}`, print, { 'if-none-match': `"${CURSOR}"` })
    expect(response.status).toBe(200)
  })

  test('gets no 304 for a channel that is new on it, nor for another cursor', async () => {
    const print = ({ wire }: Opened) => {
      wire.write([subscribed], null)
      wire.caughtUp?.()
    }
    expect((await poll(`channels=a&new=a&cursor=${CURSOR}`, print, { 'if-none-match': `"${CURSOR}"` })).status).toBe(
      200,
    )
    expect((await poll(`channels=a&cursor=${CURSOR}`, print, { 'if-none-match': '"other"' })).status).toBe(200)
  })

  test('that would be too large goes out in parts, the next one at once', async () => {
    const large = message('a', '1-0', 'x'.repeat(300_000))
    const response = await poll('channels=a', ({ wire }) => {
      expect(wire.write([large], '1.1.x')).toBe(false)
    })
    expect(await bodyOf(response)).toMatchObject({ cursor: '1.1.x', next: 0, events: [{ id: '1-0' }] })
  })
})

describe('a long poll', () => {
  test('is held until there is news, and then asked to come again at once', async () => {
    gateway.first = [control({ type: 'status', broker: 'degraded' })]
    const response = await poll(`channels=a&cursor=${CURSOR}&wait=60`, ({ wire }) => {
      wire.write([subscribed], '1.1.w')
      wire.caughtUp?.()
      wire.write([control({ type: 'beat' })], null)
      wire.write(news, '1.1.x')
    })
    expect(await bodyOf(response)).toMatchObject({
      events: [{ type: 'status' }, { type: 'subscribed' }, { id: '1-0' }, { id: '2-0' }],
      cursor: '1.1.x',
      next: 0,
    })
  })

  test('tells at once that the broker went away or came back, for others are told at once', async () => {
    const response = await poll(`channels=a&cursor=${CURSOR}&wait=60`, ({ wire }) => {
      wire.write([subscribed], '1.1.w')
      wire.write([control({ type: 'status', broker: 'degraded' })], null)
    })
    expect(await bodyOf(response)).toMatchObject({
      events: [{ type: 'subscribed' }, { type: 'status', broker: 'degraded' }],
      cursor: '1.1.w',
      next: 0,
    })
  })

  test('ends for a channel that is new on it', async () => {
    const response = await poll('channels=a&wait=60', ({ wire }) => void wire.write([subscribed], '1.1.x'))
    expect(await bodyOf(response)).toMatchObject({ events: [{ type: 'subscribed' }], next: 0 })
  })

  test('of channels that are not logged is held as well, though each tells them anew', async () => {
    const established = control({ type: 'subscribed', channel: 'a' })
    const first = await poll('channels=a&wait=60', ({ wire }) => {
      wire.write([established], '1.1')
      wire.caughtUp?.()
    })
    expect(await bodyOf(first)).toMatchObject({ events: [{ type: 'subscribed' }], cursor: '1.1', next: 0 })
    const second = await poll('channels=a&cursor=1.1&wait=60', ({ wire }) => {
      wire.write([established], '1.1')
      wire.caughtUp?.()
      wire.write([{ kind: 'live', channel: 'a', json: '{"type":"live","channel":"a","data":1}' }], null)
    })
    expect(await bodyOf(second)).toMatchObject({ events: [{ type: 'subscribed' }, { type: 'live' }], cursor: '1.1' })
  })

  test('has no answer without a cursor, whatever is said of it', async () => {
    gateway.open = async (_, wire) => {
      queueMicrotask(() => {
        wire.write([subscribed], null)
        wire.caughtUp?.()
      })
      return { id: '', drained() {}, receive() {}, closed() {} }
    }
    expect((await fetch(`${url}?channels=a&wait=60`)).status).toBe(503)
  })

  test('ends without news after its hold, with the cursor reached', async () => {
    gateway.pollHold = 20
    const response = await poll(`channels=a&cursor=${CURSOR}&wait=60`, ({ wire }) => void wire.write([], '1.1.x'))
    expect(await bodyOf(response)).toEqual({ events: [], cursor: '1.1.x', next: 0 })
  })

  test('never answers half: without any cursor it is an error', async () => {
    gateway.pollHold = 20
    gateway.open = async () => ({ id: '', drained() {}, receive() {}, closed() {} })
    const response = await fetch(`${url}?channels=a&wait=60`)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
    expect(await response.json()).toMatchObject({ error: { code: 'broker_unavailable' } })
  })

  test('of a node that goes away is answered, so that the next goes to another', async () => {
    const response = await poll(`channels=a&cursor=${CURSOR}&wait=60`, ({ wire }) =>
      wire.close(new RealtimeError('draining', 'Bye.', { retryAfter: 300 })),
    )
    expect(await bodyOf(response)).toEqual({ events: [], cursor: CURSOR, next: 300 })
  })

  test('of an identity that expires is the error', async () => {
    const response = await poll(`channels=a&cursor=${CURSOR}&wait=60`, ({ wire }) =>
      wire.close(new RealtimeError('token_expired', 'Expired.')),
    )
    expect(response.status).toBe(401)
  })

  test('that is given up frees everything', async () => {
    const controller = new AbortController()
    const opening = gateway.opened()
    const answer = fetch(`${url}?channels=a&wait=60`, { signal: controller.signal })
    const opened = await opening
    controller.abort()
    await expect(answer).rejects.toThrow()
    await opened.closed
    expect(opened.wire.write(news, null)).toBe(false)
  })

  test('that is given up while the gateway still decides frees everything', async () => {
    const open = gateway.open.bind(gateway)
    let go = () => {}
    const deciding = new Promise<void>((seen) => {
      gateway.open = async (request, wire) => {
        seen()
        await new Promise<void>((resolve) => {
          go = resolve
        })
        return open(request, wire)
      }
    })
    const ended = new Promise((resolve) => server.once('request', (_, res) => res.once('close', resolve)))
    const controller = new AbortController()
    const answer = fetch(`${url}?channels=a&wait=60`, { signal: controller.signal })
    await deciding
    controller.abort()
    await expect(answer).rejects.toThrow()
    await ended
    go()
    await (await gateway.opened()).closed
  })

  test('that is refused leaves its socket usable', async () => {
    gateway.refusal = new RealtimeError('forbidden', 'No.')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const request = 'GET /rt?channels=a&wait=60 HTTP/1.1\r\nhost: x\r\n\r\n'
    socket.write(request)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.write(request)
    expect(String(await new Promise((resolve) => socket.once('data', resolve)))).toContain('403 Forbidden')
    socket.destroy()
  })
})
