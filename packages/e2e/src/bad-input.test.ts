// What nobody should send, on every transport that can carry it: each is answered with the documented error, and hurts nobody beside it.
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type ErrorBody, type ErrorCode, errorTable, limits, type PollBody, type ServerEvent } from '@rt/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Answer,
  type Ask,
  ask,
  type Events,
  exchange,
  openSse,
  openWebSocket,
  type PlainSocket,
} from './plain-client'
import { ServerProcess } from './server-process'

const PAGE = 'https://app.example'
let server: ServerProcess
let endpoint = ''
let host = ''
let rows = 0
let cases = 0

// ── Beside each case: two healthy subscribers, which must go on ──────────────────────────────────────────────────────

const beside = new Map<string, Events>()
const undo: (() => void)[] = []
let published = 0

beforeAll(async () => {
  server = await ServerProcess.start({ options: { origins: [PAGE] } })
  endpoint = `${server.origin}/rt`
  host = `127.0.0.1:${server.port}`
  const { ws, events } = await openWebSocket(`${endpoint}?channels=room:healthy`)
  const sse = await openSse(`${endpoint}?channels=room:healthy`)
  beside.set('websocket', events)
  beside.set('sse', sse.events)
  for (const each of beside.values()) await each.next('subscribed')
  undo.push(() => ws.terminate(), sse.close)
})

afterAll(async () => {
  for (const run of undo.splice(0)) run()
  await server.kill()
  console.log(`bad input: ${rows} rows, on the transports that can carry them ${cases} cases`)
})

async function healthy(): Promise<void> {
  const n = ++published
  expect(server.running, server.stderr).toBe(true)
  const [result] = await post([{ type: 'publish', ref: 0, channel: 'room:healthy', data: { n } }])
  expect(result).toMatchObject({ value: { duplicate: false } })
  for (const events of beside.values()) expect(await events.next('message')).toMatchObject({ data: { n } })
  expect((await ask(`${server.origin}/prototype`)).text).toBe('[]')
  expect(server.stderr).toBe('')
}

async function post(commands: unknown): Promise<ServerEvent[]> {
  const answer = await ask(endpoint, { method: 'POST', headers: JSON_BODY, body: JSON.stringify(commands) })
  return JSON.parse(answer.text) as ServerEvent[]
}

/** Runs one row on one transport, and looks afterwards whether anybody was hurt. */
function test(name: string, run: () => Promise<void>): void {
  cases++
  it(name, async () => {
    await run()
    await healthy()
  })
}

// ── What is documented ───────────────────────────────────────────────────────────────────────────────────────────────

const JSON_BODY = { 'content-type': 'application/json' }
const SSE = { accept: 'text/event-stream' }

function expectRefusal(answer: Answer, code: ErrorCode): void {
  const body = JSON.parse(answer.text) as { error: ErrorBody }
  expect(body.error).toMatchObject({ code, retryable: errorTable[code].retryable, status: errorTable[code].status })
  expect(body.error.message).not.toBe('')
  expect(answer.status).toBe(errorTable[code].status)
  expect(answer.headers['content-type']).toContain('application/json')
}

async function expectBye({ events, closed }: PlainSocket, code: ErrorCode): Promise<void> {
  expect((await events.next('bye')).error).toMatchObject({ code, status: errorTable[code].status })
  expect(await closed).toEqual({ code: errorTable[code].close, reason: code })
}

/** The connection still takes a command, and its channels still get what is published. */
async function expectAlive(socket: PlainSocket): Promise<void> {
  const room = `room:alive${++published}`
  socket.ws.send(JSON.stringify([{ type: 'subscribe', channel: room }]))
  await socket.events.next('subscribed', ({ channel }) => channel === room)
  socket.ws.send(JSON.stringify([{ type: 'publish', ref: 4711, channel: room, data: { n: 1 } }]))
  await socket.events.next('message', ({ channel }) => channel === room)
  socket.ws.terminate()
}

/** The same HTTP connection still serves the next request; one whose body was not read to its end is closed instead. */
async function askAndGoOn(url: string, options: Ask = {}): Promise<Answer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const answer = await ask(url, { ...options, agent })
    const next = await ask(`${endpoint}?channels=room:1`, { agent })
    expect(next.status).toBe(200)
    return answer
  } finally {
    agent.destroy()
  }
}

// ── The query of a stream ────────────────────────────────────────────────────────────────────────────────────────────

const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'poll'] as const
type Transport = (typeof TRANSPORTS)[number]

/** `refused`: the stream as a whole. `channel`: its only channel; a WebSocket goes on without it. `gap`: the stream starts with it. `works`: harmless. */
type Outcome =
  | { readonly refused: ErrorCode }
  | { readonly channel: ErrorCode }
  | { readonly gap: string }
  | { readonly works: true }

interface QueryRow {
  readonly name: string
  readonly query: string | (() => Promise<string>)
  readonly outcome: Outcome
  readonly on?: readonly Transport[]
  readonly headers?: Readonly<Record<string, string>>
}

const invalid: Outcome = { refused: 'invalid_request' }
const works: Outcome = { works: true }
const position = (ms: number) => `${ms.toString(36)}-0`
const now = Date.now()

const badNames = {
  'CR and LF': 'room:1%0D%0Adata:x',
  NUL: 'room:%00',
  'a letter beyond ASCII': 'room:%C3%BC',
  'a letter beyond 16 bits': 'room:%F0%9F%92%A5',
  'a right-to-left mark': 'room:%E2%80%8F1',
  'a blank': 'room:%20',
  'a quote': 'room:%22',
  'a glob': 'room:*',
  'a brace': 'room:{1}',
  'a byte that is no UTF-8': 'room:%FF',
  'a broken percent': 'room:1%00%E0%A4%A',
  '256 characters': `room:${'x'.repeat(251)}`,
  nothing: 'room:1,,room:2',
}

const queryRows: readonly QueryRow[] = [
  { name: 'no channels', query: '', outcome: invalid, on: ['sse', 'long-poll', 'poll'] },
  { name: 'an empty list of channels', query: 'channels=', outcome: invalid, on: ['sse', 'long-poll', 'poll'] },
  { name: 'an undeclared channel', query: 'channels=nowhere:1', outcome: { channel: 'unknown_channel' } },
  { name: '__proto__ as channel', query: 'channels=__proto__', outcome: { channel: 'unknown_channel' } },
  { name: 'constructor as channel', query: 'channels=constructor', outcome: { channel: 'unknown_channel' } },
  { name: '__proto__ as parameter', query: 'channels=room:__proto__', outcome: works },
  { name: 'a channel without a rule', query: 'channels=closed:1', outcome: { channel: 'forbidden' } },
  { name: 'a private channel, as nobody', query: 'channels=user:7:inbox', outcome: { channel: 'unauthenticated' } },
  {
    name: "somebody else's channel",
    query: 'channels=user:7:inbox',
    headers: { authorization: 'Bearer user:8' },
    outcome: { channel: 'forbidden' },
  },
  {
    name: 'too many channels',
    query: `channels=${Array.from({ length: limits.channels + 1 }, (_, i) => `room:${i}`)}`,
    outcome: { refused: 'too_many_channels' },
  },
  ...Object.entries(badNames).map(([name, channel]) => ({
    name: `a channel name with ${name}`,
    query: `channels=${channel}`,
    outcome: invalid,
  })),
  { name: 'channels twice', query: 'channels=room:1&channels=room:2', outcome: invalid },
  { name: 'the same channel twice', query: 'channels=room:1,room:1', outcome: works },
  { name: 'an unknown parameter', query: 'channels=room:1&__proto__=1&last[]=5', outcome: works },
  ...['-1', '1.5', '1e3', '0x10', '1001', '99999999999999999999', '%D9%A3', '%2B5', '5%20', '5,5'].map((last) => ({
    name: `last=${last}`,
    query: `channels=room:1&last=${last}`,
    outcome: invalid,
  })),
  { name: 'new with a channel that is not asked for', query: 'channels=room:1&new=room:2', outcome: invalid },
  { name: 'new=true', query: 'channels=room:1&new=true', outcome: invalid },
  ...['-1', '61', '1.5', 'forever', '1&wait=2'].map((wait) => ({
    name: `wait=${wait}`,
    query: `channels=room:1&wait=${wait}`,
    outcome: invalid,
    on: ['poll'] as const,
  })),
  ...Object.entries({
    'a client of 65 characters': `client=${'x'.repeat(65)}`,
    'a client with a blank': 'client=a%20b',
    'a client twice': 'client=a&client=b',
    'an entered channel that is no name': 'client=a&entered=lobby:1,%00',
    'a watched channel that is no name': 'watch=lobby:%22',
    'more since than watched channels': 'watch=lobby:1&since=1_1_1,2_2_1',
    'a heartbeat of more than a minute': 'heartbeat=60001',
    'a heartbeat that is no number': 'heartbeat=often',
    'since that is none of ours': 'watch=lobby:1&since=<b>',
  }).map(([name, more]) => ({ name, query: `channels=room:1&${more}`, outcome: invalid })),
  {
    name: 'too many watched channels',
    query: `channels=room:1&watch=${Array.from({ length: limits.channels + 1 }, (_, i) => `lobby:${i}`)}`,
    outcome: { refused: 'too_many_channels' },
  },
  { name: 'cursor twice', query: 'channels=room:1&cursor=a&cursor=b', outcome: invalid },
  { name: 'an empty cursor', query: 'channels=room:1&cursor=', outcome: works },
  ...Object.entries({
    garbage: 'garbage',
    'CR and LF': '1.1.%0D%0Adata:x',
    NUL: '%00',
    'another version': `9.1.0_${position(now)}_${position(now)}`,
    'another number of partitions': `1.2.0_${position(now)}_${position(now)}`,
    'the same partition twice': `1.1.0_${position(now)}_${position(now)}.0_${position(now)}_${position(now)}`,
    'numbers beyond 2^53': '1.1.0_zzzzzzzzzzz-0_zzzzzzzzzzz-0',
    '4,097 characters': 'x'.repeat(limits.cursorLength + 1),
    __proto__: '__proto__',
  }).map(([name, cursor]) => ({
    name: `a cursor that is ${name}`,
    query: `channels=room:1&cursor=${cursor}`,
    outcome: { gap: 'cursor' },
  })),
  {
    name: 'a cursor of the right epoch that lies in the future',
    async query() {
      const { text } = await ask(`${endpoint}?channels=room:1`)
      const { cursor } = JSON.parse(text) as PollBody
      return `channels=room:1&cursor=${cursor.replace(/_[^_]*$/, `_${position(Date.now() + 1e9)}`)}`
    },
    outcome: { gap: 'cursor' },
  },
  {
    name: 'a cursor of another epoch',
    query: `channels=room:1&cursor=1.1.0_${position(1)}_${position(2)}`,
    outcome: { gap: 'epoch' },
  },
  {
    name: 'a token that is none',
    query: 'channels=room:1',
    headers: { authorization: 'Bearer x' },
    outcome: { refused: 'unauthenticated' },
  },
  {
    name: 'a token that expired',
    query: 'channels=room:1',
    headers: { authorization: 'Bearer expired' },
    outcome: { refused: 'token_expired' },
  },
]

/** The request for a stream's query, on the transports that answer over HTTP. */
function overHttp(transport: Exclude<Transport, 'websocket'>, query: string, headers: Record<string, string> = {}) {
  return {
    url: `${endpoint}?${query}${transport === 'long-poll' ? '&wait=1' : ''}`,
    headers: { accept: transport === 'sse' ? 'text/event-stream' : 'application/json', ...headers },
  }
}

async function runQuery(transport: Transport, row: QueryRow): Promise<void> {
  const { outcome, headers = {} } = row
  const query = typeof row.query === 'string' ? row.query : await row.query()
  if (transport === 'websocket') {
    const socket = await openWebSocket(`${endpoint}?${query}`, { headers })
    if ('refused' in outcome) return expectBye(socket, outcome.refused)
    if ('channel' in outcome)
      expect((await socket.events.next('unsubscribed')).error).toMatchObject({ code: outcome.channel })
    else if ('gap' in outcome) expect(await socket.events.next('gap')).toMatchObject({ reason: outcome.gap })
    else await socket.events.next('subscribed')
    return expectAlive(socket)
  }
  const { url, headers: sent } = overHttp(transport, query, headers)
  if ('refused' in outcome || 'channel' in outcome) {
    expectRefusal(await askAndGoOn(url, { headers: sent }), 'refused' in outcome ? outcome.refused : outcome.channel)
    return
  }
  const wanted = 'gap' in outcome ? { type: 'gap', channel: 'room:1', reason: outcome.gap } : { type: 'subscribed' }
  if (transport === 'sse') {
    const { events, close } = await openSse(url, { headers: sent })
    expect(await events.next(wanted.type as 'gap' | 'subscribed')).toMatchObject(wanted)
    if ('gap' in outcome) {
      const n = ++published
      await post([{ type: 'publish', ref: 0, channel: 'room:1', data: { n } }])
      await events.next('message', ({ data }) => (data as { n: number }).n === n)
    }
    return close()
  }
  const answer = await askAndGoOn(url, { headers: sent })
  expect(answer.status).toBe(200)
  const body = JSON.parse(answer.text) as PollBody
  // Behind a new epoch comes all that the log holds.
  expect(body.events.filter(({ type }) => type !== 'message')).toMatchObject([wanted])
  // The cursor that came with it is a good one.
  const next = await ask(`${endpoint}?channels=room:1&cursor=${body.cursor}`)
  expect((JSON.parse(next.text) as PollBody).events.filter(({ type }) => type === 'gap')).toEqual([])
}

describe('the query of a stream', () => {
  for (const row of queryRows) {
    rows++
    for (const transport of row.on ?? TRANSPORTS) test(`${row.name}, over ${transport}`, () => runQuery(transport, row))
  }
})

describe('a part of the channels', () => {
  rows++
  for (const transport of TRANSPORTS) {
    test(`is refused alone, over ${transport}`, async () => {
      const row = 'channels=nowhere:1,room:1,closed:1'
      let events: readonly ServerEvent[]
      if (transport === 'websocket') {
        const socket = await openWebSocket(`${endpoint}?${row}`)
        await socket.events.next('subscribed')
        events = socket.events.all
        socket.ws.terminate()
      } else if (transport === 'sse') {
        const stream = await openSse(overHttp(transport, row).url)
        await stream.events.next('subscribed')
        events = stream.events.all
        stream.close()
      } else {
        events = (JSON.parse((await ask(overHttp(transport, row).url)).text) as PollBody).events
      }
      expect(events).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ type: 'unsubscribed', channel: 'nowhere:1', error: expect.anything() }),
          expect.objectContaining({ type: 'unsubscribed', channel: 'closed:1', error: expect.anything() }),
          expect.objectContaining({ type: 'subscribed', channel: 'room:1' }),
        ]),
      )
    })
  }

  rows++
  test('a Last-Event-ID that is none of ours is a gap', async () => {
    const { events, close } = await openSse(`${endpoint}?channels=room:1`, { headers: { 'last-event-id': '<script>' } })
    expect(await events.next('gap')).toMatchObject({ reason: 'cursor' })
    close()
  })
})

// ── The open command ─────────────────────────────────────────────────────────────────────────────────────────────────

const deep = '['.repeat(10_000) + ']'.repeat(10_000)
const oneRoom = '[{"channel":"room:1"}]'

const openRows: readonly { readonly name: string; readonly text: string; readonly outcome: Outcome }[] = [
  { name: 'no JSON', text: '{"type":"open"', outcome: invalid },
  { name: 'nothing', text: '', outcome: invalid },
  { name: 'null', text: 'null', outcome: invalid },
  { name: 'a number', text: '42', outcome: invalid },
  { name: 'a string', text: '"open"', outcome: invalid },
  { name: 'an empty array', text: '[]', outcome: invalid },
  { name: 'another command', text: '[{"type":"subscribe","channel":"room:1"}]', outcome: invalid },
  {
    name: 'two of them',
    text: `[{"type":"open","channels":${oneRoom}},{"type":"open","channels":[]}]`,
    outcome: invalid,
  },
  { name: 'no `channels`', text: '{"type":"open"}', outcome: invalid },
  { name: '`channels` as text', text: '{"type":"open","channels":"room:1"}', outcome: invalid },
  { name: '`channels` of names', text: '{"type":"open","channels":["room:1"]}', outcome: invalid },
  { name: '`channels` of null', text: '{"type":"open","channels":[null]}', outcome: invalid },
  { name: 'a name with CR and LF', text: '{"type":"open","channels":[{"channel":"room:1\\r\\n"}]}', outcome: invalid },
  { name: '`new` as text', text: '{"type":"open","channels":[{"channel":"room:1","new":"yes"}]}', outcome: invalid },
  { name: '`last` as text', text: '{"type":"open","channels":[{"channel":"room:1","last":"5"}]}', outcome: invalid },
  { name: '`last` too large', text: '{"type":"open","channels":[{"channel":"room:1","last":1e9}]}', outcome: invalid },
  { name: '`cursor` as number', text: `{"type":"open","channels":${oneRoom},"cursor":5}`, outcome: invalid },
  { name: '`token` as object', text: `{"type":"open","channels":${oneRoom},"token":{}}`, outcome: invalid },
  {
    name: '`token` with CR and LF',
    text: `{"type":"open","channels":${oneRoom},"token":"a\\r\\nx: y"}`,
    outcome: { refused: 'unauthenticated' },
  },
  {
    name: '`token` that is none',
    text: `{"type":"open","channels":${oneRoom},"token":"x"}`,
    outcome: { refused: 'unauthenticated' },
  },
  {
    name: 'too many channels',
    text: JSON.stringify({
      type: 'open',
      channels: Array.from({ length: limits.channels + 1 }, (_, i) => ({ channel: `room:${i}` })),
    }),
    outcome: { refused: 'too_many_channels' },
  },
  { name: '10,000 levels', text: `{"type":"open","channels":${deep}}`, outcome: invalid },
  { name: '10,000 levels that never end', text: '{"a":'.repeat(10_000), outcome: invalid },
  {
    name: 'keys that pollute prototypes',
    text: '{"type":"open","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"channels":[{"channel":"room:1","__proto__":{"polluted":1}}]}',
    outcome: works,
  },
  {
    name: 'a forged cursor',
    text: `{"type":"open","channels":${oneRoom},"cursor":"\\u0000\\r\\n"}`,
    outcome: { gap: 'cursor' },
  },
  {
    name: 'too many bytes',
    text: `{"type":"open","channels":${oneRoom},"token":"${'x'.repeat(limits.frameBytes)}"}`,
    outcome: { refused: 'payload_too_large' },
  },
]

describe('the open command', () => {
  for (const { name, text, outcome } of openRows) {
    rows++
    const wanted = 'gap' in outcome ? 'gap' : 'subscribed'

    test(`${name}, as the first frame of a WebSocket`, async () => {
      const socket = await openWebSocket(`${endpoint}?open=first`)
      socket.ws.send(text)
      if ('refused' in outcome && outcome.refused === 'payload_too_large') {
        expect(await socket.closed).toMatchObject({ code: 1009 })
      } else if ('refused' in outcome) await expectBye(socket, outcome.refused)
      else {
        await socket.events.next(wanted)
        await expectAlive(socket)
      }
    })

    test(`${name}, posted for SSE`, async () => {
      const options = { method: 'POST', headers: { ...SSE, ...JSON_BODY }, body: text }
      if ('refused' in outcome) return expectRefusal(await askAndGoOn(endpoint, options), outcome.refused)
      const { events, close } = await openSse(endpoint, options)
      await events.next(wanted)
      close()
    })

    test(`${name}, posted as a poll`, async () => {
      const answer = await askAndGoOn(`${endpoint}?wait=0`, { method: 'POST', headers: JSON_BODY, body: text })
      if ('refused' in outcome) return expectRefusal(answer, outcome.refused)
      expect((JSON.parse(answer.text) as PollBody).events).toMatchObject([{ type: wanted }])
    })
  }
})

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface CommandRow {
  readonly name: string
  readonly text: string
  /** The frame, or an entry without `ref`: an `error` event, or the refusal of the POST. */
  readonly error?: ErrorCode
  /** The result of ref 1. */
  readonly result?: ErrorCode | 'ok'
}

const publish = (members: object) =>
  JSON.stringify([{ type: 'publish', ref: 1, channel: 'any:1', data: 1, ...members }])
const unique = () => `once-${++published}`

const commandRows: readonly CommandRow[] = [
  { name: 'no JSON', text: '{', error: 'invalid_request' },
  { name: 'nothing', text: '', error: 'invalid_request' },
  { name: 'two values', text: '[] []', error: 'invalid_request' },
  { name: 'NaN', text: '[{"type":"publish","ref":1,"channel":"any:1","data":NaN}]', error: 'invalid_request' },
  { name: 'null', text: 'null', error: 'invalid_request' },
  { name: 'a number', text: '1', error: 'invalid_request' },
  { name: 'an array in the array', text: '[[]]', error: 'invalid_request' },
  { name: '10,000 levels', text: deep, error: 'invalid_request' },
  {
    name: '10,000 levels of data',
    text: `[{"type":"publish","ref":1,"channel":"any:1","data":${deep}}]`,
    error: 'invalid_request',
  },
  { name: '10,000 levels that never end', text: '[{"a":'.repeat(5_000), error: 'invalid_request' },
  {
    name: '129 commands',
    text: JSON.stringify(
      Array.from({ length: limits.commands + 1 }, (_, ref) => ({ type: 'history', ref, channel: 'any:1', last: 1 })),
    ),
    error: 'invalid_request',
  },
  { name: 'no type', text: '[{}]', error: 'invalid_request' },
  { name: 'an unknown type', text: '[{"type":"shutdown"}]', error: 'invalid_request' },
  { name: 'an unknown type with a ref', text: '[{"type":"shutdown","ref":1}]', result: 'invalid_request' },
  { name: 'the type __proto__', text: '[{"type":"__proto__","ref":1}]', result: 'invalid_request' },
  { name: 'the type constructor', text: '[{"type":"constructor","ref":1}]', result: 'invalid_request' },
  {
    name: 'a type that is an array',
    text: '[{"type":["publish"],"ref":1,"channel":"any:1","data":1}]',
    result: 'invalid_request',
  },
  {
    name: "a server's event",
    text: '[{"type":"message","ref":1,"channel":"any:1","id":"1-1","data":1}]',
    result: 'invalid_request',
  },
  ...[-1, 1.5, '1', null, 2 ** 53, { toString: 1 }].map((ref) => ({
    name: `ref ${JSON.stringify(ref)}`,
    text: JSON.stringify([{ type: 'publish', ref, channel: 'any:1', data: 1 }]),
    error: 'invalid_request' as const,
  })),
  ...[null, 5, ['any:1'], '', 'any:\r\n1', 'any:\u0000', 'any:ü', `any:${'x'.repeat(252)}`].map((channel) => ({
    name: `channel ${JSON.stringify(channel).slice(0, 20)}`,
    text: publish({ channel }),
    result: 'invalid_request' as const,
  })),
  { name: 'no data', text: publish({ data: undefined }), result: 'invalid_request' },
  { name: 'data and bytes', text: publish({ bytes: 'AQID' }), result: 'invalid_request' },
  ...['AQI', 'AQ*D', 'AQ-_', 7, null, ['AQID']].map((bytes) => ({
    name: `bytes ${JSON.stringify(bytes)}`,
    text: publish({ data: undefined, bytes }),
    result: 'invalid_request' as const,
  })),
  ...['', 'a b', 'a\r\nb', '"', 'x'.repeat(65), 7, null, '__proto__.x'].map((messageId) => ({
    name: `messageId ${JSON.stringify(messageId).slice(0, 20)}`,
    text: publish({ messageId }),
    result: 'invalid_request' as const,
  })),
  { name: 'an undeclared channel', text: publish({ channel: '__proto__' }), result: 'unknown_channel' },
  {
    name: 'a channel that only the server publishes to',
    text: publish({ channel: 'user:7:inbox' }),
    result: 'forbidden',
  },
  { name: 'a publish as nobody', text: publish({ channel: 'chat:1', data: { text: 'x' } }), result: 'unauthenticated' },
  {
    name: 'data that does not fit the schema',
    text: publish({ channel: 'room:1', data: { n: 'x' } }),
    result: 'invalid_message',
  },
  {
    name: 'an array where the schema wants an object',
    text: publish({ channel: 'room:1', data: [] }),
    result: 'invalid_message',
  },
  {
    name: 'data that pollutes prototypes',
    text: '[{"type":"publish","ref":1,"channel":"any:1","data":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}}]',
    result: 'ok',
  },
  {
    name: 'commands that pollute prototypes',
    text: '[{"__proto__":{"polluted":1},"type":"publish","ref":1,"channel":"any:1","data":1,"from":"root","id":"9-9"}]',
    result: 'ok',
  },
  {
    name: 'half a surrogate pair',
    text: '[{"type":"publish","ref":1,"channel":"any:1","data":"\\ud800"}]',
    result: 'ok',
  },
  { name: 'history without last', text: '[{"type":"history","ref":1,"channel":"any:1"}]', result: 'invalid_request' },
  {
    name: 'history of -1',
    text: '[{"type":"history","ref":1,"channel":"any:1","last":-1}]',
    result: 'invalid_request',
  },
  {
    name: 'history of 1,001',
    text: '[{"type":"history","ref":1,"channel":"any:1","last":1001}]',
    result: 'invalid_request',
  },
  {
    name: 'history of a live channel',
    text: '[{"type":"history","ref":1,"channel":"typing:1","last":1}]',
    result: 'unsupported',
  },
  {
    name: "history of somebody's channel",
    text: '[{"type":"history","ref":1,"channel":"user:7:inbox","last":1}]',
    result: 'unauthenticated',
  },
  {
    name: 'to enter as nobody',
    text: '[{"type":"enter","ref":1,"channel":"lobby:1","client":"a","state":{"name":"x"}}]',
    result: 'unauthenticated',
  },
  {
    name: 'to enter without a client',
    text: '[{"type":"enter","ref":1,"channel":"lobby:1","state":{"name":"x"}}]',
    result: 'invalid_request',
  },
  {
    name: 'to enter a channel without presence',
    text: '[{"type":"enter","ref":1,"channel":"room:1","client":"a","state":1}]',
    result: 'unsupported',
  },
  {
    name: 'to enter an undeclared channel',
    text: '[{"type":"enter","ref":1,"channel":"nowhere:1","client":"a"}]',
    result: 'unknown_channel',
  },
  {
    name: 'to leave as nobody',
    text: '[{"type":"leave","ref":1,"channel":"lobby:1","client":"a"}]',
    result: 'unauthenticated',
  },
  {
    name: 'the members of a channel without presence',
    text: '[{"type":"list","ref":1,"channel":"room:1"}]',
    result: 'unsupported',
  },
  {
    name: "the members of others' channel",
    text: '[{"type":"list","ref":1,"channel":"club:1"}]',
    result: 'unauthenticated',
  },
  {
    name: 'history of a channel without a rule',
    text: '[{"type":"history","ref":1,"channel":"closed:1","last":1}]',
    result: 'forbidden',
  },
]

describe('commands', () => {
  for (const { name, text, error, result } of commandRows) {
    rows++

    test(`${name}, in a frame`, async () => {
      const socket = await openWebSocket(endpoint)
      socket.ws.send(text)
      if (error !== undefined) expect((await socket.events.next('error')).error).toMatchObject({ code: error })
      else expectResult(await socket.events.next('result'), result)
      await expectAlive(socket)
    })

    test(`${name}, posted`, async () => {
      const answer = await askAndGoOn(endpoint, { method: 'POST', headers: JSON_BODY, body: text })
      if (error !== undefined) return expectRefusal(answer, error)
      expect(answer.status).toBe(200)
      const results = JSON.parse(answer.text) as ServerEvent[]
      expect(results).toHaveLength(1)
      expectResult(results[0], result)
    })
  }

  function expectResult(event: ServerEvent | undefined, wanted: CommandRow['result']): void {
    expect(event).toMatchObject({
      type: 'result',
      ref: 1,
      ...(wanted === 'ok' ? { value: {} } : { error: { code: wanted } }),
    })
  }

  rows++
  test('a state that does not fit, or is too large, and a list that is not for everybody', async () => {
    const ada = { headers: { ...JSON_BODY, authorization: 'Bearer user:8' }, method: 'POST' }
    const enter = (state: unknown) => ({ type: 'enter', ref: 1, channel: 'lobby:1', client: 'a', state })
    const codes = await Promise.all(
      [enter({ name: 7 }), enter({ name: 'x'.repeat(limits.presenceBytes) })].map(async (command) => {
        const { text } = await ask(endpoint, { ...ada, body: JSON.stringify([command]) })
        return (JSON.parse(text) as { error?: ErrorBody }[])[0]?.error?.code
      }),
    )
    expect(codes).toEqual(['invalid_message', 'payload_too_large'])
    expectRefusal(await ask(`${endpoint}?members=club:1`), 'unauthenticated')
    expectRefusal(await ask(`${endpoint}?members=club:1`, { headers: { authorization: 'Bearer user:8' } }), 'forbidden')
    expectRefusal(await ask(`${endpoint}?members=room:1`), 'unsupported')
    expectRefusal(await ask(`${endpoint}?members=a&members=b`), 'invalid_request')
    expect(JSON.parse((await ask(`${endpoint}?members=lobby:1`)).text)).toEqual({ members: [], known: true })
  })

  rows++
  test('one bad command does not spoil the others, in a frame', async () => {
    const socket = await openWebSocket(endpoint)
    socket.ws.send(JSON.stringify([{ type: 'x' }, null, { type: 'publish', ref: 2, channel: 'any:1', data: 1 }]))
    expect(await socket.events.next('result')).toMatchObject({ ref: 2, value: {} })
    expect(socket.events.all.filter(({ type }) => type === 'error')).toHaveLength(2)
    await expectAlive(socket)
  })

  test('a command without a ref is turned away with all the others, posted', async () => {
    const messageId = unique()
    const good = { type: 'publish', ref: 2, channel: 'any:1', data: 1, messageId }
    const answer = await askAndGoOn(endpoint, { method: 'POST', headers: JSON_BODY, body: JSON.stringify([good, {}]) })
    expectRefusal(answer, 'invalid_request')
    expect(await post([good])).toMatchObject([{ value: { duplicate: false } }])
  })

  rows++
  test('a ref twice is answered twice, in a frame', async () => {
    const socket = await openWebSocket(endpoint)
    socket.ws.send(JSON.stringify([1, 2].map((data) => ({ type: 'publish', ref: 1, channel: 'any:1', data }))))
    await socket.events.next('result')
    await socket.events.next('result')
    await expectAlive(socket)
  })

  test('a ref twice is answered twice, posted', async () => {
    const commands = [1, 2].map((data) => ({ type: 'publish', ref: 1, channel: 'any:1', data }))
    expect(await post(commands)).toMatchObject([{ ref: 1 }, { ref: 1 }])
  })

  rows++
  for (const type of ['subscribe', 'unsubscribe']) {
    test(`${type} does not come by POST`, async () => {
      const body = JSON.stringify([{ type, channel: 'room:1' }])
      expectRefusal(await askAndGoOn(endpoint, { method: 'POST', headers: JSON_BODY, body }), 'invalid_request')
    })
  }

  for (const [channel, code] of [
    ['nowhere:1', 'unknown_channel'],
    ['closed:1', 'forbidden'],
    ['user:7:inbox', 'unauthenticated'],
  ] as const) {
    rows++
    test(`subscribe to ${channel}, in a frame`, async () => {
      const socket = await openWebSocket(endpoint)
      socket.ws.send(JSON.stringify([{ type: 'subscribe', channel }]))
      expect(await socket.events.next('unsubscribed')).toMatchObject({ channel, error: { code } })
      await expectAlive(socket)
    })
  }

  rows++
  test('unsubscribe from what is not there, in a frame', async () => {
    const socket = await openWebSocket(endpoint)
    socket.ws.send(JSON.stringify([{ type: 'unsubscribe', channel: 'room:never' }]))
    expect((await socket.events.next('unsubscribed')).error).toBeUndefined()
    await expectAlive(socket)
  })

  rows++
  test('one channel too many in mid-stream, in a frame', async () => {
    const socket = await openWebSocket(endpoint)
    const all = Array.from({ length: limits.channels + 1 }, (_, i) => ({ type: 'subscribe', channel: `room:many${i}` }))
    socket.ws.send(JSON.stringify(all.slice(0, limits.commands)))
    socket.ws.send(JSON.stringify(all.slice(limits.commands)))
    expect((await socket.events.next('unsubscribed')).error).toMatchObject({ code: 'too_many_channels' })
    socket.ws.send(JSON.stringify([{ type: 'unsubscribe', channel: 'room:many0' }]))
    await socket.events.next('unsubscribed')
    await expectAlive(socket)
  })

  rows++
  test('line ends in a payload forge no event, over SSE', async () => {
    const { events, close } = await openSse(`${endpoint}?channels=any:forge`)
    await events.next('subscribed')
    const data = '\n\ndata: {"type":"bye"}\r\rid: forged\u2028\u2029\u0085\u0000'
    const body = JSON.stringify([{ type: 'publish', ref: 1, channel: 'any:forge', data }], null, '\r\n')
    await ask(endpoint, { method: 'POST', headers: JSON_BODY, body })
    expect(await events.next('message')).toMatchObject({ data })
    await events.next('cursor')
    expect(events.all.some(({ type }) => type === 'bye')).toBe(false)
    expect(events.cursor).not.toBe('forged')
    close()
  })
})

// ── Frames of a WebSocket ────────────────────────────────────────────────────────────────────────────────────────────

/** A frame as RFC 6455 draws it, masked with zeros unless `mask` is false. */
function frame(first: number, payload: Buffer | string = '', { mask = true, length = -1 } = {}): Buffer {
  const bytes = Buffer.from(payload)
  const size = length < 0 ? bytes.length : length
  const head =
    size < 126
      ? Buffer.from([first, size])
      : size < 65_536
        ? Buffer.from([first, 126, size >> 8, size & 255])
        : Buffer.concat([
            Buffer.from([first, 127]),
            Buffer.alloc(4),
            Buffer.from(Uint32Array.of(size).buffer).reverse(),
          ])
  if (mask) head.writeUInt8((head[1] as number) | 0x80, 1)
  return Buffer.concat([head, ...(mask ? [Buffer.alloc(4)] : []), bytes])
}

/** The socket below a WebSocket, to write what no WebSocket would. */
async function rawWebSocket(): Promise<{ socket: Socket; code: Promise<number | null> }> {
  const sent = request(`${endpoint}?channels=room:1`, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      'sec-websocket-protocol': 'rt.v1',
    },
  })
  sent.end()
  const [, socket] = (await once(sent, 'upgrade')) as [unknown, Socket]
  let received = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
  })
  socket.on('error', () => {})
  const code = once(socket, 'close').then(() => {
    // Frames of the server are not masked, and those of this test are short.
    let last: number | null = null
    for (let at = 0; at + 1 < received.length; ) {
      const short = (received[at + 1] as number) & 0x7f
      const head = short === 126 ? 4 : 2
      const size = short === 126 ? received.readUInt16BE(at + 2) : short
      if (received[at] === 0x88 && size >= 2) last = received.readUInt16BE(at + 2)
      at += head + size
    }
    return last
  })
  return { socket, code }
}

const frameRows: readonly { readonly name: string; readonly bytes: () => Buffer[]; readonly code: number }[] = [
  { name: 'a binary frame', bytes: () => [frame(0x82, '[]')], code: 1003 },
  { name: 'an empty binary frame', bytes: () => [frame(0x82)], code: 1003 },
  { name: 'a text that is no UTF-8', bytes: () => [frame(0x81, Buffer.from([0x22, 0xff, 0x22]))], code: 1007 },
  { name: 'a text that ends in a character', bytes: () => [frame(0x81, Buffer.from([0xe2, 0x82]))], code: 1007 },
  { name: 'a text too large', bytes: () => [frame(0x81, 'x'.repeat(limits.frameBytes + 1))], code: 1009 },
  { name: 'a length of 4 GiB', bytes: () => [frame(0x81, '[', { length: 2 ** 32 - 1 })], code: 1009 },
  {
    name: 'fragments that are too large together',
    bytes: () => [frame(0x01, 'x'.repeat(40_000)), frame(0x80, 'x'.repeat(40_000))],
    code: 1009,
  },
  {
    name: 'two thousand fragments',
    bytes: () => [frame(0x01, '['), ...Array(2_000).fill(frame(0x00, ' '))],
    code: 1008,
  },
  { name: 'two thousand empty fragments', bytes: () => [frame(0x01), ...Array(2_000).fill(frame(0x00))], code: 1008 },
  { name: 'a frame without a mask', bytes: () => [frame(0x81, '[]', { mask: false })], code: 1002 },
  { name: 'a compressed frame', bytes: () => [frame(0xc1, '[]')], code: 1002 },
  { name: 'reserved bits', bytes: () => [frame(0xb1, '[]')], code: 1002 },
  { name: 'a reserved opcode', bytes: () => [frame(0x83, '[]')], code: 1002 },
  { name: 'a continuation of nothing', bytes: () => [frame(0x80, '[]')], code: 1002 },
  { name: 'a text within a text', bytes: () => [frame(0x01, '['), frame(0x81, '[]')], code: 1002 },
  { name: 'a ping of 126 bytes', bytes: () => [frame(0x89, 'x'.repeat(126))], code: 1002 },
  { name: 'a ping in fragments', bytes: () => [frame(0x09, 'x')], code: 1002 },
  { name: 'a close of one byte', bytes: () => [frame(0x88, 'x')], code: 1002 },
  { name: 'a close with a code that is none', bytes: () => [frame(0x88, Buffer.from([0x03, 0xed]))], code: 1002 },
  { name: 'HTTP', bytes: () => [Buffer.from('GET /rt HTTP/1.1\r\nHost: x\r\n\r\n')], code: 1002 },
]

describe('frames', () => {
  for (const { name, bytes, code } of frameRows) {
    rows++
    test(`${name} ends the connection with ${code}`, async () => {
      const raw = await rawWebSocket()
      for (const each of bytes()) raw.socket.write(each)
      expect(await raw.code).toBe(code)
    })
  }

  rows++
  test('half a frame, and then nobody', async () => {
    const { socket, code } = await rawWebSocket()
    socket.write(frame(0x81, '[]', { length: 100 }))
    socket.resetAndDestroy()
    await code
  })

  rows++
  test('five thousand pings are answered or end the connection, and no other', async () => {
    const { socket, code } = await rawWebSocket()
    socket.write(Buffer.concat(Array(5_000).fill(frame(0x89, 'x'))))
    socket.write(frame(0x88, Buffer.from([0x03, 0xe8])))
    // Null: cut without a word, for who floods does not read.
    expect([null, 1000, 1008]).toContain(await code)
  })

  rows++
  test('five megabytes of commands at once are answered, each, and the connection goes on', async () => {
    const socket = await openWebSocket(endpoint)
    // Beyond two megabytes without an answer a command is refused, not kept.
    const frames = 80
    for (let ref = 0; ref < frames; ref++) {
      socket.ws.send(JSON.stringify([{ type: 'publish', ref, channel: 'any:flood', data: 'x'.repeat(60_000) }]))
    }
    for (let ref = 0; ref < frames; ref++) {
      const result = await socket.events.next('result')
      if ('error' in result) expect(result.error).toMatchObject({ code: 'rate_limited', outcome: 'failed' })
    }
    await expectAlive(socket)
  })

  rows++
  test('no open command in the first frame but much before it', async () => {
    const socket = await openWebSocket(`${endpoint}?open=first`)
    socket.ws.send(Buffer.from(JSON.stringify({ type: 'open', channels: [{ channel: 'room:1' }] })), { binary: true })
    expect(await socket.closed).toEqual({ code: 1003, reason: 'unsupported' })
    expect(socket.events.all.map(({ type }) => type)).toEqual(['bye'])
  })
})

// ── HTTP below the protocol ──────────────────────────────────────────────────────────────────────────────────────────

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
  ...['PUT', 'DELETE', 'PATCH', 'PROPFIND'].map((method) => ({
    name: `the method ${method}`,
    bytes: () => [get('', '/rt', method)],
    answer: 'method_not_allowed' as const,
    headers: { allow: 'GET, POST, OPTIONS' },
  })),
  { name: 'a method that is none', bytes: () => [get('', '/rt', 'BREW')], answer: 400 },
  ...['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'application/jsonp', ''].map(
    (type) => ({
      name: `a POST of ${type || 'no type'}`,
      bytes: () => [get(`Content-Type: ${type}\r\nContent-Length: ${command.length}\r\n`, '/rt', 'POST'), command],
      answer: 'unsupported_media_type' as const,
    }),
  ),
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
  { name: '1,500 headers', bytes: () => [get('a: b\r\n'.repeat(1_500))], answer: 'invalid_request' },
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
    answer: 'invalid_request',
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
    rows++
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
    rows++
    test(`${name} is harmless`, async () => {
      expect((await exchange(server.port, bytes())).status).toBe(200)
    })
  }

  rows++
  test('a HEAD has no body, and says that it is not allowed', async () => {
    const answer = await ask(endpoint, { method: 'HEAD' })
    expect([answer.status, answer.text]).toEqual([405, ''])
  })

  rows++
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
    rows++
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
