// What a server, or somebody in its place, should never say, on every transport: the client throws nothing, asks nobody in a circle, and tells the application nothing that the types rule out.
import { eventFrames, Mutator, readCorpus } from '@rt/protocol/fuzz'
import { describe, expect, it } from 'vitest'
import { type Badness, meet } from './hostile-server.fixture'
import type { TransportName } from './ports/transport'

const full = process.env['RT_TEST_SIZE'] === 'full'
/** On each transport. */
const inputs = full ? 5_000 : 60
const seed = Number(process.env['RT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

const HELLO = '{"type":"hello","version":1,"node":"bad","heartbeat":20000}'
const GOOD = [
  '{"type":"subscribed","channel":"room:1","id":"1000-1","epoch":"900-0","history":[]}',
  '{"type":"subscribed","channel":"typing:1"}',
  '{"type":"members","channel":"lobby:1","id":"1-1","at":"1-1_1-1_1","known":true,"members":[]}',
]
const ERROR = '{"error":{"code":"rate_limited","message":"No.","hint":"","retryable":true,"status":429,"retryAfter":0}}'
const transports: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

/** As this transport carries a frame: one that is an array of events, if it is one at all. */
function carried(transport: TransportName, frame: string): Pick<Badness, 'before' | 'text'> {
  const inner = frame.replace(/^\[|\]$/g, '')
  switch (transport) {
    case 'websocket':
      return { before: [`[${HELLO}]`, '[{"type":"beat"}]', `[${GOOD},{"type":"cursor","cursor":"1"}]`], text: frame }
    case 'sse': {
      const before = [HELLO, '{"type":"beat"}', ...GOOD].map((event) => `data: ${event}\n\n`)
      return { before: [...before, 'id: 1\n\n'], text: `data: ${inner}\n\n` }
    }
    default:
      return { before: [], text: `{"events":[${GOOD},${inner}],"cursor":"1","next":5000}` }
  }
}

const FINE = { status: 200, end: false, code: 1000 }
const typeOf = (transport: TransportName) => (transport === 'sse' ? 'text/event-stream' : 'application/json')

/** The frame as a whole, or something in it, is not what it should be. */
function mutated(transport: TransportName, mutator: Mutator): Badness {
  const good = mutator.pick(eventFrames)
  const status = mutator.pick([200, 200, 200, 200, 200, 200, 204, 304, 400, 401, 403, 413, 429, 500, 502, 503])
  const headers: Record<string, string> = {
    'content-type': mutator.pick([typeOf(transport), typeOf(transport), typeOf(transport), 'application/json', 'x']),
    ...mutator.pick([{}, {}, { 'retry-after': '0' }, { 'retry-after': '99999999999' }, { 'retry-after': '-1' }]),
  }
  const fate = {
    status,
    headers,
    end: mutator.number(2) === 0,
    code: mutator.pick([1000, 1006, 1012, 4401, 4429, 4999]),
  }
  if (status >= 400 && transport !== 'websocket')
    return { transport, before: [], text: mutator.mutate(ERROR, eventFrames), ...fate }
  const whole = carried(transport, good)
  if (transport === 'sse' && mutator.number(4) === 0) {
    const text = `${whole.before.join('')}${whole.text}`
    const at = mutator.number(text.length)
    const noise = mutator.pick([
      '\r',
      '\n',
      '\n\n',
      '\0',
      '\ufeff',
      'id: \0\n\n',
      'retry: 1e9\n',
      ':',
      'event: id\n',
      '{',
    ])
    return { transport, before: [text.slice(0, at)], text: noise + text.slice(at), ...fate }
  }
  if (transport === 'long-poll' || transport === 'poll')
    return { transport, before: [], text: mutator.mutate(whole.text, eventFrames), ...fate }
  return { transport, ...carried(transport, mutator.mutate(good, eventFrames)), ...fate }
}

describe.each(transports)('a server that says what none should, over %s', (transport) => {
  it('in the ways that are kept', { timeout: 120_000 }, async () => {
    for (const { name, text } of readCorpus('events')) {
      // A poll always ends.
      for (const end of transport === 'websocket' || transport === 'sse' ? [true, false] : [true]) {
        const badness = {
          transport,
          ...carried(transport, text),
          ...FINE,
          headers: { 'content-type': typeOf(transport) },
          end,
        }
        expect(await meet(badness), name).toEqual([])
      }
    }
  })

  it('in ways that nobody thought of', { timeout: full ? 3_600_000 : 120_000 }, async () => {
    const mutator = new Mutator(seed)
    for (let n = 0; n < inputs; n++) {
      const badness = mutated(transport, mutator)
      const wrong = await meet(badness)
      expect(wrong, `RT_SEED=${seed}, input ${n}: ${JSON.stringify(badness).slice(0, 3000)}`).toEqual([])
    }
  })
})
