// What the hooks' types say of a declared contract. Checked by `tsc -p tsconfig.test.json`; nothing here runs.
import type { Declares, RealtimeError } from '@rt/protocol'
import type { Client } from '../create-client'
import type { MemberOf, Message } from '../types'
import { createHooks, useChannel as untypedChannel, usePresence as untypedPresence } from './index'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <_True extends true>(): void => {}

type Realtime = Declares<{
  'chat:{room}': { input: { text: string }; output: { text: string; at: string }; live: false; publishable: true }
  news: { input: 1; output: 1; live: false; publishable: false }
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
  plain: { input: 1; output: 1; live: false; publishable: false; presenceInput: never; presence: never; state: never }
}>
declare const id: string

const { RealtimeProvider, useChannel, usePresence, useChannelState, useConnection, useRealtime } =
  createHooks<Realtime>()

declare const client: Client<Realtime>

export function useEverything() {
  void RealtimeProvider({ client })
  void RealtimeProvider({ client: () => client, children: 'text' })
  is<Equal<ReturnType<typeof useRealtime>, Client<Realtime>>>()
  is<Equal<ReturnType<typeof useConnection>['status'], Client['status']>>()

  const chat = useChannel(`chat:${id}`, {
    last: 50,
    limit: 200,
    initial: [{ id: '1-0', time: 1, messageId: 'm', from: null, data: { text: 'hi', at: 'now' } }],
  })
  is<Equal<typeof chat.messages, readonly Message<{ text: string; at: string }>[]>>()
  is<Equal<typeof chat.error, RealtimeError | null>>()
  is<Equal<typeof chat.status, 'connecting' | 'live' | 'gap' | 'reconnecting' | 'error' | 'closed'>>()
  void chat.publish({ text: 'hi' }, { messageId: 'm' }).then((sent) => is<Equal<typeof sent.id, string>>())
  // @ts-expect-error -- wrong payload
  void chat.publish({ text: 1 })
  // @ts-expect-error -- no such channel
  useChannel('nope')
  // @ts-expect-error -- what the server rendered is of another channel
  useChannel('chat:1', { initial: [{ id: '1-0', time: 1, messageId: 'm', from: null, data: 7 }] })

  const news = useChannel('news')
  is<Equal<typeof news.messages, readonly Message<1>[]>>()
  // @ts-expect-error -- clients may not publish there
  void news.publish(1)

  const cursors = useChannel('cursors:a', { limit: 10 })
  is<Equal<typeof cursors.messages, readonly Message<{ x: number }, true>[]>>()
  void cursors.publish({ x: 1 }).then((sent) => is<Equal<typeof sent.id, null>>())
  // @ts-expect-error -- live channels keep nothing
  useChannel('cursors:a', { last: 1 })
  // @ts-expect-error -- live channels keep nothing
  useChannel('cursors:a', { initial: [] })

  const present = usePresence('doc:7', { name: 'Ada', since: new Date() })
  is<Equal<typeof present.members, readonly MemberOf<{ name: string; since?: string }>[]>>()
  is<Equal<typeof present.known, boolean>>()
  is<Equal<typeof present.self, { name: string; since?: Date } | null>>()
  void present.update({ name: 'Bea' })
  usePresence('doc:7')
  // @ts-expect-error -- wrong state
  usePresence('doc:7', { name: 1 })
  // @ts-expect-error -- declares no presence
  usePresence('chat:1')
  // @ts-expect-error -- declares no presence, as the server says it
  usePresence('plain')

  const doc = useChannelState('doc:7', {
    initial: { text: '' },
    reduce: (state, { data }) => {
      is<Equal<typeof state, { text: string }>>()
      is<Equal<typeof data, { op: string }>>()
      return { text: state.text + data.op }
    },
  })
  is<Equal<typeof doc.state, { text: string } | undefined>>()
  // @ts-expect-error -- no such state
  useChannelState('doc:7', { initial: { title: '' } })
  // @ts-expect-error -- declares no state
  useChannelState('chat:1')
  // @ts-expect-error -- declares no state, as the server says it
  useChannelState('plain')

  // Without a server's type everything is unknown, with it given by hand it is known.
  const { members } = untypedPresence('whatever')
  is<Equal<typeof members, readonly MemberOf<unknown>[]>>()
  const untyped = untypedChannel('whatever', { last: 1 })
  is<Equal<(typeof untyped.messages)[number]['data'], unknown>>()
  void untyped.publish({ anything: true })
  const byHand = untypedChannel<Realtime, 'news'>('news')
  is<Equal<typeof byHand.messages, readonly Message<1>[]>>()
}
