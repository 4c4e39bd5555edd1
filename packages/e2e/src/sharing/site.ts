/** A site as a process: one node with pages that use the built client, which counts the streams that are open and publishes when it is asked to; used by the tests of sharing. */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { createRealtime } from '@rt/server'
import { z } from 'zod'
import { parent } from '../processes/child.ts'

export type SiteTold =
  | { readonly type: 'ready'; readonly port: number }
  /** How many streams are open. */
  | { readonly type: 'streams'; readonly open: number }
  | { readonly type: 'published'; readonly n: number }

export type SiteAsked =
  | { readonly type: 'publish'; readonly n: number }
  /** Publishes 1, 2, 3 … from here on, until `stop`, which is answered with the last number. */
  | { readonly type: 'flow' }
  | { readonly type: 'stop' }
  /** Tells again how many streams are open. */
  | { readonly type: 'count' }
  /** Lets the tabs that are stuck go on. */
  | { readonly type: 'release' }

/** Where messages come from, and which one of its origin each is. */
const message = z.object({ from: z.string(), n: z.number() })

/** A tab. Its options stand in its address: `user`, `transports`, `share=no`, and `as` for its name as a publisher. */
const PAGE = `<!doctype html><title>tab</title><script type="module">
  import { createClient } from '/client/index.js'
  const given = new URLSearchParams(location.search)
  const client = (globalThis.client = createClient('/rt', {
    ...(given.has('user') && { token: 'user:' + given.get('user') }),
    ...(given.has('transports') && { transports: given.get('transports').split(',') }),
    ...(given.get('share') === 'no' && { share: false }),
  }))
  globalThis.got = []
  globalThis.statuses = []
  globalThis.faults = []
  client.on('status', (status) => statuses.push(status))
  client.on('error', ({ code, message }) => faults.push(code + ': ' + message))
  globalThis.room = client.channel('room:1')
  room.on('gap', ({ reason }) => faults.push('gap: ' + reason))
  globalThis.established = false
  room.on('subscribed', () => { established = true })
  room.subscribe(({ data, id }) => got.push({ ...data, id }))

  // Publishes its numbers one behind the other, and keeps which of them were stored.
  globalThis.stored = []
  let flowing = false
  let ended = Promise.resolve()
  globalThis.flow = () => {
    flowing = true
    ended = (async () => {
      for (let n = 1; flowing; n++) {
        await room.publish({ from: given.get('as'), n })
        stored.push(n)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })()
  }
  globalThis.stopFlow = () => {
    flowing = false
    return ended
  }

  // Does nothing at all until the site lets it go on.
  globalThis.stick = () => {
    setTimeout(() => {
      const request = new XMLHttpRequest()
      request.open('GET', '/hold', false)
      request.send()
    })
  }

  globalThis.lobby = client.channel('lobby:1')
  globalThis.changes = []
  globalThis.watchLobby = () => {
    lobby.presence.subscribe((_list, change) => {
      if (change !== null) changes.push(change.action + ' ' + change.member.id)
    })
  }

  globalThis.score = []
  globalThis.hearScore = () => {
    const channel = client.channel('score:1')
    channel.on('state', ({ state }) => score.push('state ' + state.score))
    channel.on('subscribed', () => score.push('subscribed'))
    channel.subscribe(({ data }) => score.push(data.n))
  }

  // Who leads is whoever holds the lock of the group; who a holder is the browser tells by the lock that each tab holds of its own.
  globalThis.leads = () => navigator.locks.request('me ' + Math.random(), async ({ name }) => {
    const { held } = await navigator.locks.query()
    const me = held.find((lock) => lock.name === name).clientId
    return held.some((lock) => /^rt1 .*\\] (null|"\\w+")$/.test(lock.name) && lock.clientId === me)
  })
</script>`

const built = join(dirname(createRequire(import.meta.url).resolve('@rt/client/package.json')), 'dist')

const rt = createRealtime({
  heartbeat: '5s',
  pollFloor: 200,
  presence: { ttl: '6s', grace: '1s' },
  authenticate(request) {
    const user = /^Bearer user:(\w+)$/.exec(request.headers.get('authorization') ?? '')?.[1]
    return user === undefined ? null : { id: user }
  },
  channels: {
    'room:{id}': { message, subscribe: 'public', publish: 'public', history: { size: 20_000, ttl: '1h' } },
    'score:{id}': { message, subscribe: 'public', publish: 'public', state: () => ({ score: 7 }) },
    'lobby:{id}': { message, presence: z.object({ name: z.string() }), subscribe: 'public' },
  },
})

let open = 0
/** What stuck tabs wait for. */
const held: ServerResponse[] = []
let flow: Promise<number> | null = null
let flowing = false

const { tell } = parent<SiteTold, SiteAsked>((asked) => {
  if (asked.type === 'publish') void publish(asked.n)
  else if (asked.type === 'flow') flow = run()
  else if (asked.type === 'stop') void stop()
  else if (asked.type === 'release') for (const response of held.splice(0)) response.end()
  else tell({ type: 'streams', open })
})

async function publish(n: number): Promise<void> {
  await rt.publish('room:1', { from: 'site', n })
  tell({ type: 'published', n })
}

async function run(): Promise<number> {
  flowing = true
  let n = 0
  while (flowing) {
    await rt.publish('room:1', { from: 'site', n: ++n })
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return n
}

async function stop(): Promise<void> {
  flowing = false
  const last = await flow
  flow = null
  tell({ type: 'published', n: last ?? 0 })
}

function count(change: number): void {
  open += change
  tell({ type: 'streams', open })
}

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? '', 'http://site')
  const [, folder, name = ''] = pathname.split('/')
  // So that no connection is kept that a stream could come to later.
  response.setHeader('connection', 'close')
  if (folder === 'hold') held.push(response)
  else if (folder === 'client') {
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(await readFile(join(built, name)))
  } else response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE)
})
rt.attach(server)

// rt keeps its own requests from other listeners.
const emit = server.emit.bind(server)
server.emit = (event: string, ...args: unknown[]) => {
  const [request, end] = args as [IncomingMessage, NodeJS.EventEmitter]
  if (event === 'upgrade' || (event === 'request' && request.headers.accept === 'text/event-stream')) {
    count(1)
    end.once('close', () => count(-1))
  }
  return emit(event, ...args)
}

server.listen(0, '127.0.0.1', () => tell({ type: 'ready', port: (server.address() as AddressInfo).port }))
