// However often components come and go, the server sees one subscription, and none at the end.
import { createHooks } from '@rt/client/react'
import { createRealtime } from '@rt/server'
import { StrictMode } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { openPage } from './page'
import { connect, connected, type Host, serve, type Wire } from './wire'

const CYCLES = process.env['RT_TEST_SIZE'] === 'full' ? 10_000 : 1000

let asked = 0
const start = () =>
  createRealtime({
    authenticate: () => ({ id: 'ada' }),
    channels: {
      'chat:{room}': {
        message: z.object({ text: z.string() }),
        subscribe: () => {
          asked++
          return true
        },
        publish: 'public',
      },
      secret: { message: z.string(), subscribe: () => false },
    },
  })
type Realtime = ReturnType<typeof start>
const { RealtimeProvider, useChannel, useConnection } = createHooks<Realtime>()

let rt: Realtime
let host: Host
let wire: Wire<Realtime>
beforeEach(async () => {
  asked = 0
  rt = start()
  host = await serve(rt)
  wire = connect<Realtime>(host.url)
  await connected(wire.client)
})
afterEach(async () => {
  wire.client.close()
  await host.close()
})

function Chat({ room = '1', last = 0, mark = '' }: { room?: string; last?: number; mark?: string }) {
  const { messages, status } = useChannel(`chat:${room}`, { last })
  return (
    <p>
      {mark}
      {`${status}:${messages.map(({ data }) => data.text).join(',')};`}
    </p>
  )
}

const app = (children: React.ReactNode, strict = true) => {
  const tree = <RealtimeProvider client={wire.client}>{children}</RealtimeProvider>
  return strict ? <StrictMode>{tree}</StrictMode> : tree
}

/** Behind all microtasks, and before any timer. */
const endOfTurn = () => new Promise<void>((resolve) => process.nextTick(() => queueMicrotask(resolve)))

describe('one subscription', () => {
  it('in StrictMode, which mounts twice', async () => {
    const page = openPage(app(<Chat />))
    await vi.waitFor(() => expect(page.text()).toBe('live:;'))
    await rt.publish('chat:1', { text: 'a' })
    await vi.waitFor(() => expect(page.text()).toBe('live:a;'))
    expect(wire.said).toEqual(['+chat:1'])
    expect(asked).toBe(1)
    page.close()
    await wire.heard('=chat:1')
    expect(wire.said).toEqual(['+chat:1', '-chat:1', '=chat:1'])
    expect(page.errors).toEqual([])
  })

  it('for two components, also when they want a different history', async () => {
    await rt.publish('chat:1', { text: 'a' })
    await rt.publish('chat:1', { text: 'b' })
    const both = (
      <>
        <Chat mark="A" last={1} />
        <Chat mark="B" last={1} />
        <Chat mark="C" last={10} />
        <Chat mark="D" />
      </>
    )
    const page = openPage(app(both))
    await vi.waitFor(() => expect(page.text()).toBe('Alive:b;Blive:b;Clive:a,b;Dlive:;'))
    await rt.publish('chat:1', { text: 'c' })
    await vi.waitFor(() => expect(page.text()).toBe('Alive:b,c;Blive:b,c;Clive:a,b,c;Dlive:c;'))
    // One goes, the others stay.
    page.render(app(<Chat mark="B" last={1} />))
    await rt.publish('chat:1', { text: 'd' })
    await vi.waitFor(() => expect(page.text()).toBe('Blive:b,c,d;'))
    expect(wire.said).toEqual(['+chat:1'])
    page.close()
    await wire.heard('=chat:1')
    expect(wire.said).toEqual(['+chat:1', '-chat:1', '=chat:1'])
  })

  it(`through ${CYCLES} mounts and unmounts, then none`, async () => {
    const page = openPage(app(null))
    for (let i = 0; i < CYCLES; i++) {
      page.render(app(<Chat key={i} last={5} />))
      // The client sends what changed at the end of a turn: each step has one of its own.
      await endOfTurn()
      page.render(app(null))
      await endOfTurn()
    }
    page.render(app(<Chat last={5} />))
    await vi.waitFor(() => expect(page.text()).toBe('live:;'))
    expect(wire.said).toEqual(['+chat:1'])
    expect(asked).toBe(1)
    page.close()
    await wire.heard('=chat:1')
    expect(wire.said).toEqual(['+chat:1', '-chat:1', '=chat:1'])
    expect(asked).toBe(1)
  })

  it('of each name, when the name changes', async () => {
    const page = openPage(app(<Chat room="1" />, false))
    await vi.waitFor(() => expect(page.text()).toBe('live:;'))
    await rt.publish('chat:1', { text: 'old' })
    await vi.waitFor(() => expect(page.text()).toBe('live:old;'))
    page.render(app(<Chat room="2" />, false))
    expect(page.text()).toBe('connecting:;')
    await vi.waitFor(() => expect(page.text()).toBe('live:;'))
    await wire.heard('=chat:1')
    page.close()
    await wire.heard('=chat:2')
    expect(wire.said.filter((text) => text.startsWith('+'))).toEqual(['+chat:1', '+chat:2'])
  })
})

it('a refusal is told where the channel is shown', async () => {
  function Secret() {
    const { status, error } = useChannel('secret')
    return <p>{`${status} ${error?.code}`}</p>
  }
  const page = openPage(app(<Secret />))
  await vi.waitFor(() => expect(page.text()).toBe('error forbidden'))
  page.close()
})

it('a cut is told, and what was published meanwhile comes', async () => {
  function Badge() {
    const { status, transport } = useConnection()
    return <b>{`${status} ${transport} `}</b>
  }
  const seen = new Set<string>()
  wire.client.on('status', (status) => seen.add(status))
  const page = openPage(app([<Badge key="badge" />, <Chat key="chat" />]))
  await vi.waitFor(() => expect(page.text()).toBe('connected websocket live:;'))
  wire.client.reconnect()
  await rt.publish('chat:1', { text: 'meanwhile' })
  await vi.waitFor(() => expect(page.text()).toBe('connected websocket live:meanwhile;'))
  page.close()
})

it('without a provider hooks say what is missing', () => {
  const page = openPage(<Chat />)
  expect(page.errors.map(String)).toEqual(['Error: There is no <RealtimeProvider> around this component.'])
  page.close()
})
