// The contracts once more with the oldest major version of ioredis, over TLS, as a user who may do no more than docs/redis.md says.
import { Redis } from 'ioredis5'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { redis } from '../../redis'
import { brokerContract } from '../../testing/broker-contract'
import { presenceContract } from '../../testing/presence-contract'
import { freePort, RedisServer } from '../../testing/redis-server'
import { Certificate } from './certificate.fixture'
import { documentedRules } from './permissions.fixture'

// Real processes on a busy machine: generous, and never what is asserted.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

const openssl = process.env['RT_OPENSSL']
const everywhere = process.env['REDIS_SERVER'] && openssl ? describe : describe.skip
const PARTITIONS = 4

let certificate: Certificate
let server: RedisServer
let port: number
let stores = 0

beforeAll(async () => {
  if (openssl === undefined) return
  certificate = new Certificate(openssl)
  port = await freePort()
  const tls = ['--tls-port', String(port), '--tls-cert-file', certificate.file, '--tls-key-file', certificate.keyFile]
  const user = documentedRules().map((rule) => rule.replace('{rt:', '{t'))
  server = await RedisServer.start({ args: [...tls, '--tls-auth-clients', 'no', '--user', 'rt', ...user] })
})
afterAll(async () => {
  await server?.close()
  certificate?.remove()
})

function node(prefix: string) {
  const mine = new Redis(`rediss://rt:secret@localhost:${port}`, { tls: { ca: certificate.text }, lazyConnect: true })
  // Its own types are those that an app with this version has.
  return redis(mine as unknown as Parameters<typeof redis>[0], { prefix, partitions: PARTITIONS })
}

async function create() {
  await server.erase()
  const prefix = `t${stores++}`
  return { brokers: [node(prefix), node(prefix)] as const, close: async () => {} }
}

brokerContract({ describe: everywhere, test }, 'Redis by ioredis 5, over TLS, as a user of its own', {
  create,
  async cut() {
    await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
  },
  save: () => server.save(),
  async rollback() {
    await server.kill()
    await server.start()
  },
  async wipe() {
    await server.kill()
    await server.erase()
    await server.start()
  },
})

presenceContract({ describe: everywhere, test }, 'Redis by ioredis 5, over TLS, as a user of its own', { create })

everywhere('that user', () => {
  test('was refused nothing, and only TLS leads to it', async () => {
    expect(await server.command('ACL', 'LOG')).toEqual([])
    const plain = new Redis(`redis://rt:secret@localhost:${port}`, { lazyConnect: true, retryStrategy: () => null })
    plain.on('error', () => {})
    await expect(plain.connect()).rejects.toThrow()
    const unknown = new Redis(`rediss://rt:secret@localhost:${port}`, { lazyConnect: true, retryStrategy: () => null })
    const problems: string[] = []
    unknown.on('error', ({ message }) => problems.push(message))
    await expect(unknown.connect()).rejects.toThrow()
    expect(problems.join()).toContain('self-signed certificate')
  })
})
