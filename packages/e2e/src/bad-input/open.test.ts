// `open` commands that nobody should send: each is answered with the documented error, and hurts nobody beside it.
import { limits, type PollBody } from '@rt/protocol'
import { describe, expect } from 'vitest'
import { openSse, openWebSocket } from '../plain-client'
import {
  askAndGoOn,
  countRow,
  deep,
  endpoint,
  expectAlive,
  expectBye,
  expectRefusal,
  invalid,
  JSON_BODY,
  type Outcome,
  SSE,
  test,
  works,
} from './stage'

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
  { name: '`channels` as object', text: '{"type":"open","channels":{"length":1,"0":"room:1"}}', outcome: invalid },
  { name: '`channels` of lists', text: '{"type":"open","channels":[["room:1"]]}', outcome: invalid },
  { name: '`channels` as null', text: '{"type":"open","channels":null}', outcome: invalid },
  { name: 'the type in capitals', text: `{"type":"OPEN","channels":${oneRoom}}`, outcome: invalid },
  { name: 'our own channel', text: '{"type":"open","channels":[{"channel":"$orders"}]}', outcome: invalid },
  { name: '`last` of -1', text: '{"type":"open","channels":[{"channel":"room:1","last":-1}]}', outcome: invalid },
  { name: '`last` of 1.5', text: '{"type":"open","channels":[{"channel":"room:1","last":1.5}]}', outcome: invalid },
  {
    name: '`last` beyond numbers',
    text: '{"type":"open","channels":[{"channel":"room:1","last":1e309}]}',
    outcome: invalid,
  },
  { name: '`last` of null', text: '{"type":"open","channels":[{"channel":"room:1","last":null}]}', outcome: invalid },
  { name: '`new` as number', text: '{"type":"open","channels":[{"channel":"room:1","new":1}]}', outcome: invalid },
  { name: '`cursor` of null', text: `{"type":"open","channels":${oneRoom},"cursor":null}`, outcome: invalid },
  { name: '`cursor` as list', text: `{"type":"open","channels":${oneRoom},"cursor":["a"]}`, outcome: invalid },
  {
    name: '`cursor` with half a surrogate pair',
    text: `{"type":"open","channels":${oneRoom},"cursor":"\\ud800"}`,
    outcome: { gap: 'cursor' },
  },
  { name: '`watch` as text', text: `{"type":"open","channels":${oneRoom},"watch":"lobby:1"}`, outcome: invalid },
  { name: '`watch` of names', text: `{"type":"open","channels":${oneRoom},"watch":["lobby:1"]}`, outcome: invalid },
  {
    name: '`since` as number',
    text: `{"type":"open","channels":${oneRoom},"watch":[{"channel":"lobby:1","since":1}]}`,
    outcome: invalid,
  },
  {
    name: '`since` of words',
    text: `{"type":"open","channels":${oneRoom},"watch":[{"channel":"lobby:1","since":"now"}]}`,
    outcome: invalid,
  },
  { name: '`client` as number', text: `{"type":"open","channels":${oneRoom},"client":7}`, outcome: invalid },
  { name: '`client` with LF', text: `{"type":"open","channels":${oneRoom},"client":"a\\n"}`, outcome: invalid },
  { name: '`entered` as text', text: `{"type":"open","channels":${oneRoom},"entered":"lobby:1"}`, outcome: invalid },
  { name: '`entered` of numbers', text: `{"type":"open","channels":${oneRoom},"entered":[1]}`, outcome: invalid },
  { name: '`heartbeat` as text', text: `{"type":"open","channels":${oneRoom},"heartbeat":"20000"}`, outcome: invalid },
  { name: '`heartbeat` of -1', text: `{"type":"open","channels":${oneRoom},"heartbeat":-1}`, outcome: invalid },
  { name: '`heartbeat` of 1.5', text: `{"type":"open","channels":${oneRoom},"heartbeat":1.5}`, outcome: invalid },
  { name: 'a key twice', text: `{"type":"open","channels":[],"channels":${oneRoom}}`, outcome: works },
  {
    name: 'an unknown key',
    text: `{"type":"open","channels":${oneRoom},"admin":true,"identity":"root"}`,
    outcome: works,
  },
  { name: 'a comment', text: `{"type":"open",/**/"channels":${oneRoom}}`, outcome: invalid },
  { name: 'a comma too many', text: `{"type":"open","channels":${oneRoom},}`, outcome: invalid },
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
    countRow()
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
