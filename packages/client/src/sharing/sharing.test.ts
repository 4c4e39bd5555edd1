// Sharing on a fake clock: who leads, what followers hear, and what happens when their ways part.
import type { MembersEvent } from '@rt/protocol'
import { describe, expect, it } from 'vitest'
import { Browser, messageOf, openTabs, type Tab } from './browser.fixture'

const own = (tabs: readonly Tab[]) => tabs.filter(({ link }) => link !== undefined).map(({ name }) => name)

describe('tabs of one identity', () => {
  it('end with one stream, of the first, which all hear, each once', async () => {
    const browser = new Browser()
    const tabs = await openTabs(browser, ['a', 'b', 'c'], 'x')
    expect(own(tabs)).toEqual(['a'])
    tabs[0]?.link?.message('x', 1)
    tabs[0]?.link?.message('x', 2)
    await browser.settle()
    for (const { messages, statuses } of tabs) {
      expect(messages).toEqual([1, 2])
      expect(statuses).toEqual(['connecting', 'connected'])
    }
  })

  it('hear only what each has asked for, and the leader asks for all of it', async () => {
    const browser = new Browser()
    const [a, b] = (await openTabs(browser, ['a', 'b'], 'x')) as [Tab, Tab]
    b.connection.subscribe('y', 0)
    await browser.settle()
    expect(a.link?.sent).toMatchObject([{ type: 'subscribe', channel: 'y' }])
    a.link?.answer()
    await browser.settle()
    a.link?.print(messageOf('y', 1), messageOf('x', 2), { type: 'cursor', cursor: 'c2' })
    await browser.settle()
    expect([a.messages, b.messages]).toEqual([[2], [1, 2]])

    b.connection.unsubscribe('y')
    await browser.settle()
    expect(a.link?.sent).toEqual([{ type: 'unsubscribe', channel: 'y' }])
  })

  it('go on without a break when the leader goes, from where each is', async () => {
    const browser = new Browser()
    const [a, b, c] = (await openTabs(browser, ['a', 'b', 'c'], 'x')) as [Tab, Tab, Tab]
    a.link?.message('x', 1)
    await browser.settle()
    a.connection.close()
    await browser.settle()
    expect(b.link?.request).toMatchObject({ channels: [{ channel: 'x' }], cursor: 'c1' })
    b.link?.prove()
    await browser.settle()
    b.link?.message('x', 2)
    await browser.settle()
    for (const { messages, statuses } of [b, c]) {
      expect(messages).toEqual([1, 2])
      expect(statuses).toEqual(['connecting', 'connected'])
    }
    expect(own([b, c])).toEqual(['b'])
  })

  it('send commands by the leader, and again by the next one, with the same messageId', async () => {
    const browser = new Browser()
    const [a, b] = (await openTabs(browser, ['a', 'b'], 'x')) as [Tab, Tab]
    const order = { type: 'publish', channel: 'x', data: 1, messageId: 'once' } as const
    const published = b.connection.execute(order, undefined)
    await browser.settle()
    expect(a.link?.sent).toMatchObject([order])
    a.connection.close()
    await browser.settle()
    b.link?.prove()
    await browser.settle()
    expect(b.link?.sent).toMatchObject([order])
    b.link?.answer()
    await expect(published).resolves.toBe(null)
  })

  it('take the lead from one that does not answer, and leave it alone when it does', async () => {
    const browser = new Browser()
    const tabs = (await openTabs(browser, ['a', 'b', 'c'], 'x')) as [Tab, Tab, Tab]
    const [a, b, c] = tabs
    await a.live(200_000)
    expect(own(tabs)).toEqual(['a'])

    a.stuck = true
    await browser.settle(26_000)
    const next = [b, c].find(({ link }) => link !== undefined) as Tab
    next.link?.prove()
    await browser.settle()
    expect(own([b, c])).toEqual([next.name])
    next.link?.message('x', 1)
    await browser.settle()
    for (const { messages, statuses } of [b, c]) {
      expect(messages).toEqual([1])
      expect(statuses).toEqual(['connecting', 'connected'])
    }
    browser.answer = () => ({ events: [messageOf('x', 1)] })
    a.stuck = false
    await browser.settle()
    expect(own(tabs)).toEqual([next.name])
    expect(a.messages).toEqual([1])
  })

  it('are shown as reconnecting while the leader has no stream, and open none of their own', async () => {
    const browser = new Browser()
    const tabs = (await openTabs(browser, ['a', 'b'], 'x')) as [Tab, Tab]
    const [a, b] = tabs
    a.link?.end()
    await browser.settle(60_000)
    expect(b.statuses).toEqual(['connecting', 'connected', 'reconnecting'])
    expect(b.links).toHaveLength(1)
    a.links.at(-1)?.prove()
    for (let i = 0; i < 20 && a.connection.status !== 'connected'; i++) {
      await browser.settle(2000)
      a.link?.prove()
    }
    await browser.settle()
    expect([a, b].map(({ connection }) => connection.status)).toEqual(['connected', 'connected'])
    expect(own(tabs)).toEqual(['a'])
  })

  it('ride on the leader as well when they learn of it while they come back by themselves', async () => {
    const browser = new Browser()
    const [a] = (await openTabs(browser, ['a'], 'x')) as [Tab]
    const b = browser.tab('b')
    b.stuck = true
    await b.connect('x')
    b.link?.end()
    await browser.settle(1000)
    expect(b.links).toHaveLength(2)
    b.stuck = false
    await browser.settle()
    b.link?.prove()
    await browser.settle()
    expect(own([a, b])).toEqual(['a'])
  })

  it('open their links anew beside the old ones when the leader has another stream', async () => {
    const browser = new Browser()
    const [a, b] = (await openTabs(browser, ['a', 'b'], 'x')) as [Tab, Tab]
    const { length } = browser.polls
    // It ends by plan.
    a.link?.print({
      type: 'bye',
      error: { code: 'draining', message: '', hint: '', retryable: true, status: 503 },
      retryAfter: 0,
    })
    await browser.settle()
    a.link?.prove()
    await browser.settle()
    a.link?.message('x', 1)
    await browser.settle()
    expect([a.messages, b.messages]).toEqual([[1], [1]])
    expect(browser.polls).toHaveLength(length + 1)
    expect(b.statuses).toEqual(['connecting', 'connected'])
  })

  it('hear a channel that the leader begins for itself without a hole', async () => {
    const browser = new Browser()
    const [a] = (await openTabs(browser, ['a'], 'x')) as [Tab]
    const b = browser.tab('b')
    await b.connect('x', 'y')
    a.link?.print(messageOf('y', 1))
    await browser.settle()
    a.connection.subscribe('y', 0)
    await browser.settle()
    a.link?.print(messageOf('y', 2), { type: 'unsubscribed', channel: 'y' })
    browser.answer = () => ({ events: [messageOf('y', 2)], cursor: 'p2' })
    a.link?.answer()
    await browser.settle()
    a.link?.message('y', 3)
    await browser.settle()
    expect([a.messages, b.messages]).toEqual([[3], [1, 2, 3]])
  })

  it.each([
    ['on a link that takes commands', [{ type: 'unsubscribed', channel: 'y' }]],
    ['by polls', [{ type: 'subscribed', channel: 'y', id: '1-5', epoch: '0-1' }]],
  ] as const)('take no cursor of a channel that the leader begins anew, %s', async (_where, events) => {
    const browser = new Browser()
    const [a] = (await openTabs(browser, ['a'], 'x')) as [Tab]
    const b = browser.tab('b')
    await b.connect('x', 'y')
    a.link?.print({ type: 'cursor', cursor: 'c1' })
    a.link?.print(...events, { type: 'cursor', cursor: 'c9' })
    await browser.settle()
    expect(browser.polls.at(-1)).toMatchObject({ tab: 'b', cursor: 'c1' })
  })
})

it('wants nothing more for a tab that crashed', async () => {
  const browser = new Browser()
  const [a, b] = (await openTabs(browser, ['a', 'b'], 'x')) as [Tab, Tab]
  b.connection.subscribe('y', 0)
  await browser.settle()
  a.link?.answer()
  await browser.settle()
  b.crash()
  await browser.settle()
  expect(a.link?.sent).toEqual([{ type: 'unsubscribe', channel: 'y' }])
})

describe('a tab that begins to ride', () => {
  it('goes by itself when the server tells it of another life of the log than the leader has', async () => {
    const browser = new Browser()
    const [a, b] = (await openTabs(browser, ['a', 'b'], 'x')) as [Tab, Tab]
    browser.answer = ({ fresh }) => ({
      events: fresh.map((channel) => ({ type: 'subscribed', channel, id: '1-0', epoch: '9-0' })),
    })
    b.connection.subscribe('z', 0)
    for (let i = 0; i < 10; i++) {
      await browser.settle(1000)
      a.link?.answer()
    }
    expect(own([a, b])).toEqual(['a', 'b'])
  })

  it('polls until it is where the leader is, whose node may be ahead', async () => {
    const browser = new Browser()
    const [a] = (await openTabs(browser, ['a'], 'x')) as [Tab]
    a.link?.message('x', 1)
    a.link?.message('x', 2)
    // The node of the poll has seen nothing of it yet.
    let polls = 0
    browser.answer = ({ cursor, fresh }) =>
      fresh.length > 0 || ++polls < 3
        ? {}
        : { events: [messageOf('x', 1), messageOf('x', 2)], cursor: `after-${cursor}` }
    const b = browser.tab('b')
    await b.connect('x')
    a.link?.message('x', 3)
    await browser.settle(2000)
    expect(b.messages).toEqual([1, 2, 3])
    expect(b.link).toBeUndefined()
  })

  it('stays by itself while the two are in different lives of the log, and tries again later', async () => {
    const browser = new Browser()
    const a = browser.tab('a')
    a.connection.subscribe('x', 0)
    await browser.settle()
    a.link?.prove('7-0')
    await browser.settle()
    const b = browser.tab('b')
    await b.connect('x')
    await browser.settle(5000)
    expect(own([a, b])).toEqual(['a', 'b'])
    a.link?.print({ type: 'gap', channel: 'x', reason: 'epoch', epoch: '9-0' })
    b.link?.print({ type: 'gap', channel: 'x', reason: 'epoch', epoch: '9-0' }, { type: 'cursor', cursor: 'c9' })
    await Promise.all([a.live(70_000), b.live(70_000)])
    expect(own([a, b])).toEqual(['a'])
  })

  it('stays by itself when its poll leads into another life of the log than the one that the leader is in', async () => {
    const browser = new Browser()
    const a = browser.tab('a')
    const b = browser.tab('b')
    for (const tab of [a, b]) await tab.connect('x')
    a.connection.subscribe('y', 0)
    await browser.settle()
    expect(own([a, b])).toEqual(['a'])
    browser.answer = ({ fresh }) => ({
      events: [
        { type: 'gap', channel: 'x', reason: 'epoch', epoch: '9-0' },
        ...fresh.map((channel) => ({ type: 'subscribed', channel, id: '1-0', epoch: '0-1' }) as const),
      ],
      cursor: 'p9',
    })
    b.connection.subscribe('z', 0)
    await browser.settle()
    a.link?.answer()
    await browser.settle(2000)
    a.link?.answer()
    a.link?.message('x', 5)
    await browser.settle(2000)
    // What the leader told is of the old life, and so is the stream that it came by.
    expect(b.told.map(({ kind }) => kind)).toEqual(['subscribed', 'message'])
    expect(b.messages).toEqual([5])
  })

  it('goes alone when the server takes it for somebody else', async () => {
    const browser = new Browser()
    const [a] = (await openTabs(browser, ['a'], 'x')) as [Tab]
    const b = browser.tab('b')
    browser.answer = () => ({ identity: 'eve' })
    await b.connect('x')
    await browser.settle(5000)
    expect(own([a, b])).toEqual(['a', 'b'])
    b.link?.message('x', 1)
    expect(b.messages).toEqual([1])
    expect(b.statuses).toEqual(['connecting', 'connected'])
  })

  it('begins with the list of members that the leader has', async () => {
    const browser = new Browser()
    const [a] = (await openTabs(browser, ['a'], 'x')) as [Tab]
    a.connection.watch('x')
    await browser.settle()
    const list: MembersEvent = {
      type: 'members',
      channel: 'x',
      id: '5-0',
      at: 'e_5',
      known: true,
      members: [{ id: 'ann', state: 1 }],
    }
    a.link?.print(list)
    const b = browser.tab('b')
    // The node of its own poll is behind.
    browser.answer = ({ fresh }) => ({
      events: [
        ...fresh.map((channel) => ({ type: 'subscribed', channel, id: '1-0', epoch: '0-1' }) as const),
        { ...list, id: '4-0', at: 'e_4', members: [] },
      ],
    })
    b.connection.watch('x')
    await b.connect('x')
    a.link?.print({
      type: 'presence',
      channel: 'x',
      id: '6-0',
      at: 'e_6',
      changes: [{ action: 'enter', member: 'bob', state: 2 }],
    })
    await browser.settle()
    const last = b.members.at(-1)
    expect(last?.kind === 'members' && last.list.members.map(({ id }) => id)).toEqual(['ann', 'bob'])
  })
})

describe('identities', () => {
  it('never share', async () => {
    const browser = new Browser()
    const tabs = [browser.tab('a', 'ann'), browser.tab('b', 'bob'), browser.tab('c', 'ann'), browser.tab('d')]
    for (const tab of tabs) await tab.connect('x')
    expect(own(tabs)).toEqual(['a', 'b', 'd'])
  })
})

describe('presence by the leader', () => {
  it('is one for all tabs: entered once, left with the last', async () => {
    const browser = new Browser()
    const [a, b, c] = (await openTabs(browser, ['a', 'b', 'c'], 'x')) as [Tab, Tab, Tab]
    const sent = () => a.link?.sent.map(({ type }) => type)
    const entering = b.connection.enter('x', 'here')
    await browser.settle()
    expect(a.link?.sent).toMatchObject([{ type: 'enter', client: 'a', state: 'here' }])
    a.link?.answer()
    await entering
    const again = c.connection.enter('x', 'here')
    await browser.settle()
    a.link?.answer()
    await again
    await b.connection.leave('x')
    await browser.settle()
    expect(sent()).toEqual([])
    const leaving = c.connection.leave('x')
    await browser.settle()
    expect(sent()).toEqual(['leave'])
    a.link?.answer()
    await leaving
  })

  it('outlives the leader, and ends some time after a tab that went without a word', async () => {
    const browser = new Browser()
    const [a, b, c] = (await openTabs(browser, ['a', 'b', 'c'], 'x')) as [Tab, Tab, Tab]
    const entering = c.connection.enter('x', 'here')
    await browser.settle()
    a.link?.answer()
    await entering
    const { link } = a
    a.connection.close()
    expect(link?.sent.map(({ type }) => type)).toEqual([])
    await browser.settle()
    b.link?.prove()
    await browser.settle()
    expect(b.link?.sent).toMatchObject([{ type: 'enter', client: 'b', state: 'here' }])
    b.link?.answer()
    c.suspend()
    await browser.settle(9000)
    expect(b.link?.sent).toEqual([])
    await browser.settle(1500)
    expect(b.link?.sent).toMatchObject([{ type: 'leave', client: 'b' }])
  })
})
