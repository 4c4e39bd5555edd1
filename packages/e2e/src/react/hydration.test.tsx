// A page that a server rendered comes to life: nothing that was published meanwhile is missing, nothing is twice, nothing flashes.
import { createHooks } from '@rt/client/react'
import { createRealtime, type StoredMessage } from '@rt/server'
import { StrictMode, useEffect } from 'react'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { openPage, type Page } from './page'
import { connect, connected, type Host, serve, type Wire } from './wire'

const UPDATES = process.env['RT_TEST_SIZE'] === 'full' ? 400 : 100

/** What the app stores: the sum of what was published, as of now. */
let sum: { total: number; seen: number }
const start = () =>
  createRealtime({
    channels: {
      'chat:{room}': {
        message: z.object({ n: z.number() }),
        history: { size: 2000 },
        subscribe: 'public',
      },
      'few:{room}': { message: z.object({ n: z.number() }), history: { size: 10 }, subscribe: 'public' },
      sum: {
        message: z.object({ n: z.number() }),
        history: { size: 2000 },
        subscribe: 'public',
        state: () => ({ ...sum }),
      },
    },
  })
type Realtime = ReturnType<typeof start>
const { RealtimeProvider, useChannel, useChannelState } = createHooks<Realtime>()

let rt: Realtime
let host: Host
let wire: Wire<Realtime>
let page: Page | undefined
beforeEach(async () => {
  sum = { total: 0, seen: 0 }
  rt = start()
  host = await serve(rt)
  wire = connect<Realtime>(host.url)
})
afterEach(async () => {
  page?.close()
  wire.client.close()
  await host.close()
})

/** Publishes the numbers from one to another, both included. */
async function publish(channel: 'chat:1' | 'few:1', from: number, to: number) {
  for (let n = from; n <= to; n++) await rt.publish(channel, { n })
}
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Stands for the client where there must be none. */
const noClient = (): never => {
  throw new Error('A server that renders made a client.')
}

type Initial = readonly StoredMessage<{ n: number }>[]
interface Shown {
  readonly numbers: readonly number[]
  readonly status: string
}

function Chat({
  name = 'chat:1',
  initial,
  shown,
  ...options
}: {
  name?: 'chat:1' | 'few:1'
  initial: Initial
  shown?: Shown[]
  last?: number
  limit?: number
}) {
  const { messages, status } = useChannel(name, { initial, ...options })
  const numbers = messages.map(({ data }) => data.n)
  useEffect(() => {
    shown?.push({ numbers, status })
  })
  return <p>{numbers.join(',')}</p>
}

describe('messages', () => {
  it.each([
    ['in sight of the default history', 20],
    ['more than the default history', 2 * UPDATES],
  ])('published between rendering and hydration are all there: %s', async (_, updates) => {
    await publish('chat:1', 1, 50)
    const initial = await rt.history('chat:1', { last: 30 })
    const html = renderToString(
      <RealtimeProvider client={noClient}>
        <Chat initial={initial} />
      </RealtimeProvider>,
    )
    expect(html).toContain(numbers(21, 50).join(','))

    await publish('chat:1', 51, 50 + updates)
    const shown: Shown[] = []
    const app = (
      <StrictMode>
        <RealtimeProvider client={() => wire.client}>
          <Chat initial={initial} shown={shown} />
        </RealtimeProvider>
      </StrictMode>
    )
    page = openPage(app, html)
    await vi.waitFor(() => expect(shown.at(-1)?.status).toBe('live'))
    await publish('chat:1', 51 + updates, 60 + updates)
    await vi.waitFor(() => expect(shown.at(-1)?.numbers.at(-1)).toBe(60 + updates))

    // At no time less than before, nothing twice, and no hole.
    let least = 30
    for (const { numbers: list } of shown) {
      expect(list.length).toBeGreaterThanOrEqual(least)
      least = list.length
      expect(list).toEqual(numbers(list[0] as number, list.at(-1) as number))
    }
    expect(shown[0]?.numbers).toEqual(numbers(21, 50))
    expect(shown.at(-1)?.numbers.slice(-40 - updates)).toEqual(numbers(21, 60 + updates))
    // React calls a mismatch recoverable, and it would stand here.
    expect(page.errors).toEqual([])
  })

  it('while the page is being loaded and connects are all there', async () => {
    await publish('chat:1', 1, 10)
    const initial = await rt.history('chat:1', { last: 10 })
    const provided = (
      <RealtimeProvider client={() => wire.client}>
        <Chat initial={initial} />
      </RealtimeProvider>
    )
    const html = renderToString(provided)
    const publishing = publish('chat:1', 11, 10 + UPDATES)
    page = openPage(provided, html)
    await publishing
    await vi.waitFor(() => expect(page?.text()).toBe(numbers(1, 10 + UPDATES).join(',')))
  })

  it('that nobody retains are told as a gap', async () => {
    await publish('few:1', 1, 5)
    const initial = await rt.history('few:1', { last: 5 })
    await publish('few:1', 6, 500)
    const shown: Shown[] = []
    const app = (
      <RealtimeProvider client={wire.client}>
        <Chat name="few:1" initial={initial} shown={shown} />
      </RealtimeProvider>
    )
    page = openPage(app)
    await vi.waitFor(() => expect(shown.at(-1)).toMatchObject({ status: 'gap' }))
    expect(shown.at(-1)?.numbers.slice(-10)).toEqual(numbers(491, 500))
  })

  it('are kept up to `limit`, the newest', async () => {
    await publish('chat:1', 1, 20)
    const initial = await rt.history('chat:1', { last: 20 })
    const app = (
      <RealtimeProvider client={wire.client}>
        <Chat initial={initial} limit={15} />
      </RealtimeProvider>
    )
    page = openPage(app)
    expect(page.text()).toBe(numbers(6, 20).join(','))
    await connected(wire.client)
    await publish('chat:1', 21, 40)
    await vi.waitFor(() => expect(page?.text()).toBe(numbers(26, 40).join(',')))
  })

  it('that a newer rendering of the page brings are not shown twice', async () => {
    await publish('chat:1', 1, 5)
    const app = (initial: Initial) => (
      <RealtimeProvider client={wire.client}>
        <Chat initial={initial} />
      </RealtimeProvider>
    )
    page = openPage(app(await rt.history('chat:1', { last: 5 })))
    await connected(wire.client)
    await publish('chat:1', 6, 8)
    await vi.waitFor(() => expect(page?.text()).toBe(numbers(1, 8).join(',')))
    page.render(app(await rt.history('chat:1', { last: 8 })))
    expect(page.text()).toBe(numbers(1, 8).join(','))
  })
})

describe('state', () => {
  /** As an app changes its data: stored first, then told. */
  async function add(n: number) {
    sum = { total: sum.total + n, seen: n }
    await rt.publish('sum', { n })
  }

  function Sum({ initial, shown }: { initial?: { total: number; seen: number }; shown?: (number | null)[] }) {
    const { state, status } = useChannelState('sum', {
      ...(initial && { initial }),
      // What the server knew already counts once.
      reduce: (state, { data }) => (data.n <= state.seen ? state : { total: state.total + data.n, seen: data.n }),
    })
    useEffect(() => {
      shown?.push(state?.total ?? null)
    })
    return <p>{`${state?.total} ${status}`}</p>
  }

  const total = (n: number) => (n * (n + 1)) / 2

  it('is never behind and never gone, from the rendering on the server on', async () => {
    for (let n = 1; n <= 10; n++) await add(n)
    const initial = await rt.state('sum')
    const html = renderToString(
      <RealtimeProvider client={noClient}>
        <Sum initial={initial} />
      </RealtimeProvider>,
    )
    expect(html).toContain(`${total(10)} connecting`)
    for (let n = 11; n <= 10 + UPDATES / 2; n++) await add(n)
    const shown: (number | null)[] = []
    page = openPage(
      <StrictMode>
        <RealtimeProvider client={() => wire.client}>
          <Sum initial={initial} shown={shown} />
        </RealtimeProvider>
      </StrictMode>,
      html,
    )
    for (let n = 11 + UPDATES / 2; n <= 10 + UPDATES; n++) await add(n)
    await vi.waitFor(() => expect(page?.text()).toBe(`${total(10 + UPDATES)} live`))
    expect(shown[0]).toBe(total(10))
    expect(shown).toEqual([...shown].sort((a, b) => Number(a) - Number(b)))
    expect(page.errors).toEqual([])
  })

  it('is whole for a component that comes later', async () => {
    function Messages() {
      const { status, messages } = useChannel('sum')
      return <i>{`${status} ${messages.length} `}</i>
    }
    const app = (children: React.ReactNode) => <RealtimeProvider client={wire.client}>{children}</RealtimeProvider>
    page = openPage(app([<Messages key="messages" />]))
    await vi.waitFor(() => expect(page?.text()).toBe('live 0 '))
    for (let n = 1; n <= 10; n++) await add(n)
    // The state was told long ago, and these came behind it.
    await vi.waitFor(() => expect(page?.text()).toBe('live 10 '))
    const shown: (number | null)[] = []
    page.render(app([<Messages key="messages" />, <Sum key="sum" shown={shown} />]))
    await vi.waitFor(() => expect(page?.text()).toBe(`live 10 ${total(10)} live`))
    await add(11)
    await vi.waitFor(() => expect(page?.text()).toBe(`live 11 ${total(11)} live`))
    // The page has one subscription all the same.
    page.render(app(<Sum key="sum" shown={shown} />))
    await add(12)
    await vi.waitFor(() => expect(page?.text()).toBe(`${total(12)} live`))
    expect(shown.filter((value) => value === null).length).toBeLessThanOrEqual(1)
  })
})
