import { FakeClock } from '@rt/protocol/fake-clock'
import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../backends/memory/broker'
import { createNode } from './node.fixture'
import { Tickets } from './tickets'

function setUp() {
  const clock = new FakeClock(1_000_000)
  const store = new MemoryStore({ clock })
  const [here, there] = [store.node(), store.node()].map((broker) => new Tickets(broker, clock)) as [Tickets, Tickets]
  const { gateway } = createNode({ channels: {}, clock, authenticate: () => ({ id: 'cookie' }), tickets: there })
  const ask = (ticket: string, headers: Record<string, string> = {}) =>
    gateway.authenticate(new Request(`http://app.test/rt?channels=a&ticket=${ticket}`, { headers }))
  return { clock, here, gateway, ask }
}

describe('a ticket', () => {
  it('stands for its identity once, on any node, whatever else the request says', async () => {
    const { here, ask } = setUp()
    const identity = { id: 'ann', role: 'admin', expiresAt: 2_000_000 }
    const ticket = await here.make(identity, null)
    expect(ticket).toMatch(/^[A-Za-z0-9_-]{32}$/)
    expect(await ask(ticket)).toEqual(identity)
    await expect(ask(ticket)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('is taken by one of many who come at once', async () => {
    const { here, ask } = setUp()
    const ticket = await here.make({ id: 'ann' }, null)
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => ask(ticket)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('is good for 30 s', async () => {
    const { clock, here, ask } = setUp()
    const [early, late] = [await here.make({ id: 'ann' }, null), await here.make({ id: 'ann' }, null)]
    await clock.advanceAsync(29_999)
    expect(await ask(early)).toEqual({ id: 'ann' })
    await clock.advanceAsync(1)
    await expect(ask(late)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('that is none is refused, and the cookie not asked; the refusal does not repeat it', async () => {
    const { ask } = setUp()
    for (const ticket of ['', 'x', 'A'.repeat(32), 'A'.repeat(10_000), `${'A'.repeat(32)}&ticket=${'B'.repeat(32)}`]) {
      const error = await ask(ticket).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'unauthenticated' })
      if (ticket.length > 1) expect(JSON.stringify(error)).not.toContain(ticket.slice(0, 32))
    }
  })

  it('that is for an origin is good for its pages alone', async () => {
    const { here, ask } = setUp()
    const make = () => here.make({ id: 'ann' }, 'https://app.test')
    const ann = { id: 'ann' }
    expect(await ask(await make(), { origin: 'https://app.test' })).toEqual(ann)
    // A page that asks its own host by GET sends none.
    expect(await ask(await make(), { host: 'app.test' })).toEqual(ann)
    for (const headers of [{ origin: 'https://evil.test' }, { origin: 'http://app.test' }, { host: 'evil.test' }])
      await expect(ask(await make(), headers as Record<string, string>)).rejects.toMatchObject({
        code: 'unauthenticated',
      })
  })

  it('is not looked at beside a header that says who it is', async () => {
    const { here, ask } = setUp()
    const ticket = await here.make({ id: 'ann' }, null)
    expect(await ask(ticket, { authorization: 'Bearer x' })).toEqual({ id: 'cookie' })
    expect(await ask(ticket)).toEqual({ id: 'ann' })
  })

  it('does not outlive what its identity lost meanwhile', async () => {
    const { clock, here, gateway, ask } = setUp()
    const ticket = await here.make({ id: 'ann' }, null)
    const short = await here.make({ id: 'bob', expiresAt: 1_000_010 }, null)
    await clock.advanceAsync(10)
    gateway.revoke('ann', clock.now(), false)
    await expect(ask(ticket)).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(ask(short)).rejects.toMatchObject({ code: 'token_expired' })
  })
})
