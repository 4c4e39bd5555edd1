// How a node says that it can do its work, over HTTP and with a real Redis that is away or deaf.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import type { Health } from './index'
import { createRealtime } from './realtime'
import { type RedisBrokerOptions, redis } from './redis'
import { RedisServer } from './testing/redis-server'
import { TcpProxy } from './testing/tcp-proxy'

vi.setConfig({ testTimeout: 120_000 })

const full = process.env['RT_TEST_SIZE'] === 'full'

function start(broker?: ReturnType<typeof redis>) {
  const channels = { news: { message: z.number(), subscribe: 'public' } } as const
  const rt = createRealtime({ channels, ...(broker !== undefined && { broker }) })
  onTestFinished(() => rt.close())
  return rt
}

/** A balancer's way to ask. */
async function checks(rt: Pick<ReturnType<typeof start>, 'health'>) {
  const server = createServer(rt.health.handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return async (path = '/health/ready', method = 'GET') => {
    const response = await fetch(`${base}${path}`, { method, headers: { connection: 'close' } })
    const text = await response.text()
    return { status: response.status, health: text === '' ? null : (JSON.parse(text) as Health) }
  }
}

test('a node in memory is ready until it drains, and live as long as it answers', async () => {
  const rt = start()
  const ask = await checks(rt)
  expect(await ask()).toEqual({ status: 200, health: { live: true, ready: true, reasons: [] } })
  expect(await ask('/anything?else=1')).toMatchObject({ status: 200 })
  expect(await ask('/health/ready', 'HEAD')).toEqual({ status: 200, health: null })
  await rt.close()
  expect(await ask()).toEqual({ status: 503, health: { live: true, ready: false, reasons: ['draining'] } })
  expect(await ask('/health/live')).toMatchObject({ status: 200 })
  const response = await rt.health.fetch(new Request('http://localhost/health/ready'))
  expect([response.status, response.headers.get('cache-control')]).toEqual([503, 'no-store'])
  expect((await rt.health.fetch(new Request('http://localhost/health/live'))).status).toBe(200)
})

describe.skipIf(!process.env['REDIS_SERVER'])('on Redis', () => {
  async function onRedis(options: RedisBrokerOptions = {}) {
    const store = await RedisServer.start()
    const proxy = await TcpProxy.start(store.port)
    onTestFinished(async () => {
      await proxy.close()
      await store.close()
    })
    const rt = start(redis(`redis://127.0.0.1:${proxy.port}`, options))
    return { store, proxy, rt, ask: await checks(rt) }
  }

  const eventually = (check: () => Promise<void>, timeout = 20_000) => vi.waitFor(check, { timeout, interval: 50 })

  test('a node that never reached its broker is not ready, and becomes it', async () => {
    const { store, rt, ask } = await onRedis()
    // Not in this turn: it has only begun to connect.
    expect(rt.health()).toEqual({ live: true, ready: false, reasons: ['broker_away'] })
    await eventually(async () => expect((await ask()).status).toBe(200))
    await store.kill()
    await vi.waitFor(() => expect(rt.metrics().broker?.state).toBe('away'), 5000)
    // A failover takes some seconds, and all nodes see it.
    expect(rt.health().ready).toBe(true)
    await eventually(async () =>
      expect(await ask()).toMatchObject({ status: 503, health: { reasons: ['broker_away'] } }),
    )
    await store.start()
    await eventually(async () => expect(await ask()).toMatchObject({ status: 200, health: { reasons: [] } }))
  })

  test('a listening link that is open but deaf is found, told at once, and heals', async () => {
    const { proxy, rt, ask } = await onRedis(full ? {} : { silence: 500 })
    await eventually(async () => expect((await ask()).status).toBe(200))
    // It listens and hears before, and commands go on all the time: nothing but silence tells.
    proxy.deafen = true
    const began = performance.now()
    await eventually(
      async () => expect(await ask()).toMatchObject({ status: 503, health: { live: true, reasons: ['broker_deaf'] } }),
      60_000,
    )
    expect(performance.now() - began).toBeLessThan(60_000)
    expect((await rt.publish('news', 1)).duplicate).toBe(false)
    expect(rt.metrics().broker).toMatchObject({ state: 'deaf', deaf: 1 })
    proxy.deafen = false
    await eventually(async () => expect(await ask()).toMatchObject({ status: 200, health: { reasons: [] } }))
    expect(rt.metrics().broker).toMatchObject({ state: 'up' })
  })
})
