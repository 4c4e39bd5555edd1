// Commands that nobody should send, in frames and in bodies: each is answered with the documented error, and hurts nobody beside it.
import { type ErrorBody, type ErrorCode, limits, type ServerEvent } from '@rt/protocol'
import { describe, expect } from 'vitest'
import { ask, openSse, openWebSocket } from '../plain-client'
import {
  askAndGoOn,
  countRow,
  deep,
  endpoint,
  expectAlive,
  expectRefusal,
  JSON_BODY,
  nextNumber,
  post,
  test,
} from './stage'

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
const unique = () => `once-${nextNumber()}`

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
  { name: 'undefined', text: 'undefined', error: 'invalid_request' },
  { name: 'quotes of one stroke', text: "[{'type':'publish'}]", error: 'invalid_request' },
  { name: 'a comma too many', text: '[{"type":"publish","ref":1},]', error: 'invalid_request' },
  { name: 'a control character in a text', text: '["\n"]', error: 'invalid_request' },
  { name: 'an escape that is none', text: '["\\x41"]', error: 'invalid_request' },
  { name: 'a number in hex', text: '[0x10]', error: 'invalid_request' },
  { name: 'a number with leading zeros', text: '[007]', error: 'invalid_request' },
  { name: 'truth', text: '[true]', error: 'invalid_request' },
  { name: 'a text in the array', text: '["publish"]', error: 'invalid_request' },
  { name: '33 levels', text: `${'['.repeat(33)}${']'.repeat(33)}`, error: 'invalid_request' },
  { name: '60,000 line ends', text: `[${'\n'.repeat(60_000)}]x`, error: 'invalid_request' },
  ...['hasOwnProperty', 'toString', 'valueOf', '', ' publish', 'PUBLISH', 'publish\u0000'].map((type) => ({
    name: `the type ${JSON.stringify(type)}`,
    text: JSON.stringify([{ type, ref: 1, channel: 'any:1', data: 1 }]),
    result: 'invalid_request' as const,
  })),
  ...[null, 1, true, {}].map((type) => ({
    name: `the type ${JSON.stringify(type)} that is no text`,
    text: JSON.stringify([{ type, ref: 1, channel: 'any:1', data: 1 }]),
    result: 'invalid_request' as const,
  })),
  ...['hello', 'cursor', 'subscribed', 'gap', 'members', 'presence', 'result', 'bye'].map((type) => ({
    name: `a server's \`${type}\``,
    text: JSON.stringify([{ type, ref: 1, channel: 'any:1' }]),
    result: 'invalid_request' as const,
  })),
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
  ...[
    null,
    5,
    true,
    {},
    ['any:1'],
    '',
    ' ',
    'any:1 ',
    '$orders',
    'any:*',
    'any:{a}',
    'any:\u200b',
    'any:\u2028',
    'any:💥',
    'any:\ud800',
    'any:\r\n1',
    'any:\u0000',
    'any:ü',
    `any:${'x'.repeat(252)}`,
  ].map((channel) => ({
    name: `channel ${JSON.stringify(channel).slice(0, 20)}`,
    text: publish({ channel }),
    result: 'invalid_request' as const,
  })),
  { name: 'no data', text: publish({ data: undefined }), result: 'invalid_request' },
  { name: 'data and bytes', text: publish({ bytes: 'AQID' }), result: 'invalid_request' },
  ...['AQI', 'AQ*D', 'AQ-_', 'A===', '====', 'AQID\n', ' AQID', 'AQ=D', 7, true, {}, null, ['AQID']].map((bytes) => ({
    name: `bytes ${JSON.stringify(bytes)}`,
    text: publish({ data: undefined, bytes }),
    result: 'invalid_request' as const,
  })),
  ...['', 'a b', 'a\r\nb', 'a\u0000', 'ä', 'a/b', '"', 'x'.repeat(65), 7, null, '__proto__.x'].map((messageId) => ({
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
  ...['5', null, 1.5, true, [5], 2 ** 53].map((last) => ({
    name: `history with last ${JSON.stringify(last)}`,
    text: JSON.stringify([{ type: 'history', ref: 1, channel: 'any:1', last }]),
    result: 'invalid_request' as const,
  })),
  {
    name: 'history beyond numbers',
    text: '[{"type":"history","ref":1,"channel":"any:1","last":1e309}]',
    result: 'invalid_request',
  },
  {
    name: 'numbers beyond numbers as data',
    text: '[{"type":"publish","ref":1,"channel":"any:1","data":[1e309,-1e309,-0,1e-400]}]',
    result: 'ok',
  },
  {
    name: 'a ref twice in one command',
    text: '[{"type":"publish","ref":7,"ref":1,"channel":"any:1","data":1}]',
    result: 'ok',
  },
  {
    name: 'names of the engine as data',
    text: '[{"type":"publish","ref":1,"channel":"any:1","data":{"then":1,"toJSON":1,"length":1e9,"valueOf":null}}]',
    result: 'ok',
  },
  ...[null, 7, '', 'a b', 'a\n', 'x'.repeat(65), ['a']].map((client) => ({
    name: `to enter as client ${JSON.stringify(client).slice(0, 20)}`,
    text: JSON.stringify([{ type: 'enter', ref: 1, channel: 'lobby:1', client, state: { name: 'x' } }]),
    result: 'invalid_request' as const,
  })),
  {
    name: 'to leave without a client',
    text: '[{"type":"leave","ref":1,"channel":"lobby:1"}]',
    result: 'invalid_request',
  },
  { name: 'the members of no channel', text: '[{"type":"list","ref":1}]', result: 'invalid_request' },
  {
    name: 'the members of our own channel',
    text: '[{"type":"list","ref":1,"channel":"$orders"}]',
    result: 'invalid_request',
  },
  {
    name: 'history of our own channel',
    text: '[{"type":"history","ref":1,"channel":"$orders","last":1}]',
    result: 'invalid_request',
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
    countRow()

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

  countRow()
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

  countRow()
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

  countRow()
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

  countRow()
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
    countRow()
    test(`subscribe to ${channel}, in a frame`, async () => {
      const socket = await openWebSocket(endpoint)
      socket.ws.send(JSON.stringify([{ type: 'subscribe', channel }]))
      expect(await socket.events.next('unsubscribed')).toMatchObject({ channel, error: { code } })
      await expectAlive(socket)
    })
  }

  countRow()
  test('unsubscribe from what is not there, in a frame', async () => {
    const socket = await openWebSocket(endpoint)
    socket.ws.send(JSON.stringify([{ type: 'unsubscribe', channel: 'room:never' }]))
    expect((await socket.events.next('unsubscribed')).error).toBeUndefined()
    await expectAlive(socket)
  })

  countRow()
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

  countRow()
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
