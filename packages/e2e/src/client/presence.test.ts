// Presence and state first through the doors, on each transport: who is there, seen by others, through reconnects and changes of the transport.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Client, createClient, type PresenceList, type TransportName } from '@rt/client'
import { createRealtime } from '@rt/server'
import { it as base, describe, expect } from 'vitest'
import { z } from 'zod'

const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

function start(texts: ReadonlyMap<string, string>) {
  return createRealtime({
    authenticate: (request) => {
      const token = request.headers.get('authorization')?.replace('Bearer ', '')
      return token === undefined ? null : { id: token }
    },
    channels: {
      'room:{id}': {
        message: z.object({ n: z.number() }),
        subscribe: 'public',
        publish: 'public',
        presence: z.object({ name: z.string() }),
      },
      'secret:{id}': {
        message: z.object({ n: z.number() }),
        subscribe: () => false,
        presence: z.object({ name: z.string() }),
      },
      'doc:{id}': {
        message: z.object({ text: z.string() }),
        subscribe: 'public',
        publish: 'public',
        state: ({ params }) => ({ text: texts.get(params.id) ?? '' }),
      },
    },
    // A seat of a poll lives for two and a half pauses: longer than a client that was cut waits before it comes back.
    pollFloor: 1500,
    presence: { ttl: '4s', grace: '3s' },
  })
}

/** A node of its own for each test, so that they can wait at the same time. */
async function open() {
  /** What the state of `doc:…` is computed from. */
  const texts = new Map<string, string>()
  const rt = start(texts)
  const http = createServer()
  rt.attach(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/rt`
  const clients: Client<typeof rt>[] = []

  /** A client that is closed with the node; the name is its token as well. */
  function connect(token: string | null, transports: readonly TransportName[], options: { fetch?: typeof fetch } = {}) {
    const client = createClient<typeof rt>(url, { ...(token !== null && { token }), transports, ...options })
    clients.push(client)
    return client
  }

  async function close() {
    for (const client of clients) client.close()
    await rt.close()
    http.close()
    http.closeAllConnections()
  }
  return { rt, url, texts, connect, close }
}

type Node = Awaited<ReturnType<typeof open>>

const it = base.extend<{ node: Node }>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner reads from it what a fixture needs
  node: async ({}, use) => {
    const node = await open()
    await use(node)
    await node.close()
  },
})

/**
 * A seat that no stream keeps. That its end is told proves that a whole life of a seat has passed, and that whoever did not keep his own would be gone:
 * the control of every test that waits for nothing to happen.
 */
async function lifeOfASeat({ url }: Node, eye: ReturnType<typeof watch>): Promise<void> {
  const enter = { type: 'enter', ref: 1, channel: 'room:1', client: 'none', state: { name: 'Witness' } }
  const headers = { authorization: 'Bearer witness', 'content-type': 'application/json' }
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify([enter]) })
  expect(await answer.json()).toEqual([{ type: 'result', ref: 1, value: null }])
  await eye.until(() => eye.told.includes('leave witness Witness'))
  eye.told.splice(0, eye.told.length, ...eye.told.filter((told) => !told.endsWith('Witness')))
}

/** Everything that a client is told about the members of room:1, and a wait for a list. */
function watch(client: Client<Node['rt']>) {
  const { presence } = client.channel('room:1')
  const told: string[] = []
  const waiting = new Set<() => void>()
  const off = presence.subscribe((_, change) => {
    if (change !== null) told.push(`${change.action} ${change.member.id} ${change.member.state.name}`)
    for (const check of [...waiting]) check()
  })
  const list = () => presence.list.members.map(({ id, state }) => `${id} ${state.name}`).sort()
  return {
    off,
    told,
    list,
    /** Resolves when this is true of the list, or of what was told. */
    until(right: (list: PresenceList<{ name: string }>) => boolean): Promise<void> {
      return new Promise((resolve) => {
        const check = () => {
          if (!right(presence.list)) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      })
    },
    async shows(...members: string[]): Promise<void> {
      await this.until(({ known }) => known && list().join() === members.join())
    },
  }
}

describe.each(rungs)('on %s', { concurrent: true }, (rung) => {
  it('others see who enters, changes and leaves, each once', async ({ node }) => {
    const eye = watch(node.connect('eye', ['websocket']))
    const own = node.connect('ada', [rung])
    const ownEye = watch(own)
    const { presence } = own.channel('room:1')
    await eye.shows()
    await presence.enter({ name: 'Ada' })
    await eye.shows('ada Ada')
    await ownEye.shows('ada Ada')
    await presence.update({ name: 'Countess' })
    await eye.shows('ada Countess')
    await ownEye.shows('ada Countess')
    expect(await presence.get()).toEqual({ members: [{ id: 'ada', state: { name: 'Countess' } }], known: true })
    await presence.leave()
    await eye.shows()
    await ownEye.shows()
    expect(eye.told).toEqual(['enter ada Ada', 'update ada Countess', 'leave ada Countess'])
    await expect(presence.update({ name: 'x' })).rejects.toMatchObject({ code: 'invalid_request' })
  })

  it('a reconnect shows no flicker, here and there, and the list is known again', async ({ node }) => {
    const eye = watch(node.connect('eye', ['websocket']))
    const own = node.connect('ada', [rung])
    const ownEye = watch(own)
    await own.channel('room:1').presence.enter({ name: 'Ada' })
    await eye.shows('ada Ada')
    await ownEye.shows('ada Ada')
    const before = ownEye.told.length
    for (let i = 0; i < 3; i++) {
      const lost = ownEye.until(({ known }) => !known)
      own.reconnect()
      await lost
      expect(ownEye.list()).toEqual(['ada Ada'])
      await ownEye.shows('ada Ada')
    }
    const bob = node.connect('bob', [rung])
    await bob.channel('room:1').presence.enter({ name: 'Bob' })
    await eye.shows('ada Ada', 'bob Bob')
    await lifeOfASeat(node, eye)
    expect(eye.told).toEqual(['enter ada Ada', 'enter bob Bob'])
    expect(ownEye.told.slice(before).filter((told) => !told.endsWith('Witness'))).toEqual(['enter bob Bob'])
    await ownEye.shows('ada Ada', 'bob Bob')
    bob.close()
    await eye.shows('ada Ada')
    await ownEye.shows('ada Ada')
  })

  it('works for a client that entered and watches nothing', async ({ node }) => {
    const eye = watch(node.connect('eye', ['websocket']))
    await node.connect('ada', [rung]).channel('room:1').presence.enter({ name: 'Ada' })
    await eye.shows('ada Ada')
    await lifeOfASeat(node, eye)
    expect(eye.told).toEqual(['enter ada Ada'])
  })

  it('two tabs are one member, which is there until the last is gone', async ({ node }) => {
    const eye = watch(node.connect('eye', ['websocket']))
    const one = node.connect('ada', [rung])
    const two = node.connect('ada', [rung])
    await one.channel('room:1').presence.enter({ name: 'One' })
    await two.channel('room:1').presence.enter({ name: 'Two' })
    await eye.shows('ada Two')
    await two.channel('room:1').presence.leave()
    await eye.shows('ada One')
    await one.channel('room:1').presence.leave()
    await eye.shows()
    expect(eye.told).toEqual(['enter ada One', 'update ada Two', 'update ada One', 'leave ada One'])
  })

  it('says who may not', async ({ node }) => {
    const nobody = node.connect(null, [rung])
    await expect(nobody.channel('room:1').presence.enter({ name: 'x' })).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    const ada = node.connect('ada', [rung])
    await expect(ada.channel('secret:1').presence.enter({ name: 'x' })).rejects.toMatchObject({ code: 'forbidden' })
    await expect(ada.channel('room:1').presence.enter({ name: 1 as never })).rejects.toMatchObject({
      code: 'invalid_message',
    })
    const refused = new Promise<string>((resolve) => ada.channel('secret:1').on('error', ({ code }) => resolve(code)))
    ada.channel('secret:1').presence.subscribe(() => {})
    expect(await refused).toBe('forbidden')
    // The rest goes on.
    const eye = watch(ada)
    await eye.shows()
    expect(ada.status).toBe('connected')
  })

  it('tells the state first, and what comes behind it', async ({ node }) => {
    node.texts.set(rung, 'hello')
    const client = node.connect('ada', [rung])
    const doc = client.channel(`doc:${rung}`)
    const order: unknown[] = []
    doc.on('state', ({ state }) => order.push(state))
    const live = new Promise<void>((resolve) =>
      doc.on('subscribed', () => {
        order.push('subscribed')
        resolve()
      }),
    )
    const got = new Promise<void>((resolve) =>
      doc.subscribe(({ data }) => {
        order.push(data)
        resolve()
      }),
    )
    await live
    await node.rt.publish(`doc:${rung}`, { text: 'more' })
    await got
    expect(order).toEqual([{ text: 'hello' }, 'subscribed', { text: 'more' }])
    expect(doc.state).toEqual({ text: 'hello' })
  })
})

it.concurrent('a change of the transport keeps membership and list', async ({ node }) => {
  const eye = watch(node.connect('eye', ['websocket']))
  const own = node.connect('ada', rungs)
  const ownEye = watch(own)
  await own.channel('room:1').presence.enter({ name: 'Ada' })
  await ownEye.shows('ada Ada')
  for (const rung of ['sse', 'long-poll', 'poll', 'websocket'] as const) {
    await own.switchTo(rung)
    // Longer than the grace of the stream that it came from.
    await lifeOfASeat(node, eye)
    await ownEye.shows('ada Ada')
  }
  expect(eye.told).toEqual(['enter ada Ada'])
})

it.concurrent('a long poll is held while nothing changes', async ({ node }) => {
  const counting = (rung: TransportName) => {
    const asked: string[] = []
    const client = node.connect('ada', [rung], {
      fetch: (input, init) => {
        asked.push(String(input))
        return fetch(input, init)
      },
    })
    return { asked, client }
  }
  const { asked, client: own } = counting('long-poll')
  const eye = watch(own)
  await own.channel('room:1').presence.enter({ name: 'Ada' })
  await eye.shows('ada Ada')
  await expect
    .poll(() => asked.at(-1))
    .toMatch(/wait=\d+&.*watch=room%3A1&since=\d+-\d+_[1-9][^&]*&client=\w+&entered=room%3A1$/)
  const before = asked.length
  // The control asks again after each of its pauses.
  const control = counting('poll')
  watch(control.client)
  await expect.poll(() => control.asked.length, { timeout: 20_000 }).toBeGreaterThan(2)
  expect(asked.slice(before)).toEqual([])
})
