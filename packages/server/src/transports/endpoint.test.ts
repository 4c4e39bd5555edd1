import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { limits, RealtimeError } from '@rt/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createNodeHandler } from '../hosts/node'
import { CURSOR, ScriptedGateway } from './scripted-gateway.fixture'

let gateway: ScriptedGateway
let server: Server

beforeEach(async () => {
  gateway = new ScriptedGateway()
  gateway.onOpen = (opened) => queueMicrotask(() => opened.wire.caughtUp?.())
  server = createServer(createNodeHandler(gateway))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A request with every header in the test's hand, as `fetch` does not allow; a stream is read up to its first bytes. */
function ask(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const port = (server.address() as AddressInfo).port
    const req = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
      const chunks: Buffer[] = []
      const done = () =>
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString() })
      res.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        if (res.headers['content-type'] === 'text/event-stream') {
          done()
          req.destroy()
        }
      })
      res.on('end', done)
      res.on('error', () => {})
    })
    req.on('error', reject)
    req.end(body)
  })
}

const json = { 'content-type': 'application/json' }
const OPEN = JSON.stringify({ type: 'open', channels: [{ channel: 'a' }] })
const PUBLISH = JSON.stringify([{ type: 'publish', ref: 1, channel: 'a', data: 'open' }])

describe('one endpoint, many printings', () => {
  test.each([
    ['text/event-stream', 'text/event-stream'],
    ['text/event-stream, */*;q=0.1', 'text/event-stream'],
    ['application/json, text/event-stream', 'text/event-stream'],
    ['TEXT/Event-Stream', 'text/event-stream'],
    ['application/json', 'application/json; charset=utf-8'],
    ['application/*', 'application/json; charset=utf-8'],
    ['*/*', 'application/json; charset=utf-8'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/json; charset=utf-8'],
    ['text/event-stream;q=0, application/json', 'application/json; charset=utf-8'],
    [undefined, 'application/json; charset=utf-8'],
  ])('GET that accepts %s gets %s', async (accept, type) => {
    const answer = await ask('GET', '/rt?channels=a', accept === undefined ? {} : { accept })
    expect([answer.status, answer.headers['content-type']]).toEqual([200, type])
  })

  test.each(['text/html', 'image/*', 'application/json;q=0', ''])(
    'GET that accepts only "%s" gets 406',
    async (accept) => {
      const answer = await ask('GET', '/rt?channels=a', { accept })
      expect([answer.status, code(answer)]).toEqual([406, 'not_acceptable'])
    },
  )

  test.each([
    ['GET', '/rt?channels=a', { accept: 'text/event-stream' }, undefined, 'sse'],
    ['GET', '/rt?channels=a', {}, undefined, 'poll'],
    ['GET', '/rt?channels=a&wait=0', {}, undefined, 'poll'],
    ['GET', '/rt?channels=a&wait=1', {}, undefined, 'long-poll'],
    ['POST', '/rt', { ...json, accept: 'text/event-stream' }, OPEN, 'sse'],
    ['POST', '/rt', json, OPEN, 'poll'],
    ['POST', '/rt', json, `[${OPEN}]`, 'poll'],
    ['POST', '/rt?wait=1', json, OPEN, 'long-poll'],
  ] as const)('%s %s %j opens as its transport', async (method, path, headers, body, transport) => {
    gateway.pollHold = 1
    const opening = gateway.opened()
    await ask(method, path, headers, body)
    expect((await opening).request).toMatchObject({ transport, channels: [{ channel: 'a', new: true }], cursor: null })
  })

  test('POST of commands runs them and answers with their results', async () => {
    const answer = await ask('POST', '/rt', { ...json, authorization: 'Bearer ada' }, PUBLISH)
    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.body)).toEqual([{ type: 'result', ref: 1, value: { id: '1-0' } }])
    expect(gateway.executed).toEqual([{ text: PUBLISH, identity: { id: 'ada' } }])
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'application/json; charset=utf-8',
      'x-content-type-options': 'nosniff',
    })
  })

  test('the token of an `open` command is what authenticate sees', async () => {
    const opening = gateway.opened()
    await ask(
      'POST',
      '/rt',
      { ...json, authorization: 'Bearer other' },
      JSON.stringify({ ...JSON.parse(OPEN), token: 'ada' }),
    )
    expect((await opening).request.identity).toEqual({ id: 'ada' })
  })

  test('a token that no header can carry is refused', async () => {
    const answer = await ask('POST', '/rt', json, JSON.stringify({ ...JSON.parse(OPEN), token: 'a\nb: c' }))
    expect([answer.status, code(answer)]).toEqual([401, 'unauthenticated'])
  })

  test('authenticate sees cookies, headers and the URL', async () => {
    await ask('GET', '/rt?channels=a&x=1', { cookie: 'sid=7', 'user-agent': 'test' })
    const [seen] = gateway.requests
    expect(seen?.headers.get('cookie')).toBe('sid=7')
    expect(seen?.headers.get('user-agent')).toBe('test')
    expect(new URL(seen?.url ?? '').search).toBe('?channels=a&x=1')
  })

  test('Last-Event-ID is the cursor of a stream', async () => {
    const opening = gateway.opened()
    await ask('GET', '/rt?channels=a&cursor=older', { accept: 'text/event-stream', 'last-event-id': CURSOR })
    expect((await opening).request).toMatchObject({ cursor: CURSOR, channels: [{ channel: 'a', new: false }] })
  })

  test.each(['HEAD', 'PUT', 'DELETE', 'PATCH'])('%s is not allowed, and told what is', async (method) => {
    const answer = await ask(method, '/rt?channels=a')
    expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, POST, OPTIONS'])
  })

  test('a WebSocket handshake that no upgrade handler saw is told so', async () => {
    const answer = await ask('GET', '/rt?channels=a', {
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
    })
    expect([answer.status, code(answer)]).toEqual([501, 'unsupported'])
  })
})

describe('what is refused', () => {
  test.each([
    ['GET', '/rt', {}, undefined, 400, 'invalid_request', 'channels'],
    ['GET', '/rt', { accept: 'text/event-stream' }, undefined, 400, 'invalid_request', 'channels'],
    ['GET', '/rt?channels=a&wait=99', {}, undefined, 400, 'invalid_request', 'wait'],
    ['GET', '/rt?channels=a&last=x', { accept: 'text/event-stream' }, undefined, 400, 'invalid_request', 'last'],
    ['GET', '/rt?channels=a', { authorization: 'Bearer error-token_expired' }, undefined, 401, 'token_expired', ''],
    ['POST', '/rt', { ...json, authorization: 'Bearer error-unauthenticated' }, PUBLISH, 401, 'unauthenticated', ''],
    ['POST', '/rt', {}, PUBLISH, 415, 'unsupported_media_type', ''],
    ['POST', '/rt', { 'content-type': 'text/plain' }, PUBLISH, 415, 'unsupported_media_type', ''],
    ['POST', '/rt', { 'content-type': 'application/jsonp' }, PUBLISH, 415, 'unsupported_media_type', ''],
    ['POST', '/rt', { ...json, accept: 'text/event-stream' }, PUBLISH, 400, 'invalid_request', 'open'],
    [
      'POST',
      '/rt',
      { ...json, accept: 'text/event-stream' },
      '{"type":"open","channels":[]}',
      400,
      'invalid_request',
      'channels',
    ],
    ['POST', '/rt?wait=1', json, PUBLISH, 400, 'invalid_request', 'open'],
    ['POST', '/rt?wait=1', json, '{', 400, 'invalid_request', 'JSON'],
  ] as const)('%s %s %j %s → %i %s', async (method, path, headers, body, status, expected, named) => {
    const answer = await ask(method, path, headers, body)
    expect([answer.status, code(answer)]).toEqual([status, expected])
    expect(JSON.parse(answer.body).error.message).toContain(named)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
    })
    expect(gateway.executed).toEqual([])
  })

  test('a charset behind application/json is fine', async () => {
    expect((await ask('POST', '/rt', { 'content-type': 'application/json; charset=utf-8' }, PUBLISH)).status).toBe(200)
  })

  test('the refusal of all channels is the reply, with its time to wait in whole seconds', async () => {
    gateway.refusal = new RealtimeError('rate_limited', 'Slowly.', { retryAfter: 1_200 })
    for (const accept of ['text/event-stream', 'application/json']) {
      const answer = await ask('GET', '/rt?channels=a', { accept })
      expect([answer.status, answer.headers['retry-after']]).toEqual([429, '2'])
      expect(JSON.parse(answer.body)).toEqual({
        error: expect.objectContaining({ code: 'rate_limited', retryAfter: 1200, retryable: true }),
      })
    }
  })

  test('what the app threw leaks nothing', async () => {
    gateway.authenticate = () => Promise.reject(new Error('password=1'))
    const answer = await ask('GET', '/rt?channels=a')
    expect([answer.status, code(answer)]).toEqual([500, 'internal'])
    expect(answer.body).not.toContain('password')
  })

  test.each([
    ['declared', { 'content-length': String(limits.frameBytes + 1) }],
    ['chunked', { 'transfer-encoding': 'chunked' }],
  ])('a body that is too large (%s) is answered, not read', async (_, headers) => {
    const answer = await ask(
      'POST',
      '/rt',
      { ...json, ...headers, connection: 'keep-alive' },
      'x'.repeat(limits.frameBytes + 1),
    )
    expect([answer.status, code(answer), answer.headers.connection]).toEqual([413, 'payload_too_large', 'close'])
  })

  test('a body that was read leaves the socket to the next request', async () => {
    const answer = await ask('POST', '/rt', { ...json, connection: 'keep-alive' }, PUBLISH)
    expect([answer.status, answer.headers.connection]).toEqual([200, 'keep-alive'])
  })

  test('a body of the greatest size is read', async () => {
    const text = JSON.stringify([{ type: 'publish', ref: 1, channel: 'a', data: 'x'.repeat(limits.frameBytes - 55) }])
    const answer = await ask('POST', '/rt', json, text.padEnd(limits.frameBytes))
    expect(answer.status).toBe(200)
  })
})

describe('who comes in', () => {
  test('is counted by the address that the proxy in front saw', async () => {
    await ask('GET', '/rt?channels=a', { 'x-forwarded-for': '198.51.100.1' })
    gateway.trustedProxies = 1
    await ask('GET', '/rt?channels=a', { 'x-forwarded-for': '6.6.6.6, 198.51.100.1' })
    await ask('POST', '/rt', json, PUBLISH)
    await ask('OPTIONS', '/rt')
    expect(gateway.knocks).toEqual([null, '198.51.100.1', '127.0.0.1'])
  })

  test.each([
    ['a poll', 'GET', {}, undefined],
    ['a stream', 'GET', { accept: 'text/event-stream' }, undefined],
    ['a stream by POST', 'POST', { accept: 'text/event-stream', ...json }, OPEN],
  ] as const)('is counted for as long as %s is there, also one that is refused', async (_, method, headers, body) => {
    const path = method === 'GET' ? '/rt?channels=a' : '/rt'
    let most = 0
    gateway.onOpen = (opened) => {
      most = Math.max(most, gateway.present)
      queueMicrotask(() => opened.wire.caughtUp?.())
    }
    await ask(method, path, headers, body)
    await expect.poll(() => gateway.present).toBe(0)
    expect(most).toBe(1)
    gateway.refusal = new RealtimeError('forbidden', 'No.')
    await ask(method, path, headers, body)
    await ask(method, path, { ...headers, authorization: 'Bearer error-unauthenticated' }, body)
    expect(gateway.present).toBe(0)
  })

  test('is told when to come back where there is too much to do, each in its way, before the app is asked who it is', async () => {
    gateway.shed = new RealtimeError('overloaded', 'Too much.', { retryAfter: 3100 })
    const stream = await ask('GET', '/rt?channels=a', { accept: 'text/event-stream' })
    expect(stream.status).toBe(200)
    expect(stream.body).toMatch(/^retry: 3100\ndata: \{"type":"bye".*"code":"overloaded".*\}\n\n$/)
    for (const [method, path, headers, body] of [
      ['GET', '/rt?channels=a', {}, undefined],
      ['POST', '/rt', { accept: 'text/event-stream', ...json }, OPEN],
    ] as const) {
      const { status, headers: got, body: text } = await ask(method, path, headers, body)
      expect([status, got['retry-after']]).toEqual([503, '4'])
      expect(JSON.parse(text)).toMatchObject({ error: { code: 'overloaded', retryAfter: 3100 } })
    }
    expect([gateway.requests, gateway.present]).toEqual([[], 0])
  })

  test('sends commands all the same: they are of those who are there', async () => {
    gateway.shed = new RealtimeError('overloaded', 'Too much.')
    expect((await ask('POST', '/rt', json, PUBLISH)).status).toBe(200)
  })
})

describe('web pages', () => {
  const allowed = 'https://app.example'

  test.each([
    ['GET', '/rt?channels=a', {}, undefined, 200],
    ['GET', '/rt?channels=a', { accept: 'text/event-stream' }, undefined, 200],
    ['POST', '/rt', json, PUBLISH, 200],
    ['GET', '/rt', {}, undefined, 400],
  ] as const)('of an allowed Origin may read %s %s %j', async (method, path, headers, body, status) => {
    const answer = await ask(method, path, { ...headers, origin: allowed }, body)
    expect(answer.status).toBe(status)
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': allowed,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'ETag, Retry-After',
      vary: 'Origin',
    })
  })

  test.each(['https://evil.example', 'https://app.example.evil', 'null', 'https://app.example, https://evil.example'])(
    'of Origin %s are refused everywhere and can not read why',
    async (origin) => {
      for (const [method, path, headers, body] of [
        ['GET', '/rt?channels=a', {}, undefined],
        ['GET', '/rt?channels=a', { accept: 'text/event-stream' }, undefined],
        ['POST', '/rt', json, PUBLISH],
        ['OPTIONS', '/rt', { 'access-control-request-method': 'POST' }, undefined],
      ] as const) {
        const answer = await ask(method, path, { ...headers, origin }, body)
        expect([answer.status, code(answer)]).toEqual([403, 'forbidden'])
        expect(answer.headers['access-control-allow-origin']).toBeUndefined()
        expect(answer.headers.vary).toBe('Origin')
      }
      expect(gateway.requests).toEqual([])
    },
  )

  test('a preflight of an allowed Origin is answered for two hours', async () => {
    const answer = await ask('OPTIONS', '/rt', { origin: allowed, 'access-control-request-method': 'POST' })
    expect([answer.status, answer.body]).toEqual([204, ''])
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': allowed,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type, last-event-id, if-none-match',
      'access-control-max-age': '7200',
      vary: 'Origin',
    })
  })

  test('who sends no Origin is told that answers depend on it', async () => {
    const answer = await ask('GET', '/rt?channels=a')
    expect(answer.headers.vary).toBe('Origin')
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })

  test('a cross-site GET without an Origin is a link that somebody follows', async () => {
    expect((await ask('GET', '/rt?channels=a', { 'sec-fetch-site': 'cross-site' })).status).toBe(200)
  })

  test('a cross-site POST without an Origin is refused, one from the same site is not', async () => {
    const cross = await ask('POST', '/rt', { ...json, 'sec-fetch-site': 'cross-site' }, PUBLISH)
    expect([cross.status, code(cross)]).toEqual([403, 'forbidden'])
    expect((await ask('POST', '/rt', { ...json, 'sec-fetch-site': 'same-origin' }, PUBLISH)).status).toBe(200)
    expect(
      (await ask('POST', '/rt', { ...json, 'sec-fetch-site': 'cross-site', origin: allowed }, PUBLISH)).status,
    ).toBe(200)
  })
})

function code(answer: Answer): string | undefined {
  return answer.body === '' ? undefined : JSON.parse(answer.body).error.code
}
