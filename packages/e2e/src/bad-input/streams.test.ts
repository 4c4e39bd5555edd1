import { limits, type PollBody, type ServerEvent } from '@rt/protocol'
import { describe, expect } from 'vitest'
import { ask, openSse, openWebSocket } from '../plain-client'
import {
  askAndGoOn,
  countRow,
  endpoint,
  expectAlive,
  expectBye,
  expectRefusal,
  invalid,
  nextNumber,
  type Outcome,
  post,
  test,
  works,
} from './stage'

const TRANSPORTS = ['websocket', 'sse', 'long-poll', 'poll'] as const
type Transport = (typeof TRANSPORTS)[number]

interface QueryRow {
  readonly name: string
  readonly query: string | (() => Promise<string>)
  readonly outcome: Outcome
  readonly on?: readonly Transport[]
  readonly headers?: Readonly<Record<string, string>>
}

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
  DEL: 'room:%7F',
  'a blank between': 'room:a+b',
  'a zero-width joiner': 'room:a%E2%80%8Db',
  'a letter that looks like another': 'r%D0%BE%D0%BEm:1',
  'a combining accent': 'room:e%CC%81',
  'half a surrogate pair': 'room:%ED%A0%80',
  'an overlong slash': 'room:%C0%AF',
  'the name of our own channel': '$orders',
  'our own name behind a good one': 'room:1,$orders',
  'a backslash': 'room:%5C',
  'a pipe': 'room:%7C',
  'an ampersand': 'room:%26',
  'angle brackets': 'room:%3Cb%3E',
  'a question mark': 'room:%3F',
  'a list in brackets': '%5B%22room:1%22%5D',
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
  { name: 'toString as channel', query: 'channels=toString', outcome: { channel: 'unknown_channel' } },
  { name: 'hasOwnProperty as channel', query: 'channels=hasOwnProperty', outcome: { channel: 'unknown_channel' } },
  { name: 'a pattern as channel', query: 'channels=room:%7Bid%7D', outcome: invalid },
  { name: 'a channel without its parameter', query: 'channels=room:', outcome: { channel: 'unknown_channel' } },
  { name: 'a channel with one part more', query: 'channels=room:1:2', outcome: { channel: 'unknown_channel' } },
  { name: 'a path as parameter', query: 'channels=room:..%2F..%2Fetc', outcome: works },
  { name: 'a percent sign as parameter', query: 'channels=room:%25%30%30', outcome: works },
  { name: 'a channel in capitals', query: 'channels=ROOM:1', outcome: { channel: 'unknown_channel' } },
  { name: 'channels in brackets', query: 'channels[]=room:1', outcome: invalid, on: ['sse', 'long-poll', 'poll'] },
  { name: 'channels twice', query: 'channels=room:1&channels=room:2', outcome: invalid },
  { name: 'the same channel twice', query: 'channels=room:1,room:1', outcome: works },
  { name: 'an unknown parameter', query: 'channels=room:1&__proto__=1&last[]=5', outcome: works },
  ...[
    '-1',
    '1.5',
    '1e3',
    '0x10',
    '1001',
    '99999999999999999999',
    '%D9%A3',
    '%2B5',
    '5%20',
    '5,5',
    'NaN',
    'Infinity',
    'null',
    '0,',
    ',0',
    '1_000',
    '%EF%BC%95',
    '00000005',
  ].map((last) => ({
    name: `last=${last}`,
    query: `channels=room:1&last=${last}`,
    outcome: invalid,
  })),
  { name: 'new with a channel that is not asked for', query: 'channels=room:1&new=room:2', outcome: invalid },
  { name: 'new twice', query: 'channels=room:1&new=room:1&new=room:1', outcome: invalid },
  { name: 'new with a prototype', query: 'channels=room:1&new=__proto__', outcome: invalid },
  { name: 'last twice', query: 'channels=room:1&last=1&last=2', outcome: invalid },
  { name: 'last for each of two where there is one', query: 'channels=room:1&last=1,2', outcome: invalid },
  { name: 'new=true', query: 'channels=room:1&new=true', outcome: invalid },
  ...['-1', '61', '1.5', 'forever', '1&wait=2', 'NaN', '1e1', '0x1', '%2B1', '1%20', '999999'].map((wait) => ({
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
    'since with CR and LF': 'watch=lobby:1&since=1-1_1-1_1%0D%0Adata:x',
    'since of 129 digits': `watch=lobby:1&since=${'1'.repeat(129)}`,
    'since twice': 'watch=lobby:1&since=1_1_1&since=1_1_1',
    'watch twice': 'watch=lobby:1&watch=lobby:2',
    'an empty name among the watched': 'watch=lobby:1,,lobby:2',
    'our own channel watched': 'watch=$orders',
    'an empty client': 'client=',
    'a client that is no word': 'client=a/b',
    'entered twice': 'client=a&entered=lobby:1&entered=lobby:2',
    'our own channel entered': 'client=a&entered=$orders',
    'a heartbeat of -1': 'heartbeat=-1',
    'a heartbeat with an exponent': 'heartbeat=1e3',
    'a heartbeat with a blank': 'heartbeat=%205',
    'a heartbeat twice': 'heartbeat=5&heartbeat=6',
    'an empty heartbeat': 'heartbeat=',
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
    'a prototype': '__proto__',
    blanks: '%20%20',
    'a number with a sign': `1.1.0_%2B1-0_${position(now)}`,
    'a number with a blank': `1.1.0_%201-0_${position(now)}`,
    'a number in capitals': `1.1.0_ABC-0_${position(now)}`,
    'without an epoch': `1.1.0_${position(now)}`,
    'of a partition that is not there': `1.1.1_${position(now)}_${position(now)}`,
    'of no partition': '1.1',
    'with a tail': `1.1.0_${position(now)}_${position(now)}.`,
    'an id of ours': `${now}-0`,
    'an emoji': '%F0%9F%92%A5',
    'a byte that is no UTF-8': '%FF',
    'a full-width digit': `%EF%BC%91.1.0_${position(now)}_${position(now)}`,
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
  ...Object.entries({
    'without its scheme': 'user:7',
    'of another scheme': 'Basic dXNlcjo3',
    'of nothing': 'Bearer ',
    'of a prototype': 'Bearer __proto__',
    'with two users': 'Bearer user:7, Bearer user:8',
    'of 8,000 characters': `Bearer ${'x'.repeat(8_000)}`,
  }).map(([name, authorization]) => ({
    name: `a token ${name}`,
    query: 'channels=room:1',
    headers: { authorization },
    outcome: { refused: 'unauthenticated' } as const,
  })),
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
      const n = nextNumber()
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
    countRow()
    for (const transport of row.on ?? TRANSPORTS) test(`${row.name}, over ${transport}`, () => runQuery(transport, row))
  }
})

describe('a part of the channels', () => {
  countRow()
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

  countRow()
  test('a Last-Event-ID that is none of ours is a gap', async () => {
    const { events, close } = await openSse(`${endpoint}?channels=room:1`, { headers: { 'last-event-id': '<script>' } })
    expect(await events.next('gap')).toMatchObject({ reason: 'cursor' })
    close()
  })
})
