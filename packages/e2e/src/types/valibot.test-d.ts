// From a server's valibot schemas to its client's channels, through the built doors. Checked by `tsc`; nothing here runs.
import { type ChannelName, createClient, type Message, type MessageOf, type PublishOf } from '@rt/client'
import { createRealtime, type Identity } from '@rt/server'
import * as v from 'valibot'
import { type Equal, type IsAny, is } from './assert'

interface User extends Identity {
  readonly rooms: readonly string[]
}
declare function session(request: Request): Promise<User | null>

const rt = createRealtime({
  authenticate: (request) => {
    is<Equal<typeof request, Request>>()
    return session(request)
  },
  channels: {
    'chat:{room}': {
      message: v.object({ text: v.optional(v.string(), '…'), at: v.date() }),
      subscribe: ({ identity, params }) => {
        is<Equal<typeof identity, User | null>>()
        is<Equal<typeof params, { readonly room: string }>>()
        // @ts-expect-error -- the pattern has no such parameter
        void params.id
        // @ts-expect-error -- who is not logged in has no rooms
        void identity.rooms
        return identity?.rooms.includes(params.room) ?? false
      },
      publish: async ({ identity }) => {
        is<Equal<IsAny<typeof identity>, false>>()
        is<Equal<typeof identity, User | null>>()
        return identity !== null
      },
    },
    'chat:{room}:typing': {
      message: v.object({ typing: v.boolean() }),
      delivery: 'live',
      subscribe: 'public',
      publish: ({ params }) => {
        is<Equal<typeof params, { readonly room: string }>>()
        return true
      },
    },
    'user:{id}:notifications': {
      message: v.object({ title: v.string() }),
      subscribe: ({ identity, params }) => identity?.id === params.id,
    },
    news: { message: v.pipe(v.string(), v.transform(Number)), subscribe: 'public' },
  },
})

const client = createClient<typeof rt>('https://example.com/rt', { token: async () => 't' })
declare const id: string

// ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────────

type Name = ChannelName<typeof rt>
is<Equal<Name, `chat:${string}` | `chat:${string}:typing` | `user:${string}:notifications` | 'news'>>()
is<Equal<IsAny<Name>, false>>()
// @ts-expect-error -- not declared
client.channel('nope')
// @ts-expect-error -- a parameter is missing
client.channel('chat')
// @ts-expect-error -- a text of any kind is no name
client.channel(id)

// ── A channel with a log that clients publish to ─────────────────────────────────────────────────────────────────

type Chat = { text: string; at: string }

const chat = client.channel(`chat:${id}`)
is<Equal<IsAny<typeof chat>, false>>()
is<Equal<MessageOf<typeof rt, 'chat:42'>, Chat>>()
is<Equal<PublishOf<typeof rt, 'chat:42'>['text'], string | undefined>>()
chat.subscribe(
  (message) => {
    is<Equal<typeof message, Message<Chat>>>()
    is<Equal<IsAny<typeof message.data.at>, false>>()
    is<Equal<typeof message.id, string>>()
    is<Equal<typeof message.from, string | null>>()
    // @ts-expect-error -- not in the schema
    void message.data.title
  },
  { last: 50 },
)
chat.on('gap', ({ reason }) => is<Equal<typeof reason, 'history' | 'epoch' | 'cursor'>>())
chat.on('error', ({ code }) => is<Equal<IsAny<typeof code>, false>>())
void chat.publish({ at: new Date() }).then(({ id }) => is<Equal<typeof id, string>>())
// @ts-expect-error -- `text` is a string
void chat.publish({ text: 1, at: new Date() })
// @ts-expect-error -- `at` is required
void chat.publish({ text: 'hello' })
void chat.history({ last: 1 }).then((messages) => is<Equal<typeof messages, Message<Chat>[]>>())
for await (const { data } of chat) is<Equal<typeof data, Chat>>()

// ── One that only the server publishes to ────────────────────────────────────────────────────────────────────────

const notifications = client.channel('user:7:notifications')
is<Equal<PublishOf<typeof rt, 'user:7:notifications'>, never>>()
notifications.subscribe(({ data }) => is<Equal<typeof data, { title: string }>>())
// @ts-expect-error -- no publish rule, no publish
void notifications.publish({ title: 'mine' })
void rt.publish('user:7:notifications', { title: 'yours' })
// @ts-expect-error -- the schema holds for the server too
void rt.publish('user:7:notifications', { text: 'yours' })

// ── Changed by its schema on the way ─────────────────────────────────────────────────────────────────────────────

client.channel('news').subscribe(({ data }) => is<Equal<typeof data, number>>())
void rt.publish('news', '7')
// @ts-expect-error -- the schema takes a text and makes it a number
void rt.publish('news', 7)

// ── A live channel: outside the clock, without a log ─────────────────────────────────────────────────────────────

const typing = client.channel('chat:42:typing')
typing.subscribe((message) => {
  is<Equal<typeof message, Message<{ typing: boolean }, true>>>()
  is<Equal<typeof message.id, null>>()
  is<Equal<typeof message.messageId, null>>()
})
void typing.publish({ typing: true }).then(({ id }) => is<Equal<typeof id, null>>())
// @ts-expect-error -- it keeps nothing
typing.subscribe(() => {}, { last: 1 })
// @ts-expect-error -- it keeps nothing
void typing.history({ last: 1 })

// ── The client itself ────────────────────────────────────────────────────────────────────────────────────────────

client.on('status', (status) => is<Equal<IsAny<typeof status>, false>>())
// @ts-expect-error -- no such transport
void client.switchTo('carrier-pigeon')
// @ts-expect-error -- no such transport
createClient<typeof rt>('/rt', { transports: ['carrier-pigeon'] })
