import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ChannelOptions } from '../channel'
import { compileContract } from './contract'

const message = z.object({})
const compile = (...patterns: string[]) =>
  compileContract(Object.fromEntries(patterns.map((pattern): [string, ChannelOptions] => [pattern, { message }])))

describe('resolve', () => {
  it('finds the pattern and the parameters of a name', () => {
    const { pattern, params, name } = compile('chat:{room}', 'game:{id}:player:{player}').resolve('game:7:player:a/b@c')
    expect({ pattern, params, name }).toEqual({
      pattern: 'game:{id}:player:{player}',
      params: { id: '7', player: 'a/b@c' },
      name: 'game:7:player:a/b@c',
    })
  })

  it.each([
    'chat',
    'chat:',
    'chat:1:2',
    ':1',
    'Chat:1',
    'chat:a b',
    'chat:\n',
    '',
    'chat:{room}',
    '__proto__',
    'constructor',
  ])('does not know %j', (name) => {
    expect(() => compile('chat:{room}').resolve(name)).toThrow(expect.objectContaining({ code: 'unknown_channel' }))
  })

  it('prefers the most specific pattern, however they are ordered', () => {
    const patterns = ['{a}:{b}', 'chat:{room}', 'chat:lobby', '{a}:{b}:{c}', '{a}:x:{c}']
    for (const contract of [compile(...patterns), compile(...patterns.toReversed())]) {
      expect(contract.resolve('chat:lobby').pattern).toBe('chat:lobby')
      expect(contract.resolve('chat:1').pattern).toBe('chat:{room}')
      expect(contract.resolve('news:1').pattern).toBe('{a}:{b}')
      expect(contract.resolve('news:x:1').pattern).toBe('{a}:x:{c}')
      expect(contract.resolve('news:y:1').pattern).toBe('{a}:{b}:{c}')
    }
  })

  it('gives the history its defaults', () => {
    const contract = compileContract({
      a: { message },
      b: { message, delivery: 'latest', history: { size: 7, ttl: '1d' } },
    })
    expect(contract.resolve('a').rules).toEqual({ delivery: 'all', history: { size: 100, ttl: 300_000 } })
    expect(contract.resolve('b').rules).toEqual({ delivery: 'latest', history: { size: 7, ttl: 86_400_000 } })
  })
})

describe('at start', () => {
  it.each([
    ['chat:{a}', 'chat:{b}'],
    ['{a}:lobby', 'chat:{b}'],
    ['x:{a}:{b}:y', 'x:{a}:z:{b}'],
  ])('refuses %s beside %s: they share names and neither is more specific', (a, b) => {
    expect(() => compile(a, b)).toThrow(/neither is more specific/)
    expect(() => compile(b, a)).toThrow(/neither is more specific/)
  })

  it.each([
    ['chat-{room}', /a whole part between ':'/],
    ['chat:{a}{b}', /a whole part between ':'/],
    ['chat:{}', /a whole part between ':'/],
    ['chat:{__proto__}', /a whole part between ':'/],
    ['chat:{room', /a whole part between ':'/],
    ['{a}:{a}', /\{a\} twice/],
    ['chat room', /no channel name/],
    ['', /no channel name/],
  ])('refuses the pattern %j', (pattern, why) => {
    expect(() => compile(pattern)).toThrow(why)
  })

  it.each([
    [{}, /message is no Standard Schema/],
    [{ message, delivery: 'some' }, /delivery must be/],
    [{ message, subscribe: 'private' }, /subscribe must be 'public' or a function/],
    [{ message, delivery: 'live', history: { size: 1 } }, /'live' channels keep no history/],
    [{ message, history: { size: 0 } }, /history\.size must be/],
    [{ message, history: { ttl: 'soon' } }, /history\.ttl: "soon" is not a duration/],
  ])('refuses the definition %#', (definition, why) => {
    expect(() => compileContract({ 'a:{b}': definition as ChannelOptions })).toThrow(why)
  })
})
