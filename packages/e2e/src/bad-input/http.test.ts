// HTTP that nobody should send: each is answered with the documented error, and hurts nobody beside it.
import { once } from 'node:events'
import { connect } from 'node:net'
import { type ErrorCode, limits } from '@rt/protocol'
import { describe, expect } from 'vitest'
import { ask, exchange } from '../plain-client'
import { askAndGoOn, countRow, endpoint, expectRefusal, host, PAGE, server, test } from './stage'

const get = (headers: string, target = '/rt?channels=room:1', method = 'GET') =>
  `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`
const postHead = (headers: string) => get(`Content-Type: application/json\r\n${headers}`, '/rt', 'POST')
const upgradeHead = (headers: string) =>
  get(`Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${headers}`)

interface HttpRow {
  readonly name: string
  readonly bytes: () => readonly (string | Buffer)[]
  /** Of ours, with its body; or the status with which Node's parser answers by itself. */
  readonly answer: ErrorCode | number
  readonly headers?: Readonly<Record<string, string>>
}

const command = '[{"type":"publish","ref":1,"channel":"any:1","data":1}]'
const bom = Buffer.from([0xef, 0xbb, 0xbf])

const httpRows: readonly HttpRow[] = [
  ...['PUT', 'DELETE', 'PATCH', 'PROPFIND', 'TRACE', 'QUERY', 'SUBSCRIBE', 'PURGE'].map((method) => ({
    name: `the method ${method}`,
    bytes: () => [get('', '/rt', method)],
    answer: 'method_not_allowed' as const,
    headers: { allow: 'GET, POST, OPTIONS' },
  })),
  { name: 'a method that is none', bytes: () => [get('', '/rt', 'BREW')], answer: 400 },
  ...[
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/jsonp',
    'application/json+x',
    'text/json',
    'application/x-ndjson',
    'application/octet-stream',
    'text/plain; application/json',
    'text/plain;charset=application/json',
    'application/jsonx',
    'json',
    '',
  ].map((type) => ({
    name: `a POST of ${type || 'no type'}`,
    bytes: () => [get(`Content-Type: ${type}\r\nContent-Length: ${command.length}\r\n`, '/rt', 'POST'), command],
    answer: 'unsupported_media_type' as const,
  })),
  ...['text/html', 'image/*', 'application/json;q=0', 'text/event-stream;q=0, text/html'].map((type) => ({
    name: `Accept: ${type}`,
    bytes: () => [get(`Accept: ${type}\r\n`)],
    answer: 'not_acceptable' as const,
  })),
  {
    name: 'a body that says it is too large',
    bytes: () => [postHead(`Content-Length: ${limits.frameBytes + 1}\r\n`)],
    answer: 'payload_too_large',
    headers: { connection: 'close' },
  },
  {
    name: 'a body that is too large in chunks',
    bytes: () => [postHead('Transfer-Encoding: chunked\r\n'), `20000\r\n${' '.repeat(0x20000)}\r\n`],
    answer: 'payload_too_large',
    headers: { connection: 'close' },
  },
  {
    name: 'a body that is no UTF-8',
    bytes: () => {
      const body = Buffer.concat([
        Buffer.from('[{"type":"publish","ref":1,"channel":"any:1","data":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}]'),
      ])
      return [postHead(`Content-Length: ${body.length}\r\n`), body]
    },
    answer: 'invalid_request',
  },
  {
    name: 'a compressed body',
    bytes: () => [
      postHead('Content-Encoding: gzip\r\nContent-Length: 10\r\n'),
      Buffer.from('1f8b0800000000000003', 'hex'),
    ],
    answer: 'invalid_request',
  },
  { name: 'a URL of 20,000 characters', bytes: () => [get('', `/rt?channels=${'x'.repeat(20_000)}`)], answer: 431 },
  { name: 'a header of 20,000 characters', bytes: () => [get(`Cookie: ${'x'.repeat(20_000)}\r\n`)], answer: 431 },
  { name: '1,500 headers', bytes: () => [get('a: b\r\n'.repeat(1_500))], answer: 'headers_too_large' },
  {
    name: '2,500 headers and a good Origin behind',
    bytes: () => [get(`${'a: b\r\n'.repeat(2_500)}Origin: ${PAGE}\r\n`)],
    answer: 'headers_too_large',
  },
  { name: 'a header name with a blank', bytes: () => [get('a b: c\r\n')], answer: 400 },
  {
    name: 'a header that goes on in the next line',
    bytes: () => [get('Origin: https://a\r\n .evil.example\r\n')],
    answer: 400,
  },
  { name: 'a lone CR in a header', bytes: () => [get('Origin: a\rb\r\n')], answer: 400 },
  { name: 'a length that is none', bytes: () => [postHead('Content-Length: x\r\n'), '[]'], answer: 400 },
  { name: 'a length below zero', bytes: () => [postHead('Content-Length: -1\r\n'), '[]'], answer: 400 },
  { name: 'a length with a sign', bytes: () => [postHead('Content-Length: +2\r\n'), '[]'], answer: 400 },
  {
    name: 'a length beyond numbers',
    bytes: () => [postHead('Content-Length: 99999999999999999999\r\n'), '[]'],
    answer: 400,
  },
  {
    name: 'chunks within chunks',
    bytes: () => [postHead('Transfer-Encoding: chunked, chunked\r\n'), '0\r\n\r\n'],
    answer: 400,
  },
  {
    name: 'a chunk size below zero',
    bytes: () => [postHead('Transfer-Encoding: chunked\r\n'), '-2\r\n[]\r\n'],
    answer: 400,
  },
  { name: 'HTTP/3.0', bytes: () => [`GET /rt HTTP/3.0\r\nHost: ${host}\r\n\r\n`], answer: 400 },
  { name: 'a version that is none', bytes: () => [`GET /rt HTTP/x\r\nHost: ${host}\r\n\r\n`], answer: 400 },
  {
    name: 'a target with a blank',
    bytes: () => [`GET /rt?channels=a b HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    answer: 400,
  },
  { name: 'an HTTP/2 preface', bytes: () => ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], answer: 400 },
  ...[
    'https://app.example:444',
    'http://app.example',
    'https://app.example.',
    'https://xapp.example',
    'https://app.example/',
    'https://user@app.example',
    'app.example',
    'file://',
    'chrome-extension://app.example',
    'https://app.example https://evil.example',
    '*',
  ].map((origin) => ({
    name: `the Origin ${origin}`,
    bytes: () => [get(`Origin: ${origin}\r\n`)],
    answer: 'forbidden' as const,
  })),
  {
    name: 'a form of another site, as a browser sends it',
    bytes: () => [
      get(
        `Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nContent-Type: text/plain\r\nContent-Length: ${command.length}\r\n`,
        '/rt',
        'POST',
      ),
      command,
    ],
    answer: 'forbidden',
  },
  {
    name: 'an event stream of an Origin that is not allowed',
    bytes: () => [get('Accept: text/event-stream\r\nOrigin: https://evil.example\r\n')],
    answer: 'forbidden',
  },
  {
    name: 'a long poll of an Origin that is not allowed',
    bytes: () => [get('Origin: https://evil.example\r\n', '/rt?channels=room:1&wait=25')],
    answer: 'forbidden',
  },
  { name: 'no Host', bytes: () => ['GET /rt?channels=room:1 HTTP/1.1\r\n\r\n'], answer: 400 },
  {
    name: 'a Host that is none',
    bytes: () => ['GET /rt?channels=room:1 HTTP/1.1\r\nHost: a b\r\n\r\n'],
    answer: 'invalid_request',
  },
  {
    name: 'a Host with a path',
    bytes: () => ['GET /rt?channels=room:1 HTTP/1.1\r\nHost: a/b\r\n\r\n'],
    answer: 'invalid_request',
  },
  {
    name: 'a Host with a port that is none',
    bytes: () => ['GET /rt?channels=room:1 HTTP/1.1\r\nHost: a:b\r\n\r\n'],
    answer: 'invalid_request',
  },
  { name: 'a header with NUL', bytes: () => [get('Origin: a\0b\r\n')], answer: 400 },
  { name: 'a header without a colon', bytes: () => [get('nonsense\r\n')], answer: 400 },
  { name: 'two lengths', bytes: () => [postHead('Content-Length: 2\r\nContent-Length: 3\r\n'), '[]'], answer: 400 },
  {
    name: 'a length and chunks',
    bytes: () => [postHead('Content-Length: 2\r\nTransfer-Encoding: chunked\r\n'), '[]'],
    answer: 400,
  },
  { name: 'a chunk without a size', bytes: () => [postHead('Transfer-Encoding: chunked\r\n'), 'zz\r\n'], answer: 400 },
  { name: 'an expectation that is none', bytes: () => [postHead(`Expect: x\r\nContent-Length: 0\r\n`)], answer: 417 },
  { name: 'TLS', bytes: () => [Buffer.from('16030100a5010000a10303', 'hex'), '\r\n\r\n'], answer: 400 },
  {
    name: 'an Origin that is not allowed',
    bytes: () => [get('Origin: https://evil.example\r\n')],
    answer: 'forbidden',
  },
  { name: 'the Origin null', bytes: () => [get('Origin: null\r\n')], answer: 'forbidden' },
  { name: 'an Origin with ours in front', bytes: () => [get(`Origin: ${PAGE}.evil.example\r\n`)], answer: 'forbidden' },
  {
    name: 'two Origins',
    bytes: () => [get(`Origin: ${PAGE}\r\nOrigin: https://evil.example\r\n`)],
    answer: 'forbidden',
  },
  { name: 'our Origin twice', bytes: () => [get(`Origin: ${PAGE}\r\nOrigin: ${PAGE}\r\n`)], answer: 'forbidden' },
  {
    name: 'a preflight of an Origin that is not allowed',
    bytes: () => [get('Origin: https://evil.example\r\n', '/rt', 'OPTIONS')],
    answer: 'forbidden',
  },
  {
    name: 'a cross-site POST without an Origin',
    bytes: () => [postHead(`Sec-Fetch-Site: cross-site\r\nContent-Length: ${command.length}\r\n`), command],
    answer: 'forbidden',
  },
  {
    name: 'an upgrade to something else',
    bytes: () => [get('Connection: Upgrade\r\nUpgrade: h2c\r\n')],
    answer: 'invalid_request',
  },
  {
    name: 'an upgrade by POST',
    bytes: () => [upgradeHead('Sec-WebSocket-Version: 13\r\n').replace('GET', 'POST')],
    answer: 'method_not_allowed',
  },
  {
    name: 'an upgrade to an unknown subprotocol',
    bytes: () => [upgradeHead('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-ws, __proto__\r\n')],
    answer: 'invalid_request',
  },
  {
    name: 'an upgrade of an Origin that is not allowed',
    bytes: () => [upgradeHead('Sec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n')],
    answer: 'forbidden',
  },
  {
    name: 'an upgrade with two Origins',
    bytes: () => [upgradeHead(`Sec-WebSocket-Version: 13\r\nOrigin: ${PAGE}\r\nOrigin: https://evil.example\r\n`)],
    answer: 'forbidden',
  },
  {
    name: 'an upgrade with 1,500 headers',
    bytes: () => [upgradeHead(`Sec-WebSocket-Version: 13\r\n${'a: b\r\n'.repeat(1_500)}`)],
    answer: 'headers_too_large',
  },
  {
    name: 'an upgrade with a Host that is none',
    bytes: () => [upgradeHead('Sec-WebSocket-Version: 13\r\n').replace(host, 'a b')],
    answer: 'invalid_request',
  },
  { name: 'an upgrade of another version', bytes: () => [upgradeHead('Sec-WebSocket-Version: 12\r\n')], answer: 400 },
  { name: 'an upgrade without a version', bytes: () => [upgradeHead('')], answer: 400 },
  {
    name: 'an upgrade with a key that is none',
    bytes: () => [upgradeHead('Sec-WebSocket-Version: 13\r\n').replace('AAAAAAAAAAAAAAAAAAAAAA==', 'x')],
    answer: 400,
  },
  {
    name: 'an upgrade with a broken subprotocol list',
    bytes: () => [upgradeHead('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: rt.v1, ,\r\n')],
    answer: 400,
  },
  {
    name: 'a handshake that lost its Upgrade header',
    bytes: () => [get('Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n')],
    answer: 'unsupported',
  },
]

describe('HTTP', () => {
  for (const { name, bytes, answer: wanted, headers = {} } of httpRows) {
    countRow()
    test(`${name} is answered with ${wanted}`, async () => {
      const answer = await exchange(server.port, bytes())
      if (typeof wanted === 'number') expect(answer.status).toBe(wanted)
      else expectRefusal(answer, wanted)
      expect(answer.headers).toMatchObject(headers)
      if (wanted === 'forbidden') expect(answer.headers['access-control-allow-origin']).toBeUndefined()
    })
  }

  for (const [name, bytes] of [
    ['the target as a whole URL', () => [`GET http://${host}/rt?channels=room:1 HTTP/1.1\r\nHost: ${host}\r\n\r\n`]],
    [
      'an unknown Host, as a proxy may send it',
      () => ['GET /rt?channels=room:1 HTTP/1.1\r\nHost: evil.example\r\n\r\n'],
    ],
    ['a fragment in the target', () => [get('', '/rt?channels=room:1#x')]],
    ['a body with a byte order mark', () => [postHead(`Content-Length: ${command.length + 3}\r\n`), bom, command]],
    ['a GET with a body', () => [get('Content-Length: 2\r\n'), '{}']],
  ] as const) {
    countRow()
    test(`${name} is harmless`, async () => {
      expect((await exchange(server.port, bytes())).status).toBe(200)
    })
  }

  countRow()
  test('a HEAD has no body, and says that it is not allowed', async () => {
    const answer = await ask(endpoint, { method: 'HEAD' })
    expect([answer.status, answer.text]).toEqual([405, ''])
  })

  countRow()
  test('a preflight of a page that is allowed names what is allowed', async () => {
    const headers = {
      origin: PAGE,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    }
    const answer = await askAndGoOn(endpoint, { method: 'OPTIONS', headers })
    expect(answer).toMatchObject({
      status: 204,
      text: '',
      headers: {
        vary: 'Origin',
        'access-control-allow-origin': PAGE,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers': expect.stringContaining('authorization, content-type'),
        'access-control-max-age': '7200',
      },
    })
  })

  for (const [name, bytes] of [
    ['half a request line', ['GET /rt?chan']],
    ['half a header', [`GET /rt?channels=room:1 HTTP/1.1\r\nHost: ${'x'.repeat(20)}`]],
    ['half a body', () => [postHead('Content-Length: 100\r\n'), '[{"type":"pub']],
    ['half a chunk', () => [postHead('Transfer-Encoding: chunked\r\n'), '64\r\n[{"type":"pub']],
    ['half a handshake', () => [upgradeHead('').slice(0, -2)]],
    ['a handshake, gone before the answer', () => [upgradeHead('Sec-WebSocket-Version: 13\r\n')]],
    ['an event stream, gone before the answer', () => [get('Accept: text/event-stream\r\n')]],
    ['a long poll, gone before the answer', () => [get('', '/rt?channels=room:1&wait=25')]],
    ['a command, gone before the answer', () => [postHead(`Content-Length: ${command.length}\r\n`), command]],
    ['fifty requests at once, gone before the answers', () => Array(50).fill(get('', '/rt?channels=room:1&wait=1'))],
  ] as const) {
    countRow()
    test(`${name}, and then nobody`, async () => {
      const socket = connect(server.port, '127.0.0.1').on('error', () => {})
      await once(socket, 'connect')
      for (const part of typeof bytes === 'function' ? bytes() : bytes) socket.write(part)
      // Behind this answer the server has read what came before it on the other connection.
      await ask(`${endpoint}?channels=room:1`)
      socket.resetAndDestroy()
      await once(socket, 'close')
    })
  }
})
