import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkDepth, decodeCommands, decodeEvents, decodeOpen } from './codec'
import { isRealtimeError } from './errors'
import { limits } from './limits'

const code = (run: () => unknown) => {
  try {
    run()
    return null
  } catch (error) {
    return isRealtimeError(error) ? error.code : error
  }
}

describe('commands', () => {
  it('are read one by one, so that a bad one does not spoil the others', () => {
    const decoded = decodeCommands(
      '[{"type":"publish","ref":1,"channel":"a","data":1},{"type":"publish","ref":2},{"type":"history","ref":3,"channel":"a","last":2}]',
    )
    expect(decoded.map((each) => ('command' in each ? each.command.type : each.ref))).toEqual(['publish', 2, 'history'])
  })

  it('hold nothing but what the protocol names', () => {
    const [decoded] = decodeCommands(
      '{"type":"publish","ref":1,"channel":"a","data":{},"__proto__":{"admin":true},"from":"root"}',
    )
    expect(decoded).toEqual({ command: { type: 'publish', ref: 1, channel: 'a', data: {} } })
  })

  it('nest no deeper than allowed, seen before anything is parsed', () => {
    expect(code(() => checkDepth('['.repeat(limits.depth)))).toBeNull()
    expect(code(() => checkDepth('['.repeat(limits.depth + 1)))).toBe('invalid_request')
    expect(code(() => checkDepth(`"${'['.repeat(100)}"`))).toBeNull()
    expect(code(() => decodeCommands('['.repeat(10_000) + ']'.repeat(10_000)))).toBe('invalid_request')
  })

  it('throw nothing but errors of the table, whatever comes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        for (const decode of [decodeCommands, decodeOpen])
          expect([null, 'invalid_request', 'too_many_channels']).toContain(code(() => decode(text)))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('events', () => {
  it.each([
    ...['', '<html>', '{}', '[1]', '[{}]', '[{"type":1}]', 'null', '[{"type":"beat"},{"type":"bye","error":null}]'],
    '[{"type":"message","channel":"a","messageId":"m","data":1}]',
    '[{"type":"message","channel":"a","id":"1","messageId":"m","data":1}]',
    '[{"type":"message","channel":"a","id":"1-1","messageId":"m"}]',
    '[{"type":"message","channel":"a","id":"1-1","messageId":"m","bytes":"*"}]',
    '[{"type":"subscribed","channel":"a","id":"1-1","epoch":"1-0","history":[null]}]',
    '[{"type":"subscribed","channel":"a","id":"1-1"}]',
    '[{"type":"members","channel":"a","id":"1-1","at":"","known":true,"members":[{}]}]',
    '[{"type":"presence","channel":"a","id":"1-1","at":"","changes":[null]}]',
    '[{"type":"result","ref":1}]',
    '[{"type":"hello","heartbeat":0}]',
  ])('%j is not from our server', (text) => {
    expect(decodeEvents(text)).toBeNull()
  })

  it('and members that are not known may come with later servers', () => {
    expect(decodeEvents('[{"type":"later","id":7},{"type":"absent","channel":"a","more":{}}]')).toHaveLength(2)
  })
})
