/** Good frames, to make bad ones from. The channels are those of every fuzz test. */

const at = '1795522581727-322461_1795522589333-653084_1'
const item = { id: '1795522582251-883598', messageId: 'm-1', data: { n: 1 } }
const error = { code: 'forbidden', message: 'No.', hint: 'Ask.', retryable: false, status: 403 }
const channel = 'room:1'

const texts = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value))

/** Of a client. */
export const commandFrames: readonly string[] = texts([
  [{ type: 'publish', ref: 1, channel, data: { n: 1 }, messageId: 'm-1' }],
  [{ type: 'publish', ref: 2, channel: 'any:1', bytes: 'AQID' }],
  [{ type: 'publish', ref: 3, channel: 'typing:1', data: ['…', { a: { b: [1, 2, { c: null }] } }] }],
  [{ type: 'history', ref: 4, channel, last: 10 }],
  [{ type: 'subscribe', channel, last: 5 }],
  [{ type: 'unsubscribe', channel }],
  [{ type: 'enter', ref: 5, channel: 'lobby:1', client: 'tab-1', state: { name: 'Ann' } }],
  [{ type: 'leave', ref: 6, channel: 'lobby:1', client: 'tab-1' }],
  [{ type: 'list', ref: 7, channel: 'lobby:1' }],
  [{ type: 'watch', channel: 'lobby:1', since: at }],
  [{ type: 'unwatch', channel: 'lobby:1' }],
  [
    { type: 'subscribe', channel: 'score:1' },
    { type: 'publish', ref: 8, channel: 'score:1', data: { n: 2 } },
    { type: 'history', ref: 9, channel: 'closed:1', last: 1 },
    { type: 'publish', ref: 10, channel: 'user:7:inbox', data: 'x' },
  ],
])

/** `open` commands. */
export const openFrames: readonly string[] = texts([
  { type: 'open', channels: [{ channel, new: true, last: 5 }], cursor: '1.1.0_mwunsau7-6wt9_mwunsb8r-ixse' },
  {
    type: 'open',
    channels: [{ channel: 'typing:1' }, { channel: 'score:1' }, { channel: 'closed:1' }],
    watch: [{ channel: 'lobby:1', since: at }, { channel: 'lobby:2' }],
    client: 'tab-1',
    entered: ['lobby:1'],
    heartbeat: 20_000,
    token: 'user:8',
  },
])

/** Of a server: what follows `hello`. */
export const eventFrames: readonly string[] = texts([
  [{ type: 'cursor', cursor: '1.1.0_a-1_b-2' }],
  [{ type: 'subscribed', channel, id: '1000-1', epoch: '900-0', history: [{ ...item, id: '1000-1' }], cursor: 'c' }],
  [{ type: 'subscribed', channel, id: '1000-1', epoch: '900-0', state: { n: 3 }, updates: [item] }],
  [{ type: 'subscribed', channel: 'typing:1' }],
  [{ type: 'unsubscribed', channel, error }],
  [{ type: 'message', channel, ...item, from: 'ann' }],
  [{ type: 'message', channel, id: '1795522582251-883599', messageId: 'm-2', bytes: 'AQID' }],
  [{ type: 'live', channel: 'typing:1', source: 'node', seq: 1, data: '…', from: 'ann' }],
  [{ type: 'gap', channel, reason: 'history' }],
  [{ type: 'gap', channel, reason: 'epoch', epoch: '2000-0', past: true }],
  [{ type: 'members', channel: 'lobby:1', id: '5-1', at, known: true, members: [{ id: 'ann', state: { name: 'A' } }] }],
  [{ type: 'presence', channel: 'lobby:1', id: '6-1', at, changes: [{ action: 'leave', member: 'ann', state: null }] }],
  [{ type: 'unwatched', channel: 'lobby:1', error }],
  [{ type: 'absent', channel: 'lobby:1' }],
  [{ type: 'status', broker: 'degraded' }],
  [{ type: 'result', ref: 1, value: { id: '1000-2', duplicate: false } }],
  [{ type: 'result', ref: 2, value: [item] }],
  [{ type: 'result', ref: 3, value: { members: [{ id: 'ann', state: 1 }], known: true } }],
  [{ type: 'result', ref: 1, error: { ...error, retryable: true, retryAfter: 1000, outcome: 'failed', issues: [] } }],
  [{ type: 'error', error }],
  [{ type: 'beat', after: 100 }],
  [{ type: 'bye', error: { ...error, code: 'draining', retryable: true }, retryAfter: 0 }],
  [{ type: 'hello', version: 1, node: 'node', heartbeat: 20_000, life: 1_800_000, identity: 'ann' }],
])
