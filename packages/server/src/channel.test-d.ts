// What TypeScript infers from a declaration, and what must not compile. Checked by `tsc`; nothing here runs.
import type { ContractOf } from '@rt/protocol'
import * as v from 'valibot'
import { z } from 'zod'
import { channel, createRealtime, type ErrorCode, type Identity, type RuleContext } from './index'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type IsAny<T> = 0 extends 1 & T ? true : false
const is = <_True extends true>(): void => {}

interface User extends Identity {
  readonly name: string
  readonly rooms: readonly string[]
}
declare function session(request: Request): Promise<User | null>

// ── Plain object literals: everything is inferred, without an annotation ─────────────────────────────────────────

const rt = createRealtime({
  authenticate: async (request) => {
    is<Equal<typeof request, Request>>()
    return session(request)
  },
  channels: {
    'chat:{room}': {
      message: z.object({ text: z.string().default('…'), at: z.coerce.date() }),
      history: { size: 1000, ttl: '1d' },
      subscribe: ({ identity, params, channel: name }) => {
        is<Equal<typeof identity, User | null>>()
        is<Equal<typeof params, { readonly room: string }>>()
        is<Equal<typeof name, string>>()
        return identity?.rooms.includes(params.room) ?? false
      },
      publish: async ({ identity, params }) => {
        is<Equal<typeof identity, User | null>>()
        return identity?.name === params.room
      },
    },
    'game:{id}:player:{player}': {
      message: v.object({ x: v.pipe(v.string(), v.transform(Number)) }),
      delivery: 'latest',
      subscribe: ({ params }) => {
        is<Equal<typeof params, { readonly id: string; readonly player: string }>>()
        return true
      },
      publish: 'public',
    },
    'cursors:{doc}': {
      message: v.object({ x: v.number() }),
      delivery: 'live',
      subscribe: 'public',
      publish: ({ identity }) => identity !== null,
    },
    news: { message: z.object({ title: z.string() }), subscribe: 'public' },
    // With channel(): the pattern's parameters are known, and of the identity what every identity has.
    'user:{id}': channel({
      message: z.object({ title: z.string() }),
      subscribe: ({ identity, params }) => {
        is<Equal<typeof identity, Identity | null>>()
        is<Equal<typeof params, { readonly id: string }>>()
        return identity?.id === params.id
      },
    }),
    'inbox:{id}': channel({
      message: v.object({ n: v.number() }),
      delivery: 'live',
      subscribe: ({ identity }: RuleContext<User, { readonly id: string }>) => identity?.name === 'me',
      publish: ({ identity }) => identity !== null,
    }),
  },
})

type Declared = ContractOf<typeof rt>
is<Equal<Declared['chat:{room}']['input'], { text?: string | undefined; at: unknown }>>()
is<Equal<Declared['chat:{room}']['output'], { text: string; at: string }>>()
is<Equal<Declared['game:{id}:player:{player}']['input'], { x: string }>>()
is<Equal<Declared['game:{id}:player:{player}']['output'], { x: number }>>()
is<
  Equal<
    { [P in keyof Declared]: Declared[P]['publishable'] },
    {
      readonly 'chat:{room}': true
      readonly 'game:{id}:player:{player}': true
      readonly 'cursors:{doc}': true
      readonly news: false
      readonly 'user:{id}': false
      readonly 'inbox:{id}': true
    }
  >
>()
is<
  Equal<
    { [P in keyof Declared]: Declared[P]['live'] },
    {
      readonly 'chat:{room}': false
      readonly 'game:{id}:player:{player}': false
      readonly 'cursors:{doc}': true
      readonly news: false
      readonly 'user:{id}': false
      readonly 'inbox:{id}': true
    }
  >
>()
is<Equal<IsAny<Declared['user:{id}']['output']>, false>>()

// ── The server's own publish and history ─────────────────────────────────────────────────────────────────────────

void rt.publish('chat:1', { at: new Date() }, { messageId: 'm', from: 'u' }).then(({ id, duplicate }) => {
  is<Equal<typeof id, string>>()
  is<Equal<typeof duplicate, boolean>>()
})
void rt.publish('news', { title: 'no publish rule: the server may all the same' })
void rt.publish('cursors:1', { x: 1 }).then(({ id }) => is<Equal<typeof id, null>>())
// @ts-expect-error -- no such channel
void rt.publish('nope:1', {})
// @ts-expect-error -- wrong payload
void rt.publish('news', { title: 1 })
// @ts-expect-error -- the output is not the input
void rt.publish('game:1:player:2', { x: 1 })
void rt
  .history('chat:1', { last: 5 })
  .then(([first]) =>
    is<Equal<typeof first, import('./index').StoredMessage<{ text: string; at: string }> | undefined>>(),
  )
// @ts-expect-error -- live channels keep nothing
void rt.history('cursors:1', { last: 5 })

// Hooks know who is behind a connection.
createRealtime({
  authenticate: session,
  channels: {},
  onConnect: ({ id, transport, identity }) => {
    is<Equal<typeof id, string>>()
    is<Equal<typeof transport, 'websocket' | 'sse' | 'long-poll' | 'poll'>>()
    is<Equal<typeof identity, User | null>>()
  },
  onDisconnect: async ({ identity, reason, duration }) => {
    is<Equal<typeof identity, User | null>>()
    is<Equal<typeof reason, ErrorCode>>()
    is<Equal<typeof duration, number>>()
  },
  onSubscribe: ({ identity, channel: name }) => {
    is<Equal<typeof identity, User | null>>()
    is<Equal<typeof name, string>>()
  },
  log: console,
})

// Without `authenticate` everybody is nobody.
createRealtime({
  channels: {
    a: {
      message: z.object({}),
      subscribe: ({ identity }) => {
        is<Equal<typeof identity, null>>()
        return true
      },
    },
  },
})

// ── What must not compile ────────────────────────────────────────────────────────────────────────────────────────

const message = z.object({})
// @ts-expect-error -- a live channel has no history
createRealtime({ channels: { a: { message, delivery: 'live', history: { size: 1 } } } })
// @ts-expect-error -- a live channel has no history
channel({ message, delivery: 'live', history: { size: 1 } })
// @ts-expect-error -- not a delivery
createRealtime({ channels: { a: { message, delivery: 'some' } } })
// @ts-expect-error -- not a rule
createRealtime({ channels: { a: { message, publish: 'private' } } })
// @ts-expect-error -- not a rule
createRealtime({ channels: { a: { message, subscribe: () => 1 } } })
// @ts-expect-error -- not a duration
createRealtime({ channels: { a: { message, history: { ttl: '5 minutes' } } } })
// @ts-expect-error -- no schema
createRealtime({ channels: { a: { subscribe: 'public' } } })
// @ts-expect-error -- an identity has an id
createRealtime({ authenticate: () => ({ name: 'x' }), channels: {} })
createRealtime({
  channels: {
    // @ts-expect-error -- the pattern has no such parameter
    'chat:{room}': { message, subscribe: ({ params }) => params.id === '1' },
  },
})
const older = channel({
  message,
  subscribe: ({ identity }: RuleContext<User & { age: number }>) => identity?.age === 1,
})
// @ts-expect-error -- this rule wants another identity than authenticate returns
createRealtime({ authenticate: session, channels: { older } })
createRealtime({ authenticate: async () => ({ id: '1', name: 'x', rooms: [], age: 1 }), channels: { older } })

// ── Presence and state ───────────────────────────────────────────────────────────────────────────────────────────

const live = createRealtime({
  authenticate: async (request) => session(request),
  channels: {
    'chat:{room}': {
      message: z.object({ text: z.string() }),
      presence: z.object({ name: z.string(), typing: z.boolean().default(false) }),
      subscribe: ({ identity }) => identity !== null,
    },
    'user:{id}:inbox': {
      message: z.object({ title: z.string() }),
      subscribe: ({ identity, params }) => identity?.id === params.id,
      state: async ({ identity, params, channel: name }) => {
        is<Equal<typeof identity, User | null>>()
        is<Equal<typeof params, { readonly id: string }>>()
        is<Equal<typeof name, string>>()
        return { unread: 3, since: new Date() }
      },
    },
    'job:{id}': channel({
      message: z.object({ percent: z.number() }),
      presence: v.object({ at: v.number() }),
      state: ({ params }) => {
        is<Equal<typeof params, { readonly id: string }>>()
        return 7
      },
      subscribe: 'public',
    }),
    news: { message: z.object({ title: z.string() }), subscribe: 'public' },
  },
})

type Live = ContractOf<typeof live>
is<Equal<Live['chat:{room}']['presenceInput'], { name: string; typing?: boolean | undefined }>>()
is<Equal<Live['chat:{room}']['presence'], { name: string; typing: boolean }>>()
is<Equal<Live['chat:{room}']['state'], never>>()
is<Equal<Live['user:{id}:inbox']['state'], { unread: number; since: string }>>()
is<Equal<Live['user:{id}:inbox']['presence'], never>>()
is<Equal<Live['job:{id}']['state'], number>>()
is<Equal<Live['job:{id}']['presence'], { at: number }>>()
is<Equal<Live['news']['state'], never>>()
is<Equal<Live['news']['presence'], never>>()

live.inspector({
  allow: ({ identity, request }) => {
    is<Equal<typeof request, Request>>()
    is<Equal<typeof identity, User | null>>()
    return identity?.rooms.includes('admins') === true
  },
})

live.presence.list('chat:1').then(({ members, known }) => {
  is<Equal<(typeof members)[number]['state'], { name: string; typing: boolean }>>()
  is<Equal<typeof known, boolean>>()
})
live.state('user:7:inbox', { identity: { id: '7' } }).then((state) => {
  is<Equal<typeof state, { unread: number; since: string }>>()
})
// @ts-expect-error No presence there.
live.presence.count('news')
// @ts-expect-error No state there.
live.state('chat:1')
createRealtime({
  channels: {
    // @ts-expect-error Presence is a schema.
    bad: { message: z.object({}), presence: { name: 'text' } },
  },
})
