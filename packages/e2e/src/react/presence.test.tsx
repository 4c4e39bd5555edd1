// usePresence against a real server: present while some component is mounted, gone after the last one.
import { createHooks } from '@rt/client/react'
import { createRealtime } from '@rt/server'
import { StrictMode } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { openPage, type Page } from './page'
import { connect, type Host, serve, type Wire } from './wire'

const start = () =>
  createRealtime({
    authenticate: (request) => {
      const token = request.headers.get('authorization')?.slice('Bearer '.length)
      return token ? { id: token } : null
    },
    channels: {
      'doc:{id}': {
        message: z.string(),
        subscribe: 'public',
        presence: z.object({ name: z.string().max(20), at: z.number().optional() }),
      },
    },
  })
type Realtime = ReturnType<typeof start>
const { RealtimeProvider, usePresence } = createHooks<Realtime>()

let rt: Realtime
let host: Host
let ada: Wire<Realtime>
let bea: Wire<Realtime>
let page: Page | undefined
beforeEach(async () => {
  rt = start()
  host = await serve(rt)
  ada = connect<Realtime>(host.url, { token: 'ada' })
  bea = connect<Realtime>(host.url, { token: 'bea' })
})
afterEach(async () => {
  page?.close()
  ada.client.close()
  bea.client.close()
  await host.close()
})

function Here({ name, at }: { name: string; at?: number }) {
  const { self, error } = usePresence('doc:1', { name, ...(at !== undefined && { at }) })
  return <b>{`${self?.name ?? error?.code ?? '…'} `}</b>
}

function Members() {
  const { members, known } = usePresence('doc:1')
  const names = members.map(({ id, state }) => `${id}=${state.name}${state.at ?? ''}`).sort()
  return <p>{known ? `[${names.join()}]` : '?'}</p>
}

const app = (children: React.ReactNode, client = ada.client) => (
  <StrictMode>
    <RealtimeProvider client={client}>{children}</RealtimeProvider>
  </StrictMode>
)

describe('usePresence', () => {
  it('enters with the first component and leaves with the last', async () => {
    const told: string[] = []
    bea.client.channel('doc:1').presence.subscribe((_, change) => {
      if (change !== null) told.push(`${change.action} ${change.member.id} ${change.member.state.name}`)
    })
    page = openPage(app(<Members />))
    await vi.waitFor(() => expect(page?.text()).toBe('[]'))
    page.render(app([<Members key="m" />, <Here key="a" name="Ada" />, <Here key="b" name="Ada" />]))
    await vi.waitFor(() => expect(page?.text()).toBe('[ada=Ada]Ada Ada '))
    page.render(app([<Members key="m" />, <Here key="b" name="Ada" />]))
    page.render(app([<Members key="m" />]))
    page.render(app([<Members key="m" />, <Here key="c" name="Ada" />]))
    expect((await rt.presence.list('doc:1')).members).toEqual([{ id: 'ada', state: { name: 'Ada' } }])
    page.render(app(<Members key="m" />))
    // Read-only it stays, and sees itself go.
    await vi.waitFor(() => expect(page?.text()).toBe('[]'))
    await vi.waitFor(() => expect(told).toEqual(['enter ada Ada', 'leave ada Ada']))
    expect(page.errors).toEqual([])
  })

  it('says a state again only when it has changed', async () => {
    const told: string[] = []
    bea.client.channel('doc:1').presence.subscribe((_, change) => {
      if (change !== null) told.push(`${change.action} ${change.member.state.at}`)
    })
    page = openPage(app([<Members key="m" />, <Here key="h" name="Ada" at={1} />]))
    await vi.waitFor(() => expect(page?.text()).toBe('[ada=Ada1]Ada '))
    // Each time another object.
    for (let i = 0; i < 10; i++) page.render(app([<Members key="m" />, <Here key="h" name="Ada" at={1} />]))
    page.render(app([<Members key="m" />, <Here key="h" name="Ada" at={2} />]))
    await vi.waitFor(() => expect(page?.text()).toBe('[ada=Ada2]Ada '))
    await vi.waitFor(() => expect(told).toEqual(['enter 1', 'update 2']))
  })

  it('says what the server would not take', async () => {
    page = openPage(app(<Here name="far too long a name for this" />))
    await vi.waitFor(() => expect(page?.text()).toBe('invalid_message '))
  })

  it('shows the others', async () => {
    page = openPage(app(<Members />))
    await bea.client.channel('doc:1').presence.enter({ name: 'Bea' })
    await vi.waitFor(() => expect(page?.text()).toBe('[bea=Bea]'))
    await bea.client.channel('doc:1').presence.leave()
    await vi.waitFor(() => expect(page?.text()).toBe('[]'))
  })

  it('keeps what `update` said until the given state changes', async () => {
    let update: ((state: { name: string; at?: number }) => Promise<void>) | undefined
    function Typing({ at }: { at: number }) {
      const presence = usePresence('doc:1', { name: 'Ada', at })
      update = presence.update
      return <b>{`${presence.self?.at ?? '…'}`}</b>
    }
    page = openPage(app([<Typing key="t" at={1} />, <Members key="m" />]))
    await vi.waitFor(() => expect(page?.text()).toBe('1[ada=Ada1]'))
    await update?.({ name: 'Ada', at: 7 })
    page.render(app([<Typing key="t" at={1} />, <Members key="m" />]))
    await vi.waitFor(() => expect(page?.text()).toBe('7[ada=Ada7]'))
    page.render(app([<Typing key="t" at={2} />, <Members key="m" />]))
    await vi.waitFor(() => expect(page?.text()).toBe('2[ada=Ada2]'))
  })
})
