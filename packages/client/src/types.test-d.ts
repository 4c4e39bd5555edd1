// What compiles against a declared contract, and what must not. Checked by `tsc -p tsconfig.test.json`; nothing here runs.
import type { Declares } from '@rt/protocol'
import type {
  ChannelName,
  ChannelPresence,
  MemberOf,
  Message,
  MessageOf,
  PresenceChangeOf,
  PresenceList,
  PublishOf,
  TypedChannel,
  TypedClient,
} from './types'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <_True extends true>(): void => {}

type Realtime = Declares<{
  'chat:{room}': {
    input: { text: string; at?: Date }
    output: { text: string; at: string }
    live: false
    publishable: true
  }
  'chat:lobby': { input: { shout: string }; output: { shout: string }; live: false; publishable: true }
  'user:{id}': { input: { n: 1 }; output: { n: 1 }; live: false; publishable: true }
  'user:{id}:notifications': {
    input: { title: string }
    output: { title: string }
    live: false
    publishable: false
  }
  'cursors:{doc}': { input: { x: number }; output: { x: number }; live: true; publishable: true }
  'doc:{id}': {
    input: { op: string }
    output: { op: string }
    live: false
    publishable: true
    presenceInput: { name: string; since?: Date }
    presence: { name: string; since?: string }
    state: { text: string }
  }
  'list:{id}': {
    input: 1
    output: 1
    live: false
    publishable: false
    presenceInput: never
    presence: never
    state: never
  }
}>
declare const client: TypedClient<Realtime>
declare const id: string

is<
  Equal<
    ChannelName<Realtime>,
    | `chat:${string}`
    | 'chat:lobby'
    | `user:${string}`
    | `user:${string}:notifications`
    | `cursors:${string}`
    | `doc:${string}`
    | `list:${string}`
  >
>()

// The most specific pattern wins, as on the server.
is<Equal<MessageOf<Realtime, 'chat:42'>, { text: string; at: string }>>()
is<Equal<MessageOf<Realtime, 'chat:lobby'>, { shout: string }>>()
is<Equal<MessageOf<Realtime, 'user:7'>, { n: 1 }>>()
is<Equal<MessageOf<Realtime, 'user:7:notifications'>, { title: string }>>()
is<Equal<PublishOf<Realtime, 'chat:42'>, { text: string; at?: Date }>>()
is<Equal<PublishOf<Realtime, 'user:7:notifications'>, never>>()

// @ts-expect-error -- no such channel
client.channel('nope:1')

const room = client.channel(`chat:${id}`)
is<Equal<typeof room, TypedChannel<Realtime, `chat:${string}`>>>()
const off = room.subscribe(
  (message) => {
    is<Equal<typeof message, Message<{ text: string; at: string }>>>()
    is<Equal<typeof message.id, string>>()
  },
  { last: 50, signal: new AbortController().signal },
)
is<Equal<typeof off, () => void>>()
room.on('gap', (gap) => is<Equal<typeof gap.reason, 'history' | 'epoch' | 'cursor'>>())
room.on('error', (error) => void error.code)
// @ts-expect-error -- no such event
room.on('nothing', () => {})
void room.publish({ text: 'hello' }, { messageId: 'a' }).then(({ id }) => is<Equal<typeof id, string>>())
// @ts-expect-error -- wrong payload
void room.publish({ text: 1 })
// @ts-expect-error -- missing payload
void room.publish()
void room
  .history({ last: 10 })
  .then(([first]) => is<Equal<typeof first, Message<{ text: string; at: string }> | undefined>>())
// @ts-expect-error -- `last` is required
void room.history({})
for await (const message of room) is<Equal<typeof message.data, { text: string; at: string }>>()

const notifications = client.channel('user:7:notifications')
notifications.subscribe(({ data }) => void data.title)
// @ts-expect-error -- no publish rule, no publish method
void notifications.publish({ title: 'me' })

const cursors = client.channel('cursors:a')
cursors.subscribe((message) => {
  is<Equal<typeof message.id, null>>()
  is<Equal<typeof message.messageId, null>>()
})
void cursors.publish({ x: 1 }).then(({ id }) => is<Equal<typeof id, null>>())
// @ts-expect-error -- live channels keep nothing
cursors.subscribe(() => {}, { last: 1 })
// @ts-expect-error -- live channels keep nothing
void cursors.history({ last: 1 })

// A name that may be either of two takes only what both take.
const either = client.channel(Math.random() > 0.5 ? 'chat:lobby' : 'cursors:a')
// @ts-expect-error -- only one of the two takes this
void either.publish({ shout: 'x' })
void either.publish({ shout: 'x', x: 1 })

// Presence, where the channel declares it.
const doc = client.channel('doc:7')
is<Equal<typeof doc.presence, ChannelPresence<{ name: string; since?: string }, { name: string; since?: Date }>>>()
void doc.presence.enter({ name: 'Ada', since: new Date() }).then((none) => is<Equal<typeof none, void>>())
void doc.presence.update({ name: 'Ada' })
// @ts-expect-error -- wrong state
void doc.presence.enter({ name: 1 })
// @ts-expect-error -- the schema wants a state
void doc.presence.enter()
const offPresence = doc.presence.subscribe(
  ({ members, known }, change) => {
    is<Equal<typeof known, boolean>>()
    is<Equal<typeof members, readonly MemberOf<{ name: string; since?: string }>[]>>()
    is<Equal<typeof change, PresenceChangeOf<{ name: string; since?: string }> | null>>()
  },
  { signal: new AbortController().signal },
)
is<Equal<typeof offPresence, () => void>>()
void doc.presence.get().then((list) => is<Equal<typeof list, PresenceList<{ name: string; since?: string }>>>())
// @ts-expect-error -- the list is not ours to change
doc.presence.list.members.push({ id: '1', state: { name: '' } })
// @ts-expect-error -- declares no presence
void room.presence
// @ts-expect-error -- declares no presence, as the server says it
void client.channel('list:1').presence

// State, where the channel declares it.
is<Equal<typeof doc.state, { text: string } | undefined>>()
doc.on('state', ({ state, id }) => {
  is<Equal<typeof state, { text: string }>>()
  is<Equal<typeof id, string>>()
})
doc.on('gap', (gap) => void gap.reason)
// @ts-expect-error -- declares no state
room.on('state', () => {})
// @ts-expect-error -- declares no state
void room.state
// @ts-expect-error -- declares no state, as the server says it
client.channel('list:1').on('state', () => {})

declare const untyped: TypedClient
const any = untyped.channel('whatever')
any.subscribe((message) => is<Equal<typeof message.data, unknown>>())
void any.publish({ anything: true })
void any.presence.enter({ anything: true })
any.presence.subscribe(({ members: [first] }) => is<Equal<typeof first, MemberOf<unknown> | undefined>>())
any.on('state', ({ state }) => is<Equal<typeof state, unknown>>())
is<Equal<typeof any.state, unknown>>()
