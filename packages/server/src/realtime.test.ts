import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createRealtime, memory, RealtimeError } from './index'

const message = z.object({ text: z.string() })
const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const rt of closing.splice(0)) await rt.close()
})

function start() {
  const rt = createRealtime({
    authenticate: (request) => {
      const id = request.headers.get('authorization')?.slice('Bearer '.length)
      return id === undefined ? null : { id, admin: id === 'root' }
    },
    channels: {
      'chat:{room}': { message, subscribe: 'public', publish: ({ identity }) => identity !== null },
      'cursor:{doc}': { message, delivery: 'live' },
    },
  })
  closing.push(rt)
  return rt
}

const post = (commands: unknown, token?: string) =>
  new Request('http://localhost/rt', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(commands),
  })

describe('rt', () => {
  it('publishes and reads the history', async () => {
    const rt = start()
    const { id } = await rt.publish('chat:1', { text: 'a' }, { messageId: 'm' })
    expect(await rt.publish('chat:1', { text: 'a' }, { messageId: 'm' })).toEqual({ id, duplicate: true })
    await rt.publish('chat:1', { text: 'b' }, { from: 'bot' })
    expect(await rt.history('chat:1', { last: 10 })).toEqual([
      { id, time: Number.parseInt(id, 10), messageId: 'm', from: null, data: { text: 'a' } },
      expect.objectContaining({ from: 'bot', data: { text: 'b' } }),
    ])
    expect(await rt.history('chat:1', { last: 1 })).toMatchObject([{ data: { text: 'b' } }])
  })

  it('publishes on live channels without an id', async () => {
    expect(await start().publish('cursor:1', { text: 'a' })).toEqual({ id: null, duplicate: false })
  })

  it('stores the publications of one channel in the order of the calls', async () => {
    const rt = start()
    await Promise.all(['a', 'b', 'c'].map((text) => rt.publish('chat:1', { text })))
    expect((await rt.history('chat:1', { last: 10 })).map(({ data }) => data.text)).toEqual(['a', 'b', 'c'])
  })

  it.each([0, 1.5, 1001])('has no history of %d', async (last) => {
    await expect(start().history('chat:1', { last })).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it('answers requests as the identity that authenticate returned', async () => {
    const rt = start()
    const publish = [{ type: 'publish', ref: 1, channel: 'chat:1', data: { text: 'hi' } }]
    const refused = await rt.fetch(post(publish))
    expect(await refused.json()).toMatchObject([{ ref: 1, error: { code: 'unauthenticated' } }])
    const response = await rt.handlers.POST(post(publish, 'root'))
    expect(await response.json()).toMatchObject([{ ref: 1, value: { duplicate: false } }])
    expect(await rt.history('chat:1', { last: 1 })).toMatchObject([{ from: 'root' }])
  })

  it('closes once and begins nothing after', async () => {
    const rt = start()
    await Promise.all([rt.close(), rt.close()])
    expect((await rt.fetch(post([]))).status).toBe(503)
    await expect(rt.publish('chat:1', { text: 'a' })).rejects.toMatchObject({ code: 'closed', outcome: 'failed' })
    await expect(rt.history('chat:1', { last: 1 })).rejects.toMatchObject({ code: 'closed' })
  })

  it('closes at once with a drain too when nobody is there', async () => {
    const rt = start()
    await rt.close({ drain: '1h' })
    await expect(rt.publish('chat:1', { text: 'a' })).rejects.toMatchObject({ code: 'closed' })
  })

  it.each(['soon', -1, '2h'])('does not close with a drain of %s, and says why', async (drain) => {
    const rt = start()
    await expect(rt.close({ drain: drain as '1s' })).rejects.toThrow(/^drain: /)
    expect((await rt.fetch(post([], 'root'))).status).toBe(200)
  })
})

describe('createRealtime throws at start', () => {
  it.each<[string, object]>([
    ['path', { path: 'rt' }],
    ['path', { path: '/rt?x' }],
    ['heartbeat', { heartbeat: '1ms' }],
    ['life', { life: 'long' }],
    ['outboxBytes', { outboxBytes: 1 }],
    ['limits.commands', { limits: { commands: 0 } }],
    ['limits.connections', { limits: { connections: 1.5 } }],
    ['origins', { origins: ['example.com'] }],
    ['channels', { channels: { 'a:{b': { message } } }],
  ])('for a wrong %s, naming it', (option, options) => {
    expect(() => createRealtime({ channels: {}, ...options })).toThrow(new RegExp(`^${option}: `))
  })
})

describe('rt.revoke', () => {
  const authenticate = (request: Request) => ({ id: request.headers.get('authorization') ?? 'nobody' })
  const channels = { news: { message, subscribe: 'public' } } as const
  const stream = (rt: { fetch(request: Request): Promise<Response> }, authorization: string) =>
    rt.fetch(
      new Request('http://localhost/rt?v=1&channels=news', { headers: { accept: 'text/event-stream', authorization } }),
    )

  it('asks a function for the id of everybody who is connected', async () => {
    const rt = createRealtime({ authenticate, channels })
    closing.push(rt)
    const bodies = await Promise.all(['a:1', 'a:2', 'b:1'].map((id) => stream(rt, id)))
    const asked: string[] = []
    await rt.revoke((id) => {
      asked.push(id)
      return id.startsWith('a:')
    })
    expect(asked.sort()).toEqual(['a:1', 'a:2', 'b:1'])
    const [one, two, other] = bodies.map((response) => response.text())
    expect(await one).toContain('"unauthenticated"')
    expect(await two).toContain('"unauthenticated"')
    await rt.close()
    expect(await other).not.toContain('"unauthenticated"')
  })

  it('asks for everybody whom the store knows, page by page, and for who is connected here and not known there yet', async () => {
    const broker = memory()
    const pages: Record<string, { ids: string[]; cursor: string | null }> = {
      '': { ids: ['x'], cursor: 'x' },
      x: { ids: ['y'], cursor: null },
    }
    const match = async (_glob: string, cursor: string | null) => pages[cursor ?? ''] ?? { ids: [], cursor: null }
    const presence = { ...broker.presence, match }
    const rt = createRealtime({ authenticate, channels, broker: { ...broker, presence } })
    closing.push(rt)
    await stream(rt, 'here')
    const asked: string[] = []
    await rt.revoke((id) => asked.push(id) === 0)
    expect(asked.sort()).toEqual(['here', 'x', 'y'])
  })

  it('is obeyed here also while the broker is away, and says that the others do not know', async () => {
    const broker = memory()
    const away = new RealtimeError('broker_unavailable', 'Away.', { outcome: 'failed' })
    const rt = createRealtime({
      authenticate,
      channels,
      broker: { ...broker, publish: () => Promise.reject(away) },
    })
    closing.push(rt)
    const response = await stream(rt, 'ann')
    await expect(rt.revoke('ann')).rejects.toBe(away)
    expect(await response.text()).toContain('"unauthenticated"')
  })

  it('rejects a recheck of a channel that is not declared', async () => {
    const rt = createRealtime({ authenticate, channels })
    closing.push(rt)
    await expect(rt.recheck('nothing' as 'news')).rejects.toMatchObject({ code: 'unknown_channel' })
  })
})
