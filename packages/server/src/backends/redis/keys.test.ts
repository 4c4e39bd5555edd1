import { describe, expect, test } from 'vitest'
import { createKeys, slot } from './keys'

describe('keys', () => {
  test.each([1, 2, 3, 16, 100, 1024])('%i partitions lie one in each equal range of slots', (partitions) => {
    const { partitions: all } = createKeys('rt', partitions)
    const ranges = all.map(({ clock }) => {
      const tag = clock.slice(1, clock.indexOf('}'))
      return Math.floor((slot(tag) * partitions) / 16384)
    })
    expect(ranges).toEqual(Array.from({ length: partitions }, (_, i) => i))
  })

  test('slots are those of the Redis Cluster specification', () => {
    expect(slot('123456789')).toBe(0x31c3)
    expect(slot('foo')).toBe(12182)
    expect(slot('')).toBe(0)
  })

  test('channels spread over the partitions', () => {
    const { partition } = createKeys('rt', 8)
    const counts = new Array<number>(8).fill(0)
    for (let i = 0; i < 8000; i++) counts[partition(`chat:${i}`)]!++
    for (const count of counts) expect(count).toBeGreaterThan(800)
  })

  test('a name of ours is parsed back, also with colons and signs in the channel', () => {
    const keys = createKeys('shop:rt', 4)
    for (const channel of ['chat:42', ':ch:', 'a:log:b', 'A-Za-z0-9_.:/@+=~%!-']) {
      const partition = keys.partition(channel)
      expect(keys.parse(keys.partitions[partition]!.announce(channel))).toEqual({ partition, kind: 'channel', channel })
      expect(keys.parse(keys.partitions[partition]!.notices(channel))).toEqual({ partition, kind: 'notices', channel })
    }
    for (const name of ['', 'chat:42', '{shop:rt:x}:ch:a', '{shop:rt:0}:probe:a', '}', keys.partitions[0]!.clock]) {
      expect(keys.parse(name)).toBeNull()
    }
  })

  test('no two pairs of channel and messageId share a key', () => {
    const [{ dedupe }] = createKeys('rt', 1).partitions as [ReturnType<typeof createKeys>['partitions'][number]]
    expect(dedupe('a:b', 'c')).not.toBe(dedupe('b', 'a'))
    expect(dedupe('x', 'a')).not.toBe(dedupe('a', 'x'))
  })
})
