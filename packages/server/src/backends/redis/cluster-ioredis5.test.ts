// An app that has ioredis 5, and a Cluster.
import { expect, test, vi } from 'vitest'
import { redis } from '../../redis'

vi.mock('ioredis', () => import('ioredis5'))

test('a Cluster with ioredis 5, which does not notice that a slot has moved, is refused at once', () => {
  expect(() => redis(['redis://127.0.0.1:1'])).toThrow(/ioredis 6/)
})
