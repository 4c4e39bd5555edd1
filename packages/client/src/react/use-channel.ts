/** useChannel: the messages of a channel, those that the page came with and those that arrive, as one list. */
import type { Declares, Id } from '@rt/protocol'
import { useCallback, useEffect, useMemo } from 'react'
import type { ChannelName, LoggedChannel, PublishableChannel, TypedChannel, Undeclared } from '../types'
import { merge } from './merge'
import { type AnyMessage, type MessageSource, type Messages, messageKey, messageSource, nothing } from './messages'
import type { Standing } from './status'
import { find } from './store'
import { useStore } from './use-store'

type MessageIn<T> = T extends AsyncIterable<infer M> ? M : never

/** A message as `rt.history` on the server returns it. */
export type Stored<M> = Omit<M, 'channel'>

/** What {@link useChannel} takes; of channels without a log (`live`) only `limit`. */
export type UseChannelOptions<T> = {
  /** How many messages are shown and kept, the newest. Default 1000. */
  readonly limit?: number
} & (T extends LoggedChannel<infer M>
  ? {
      /** How many of the newest publications to begin with. 0 to 1000, default 0; with `initial` 100. */
      readonly last?: number
      /** What the server rendered: the result of `rt.history`. What was published since is added, nothing is shown twice. */
      readonly initial?: readonly Stored<M>[]
    }
  : unknown)

/** What {@link useChannel} gives; `publish` where clients may. */
export type UseChannel<T> = Standing & {
  /** In order, each once. A new list at each change. */
  readonly messages: readonly MessageIn<T>[]
} & (T extends { readonly publish: infer Publish } ? { readonly publish: Publish } : unknown)

interface AnyOptions {
  readonly limit?: number
  readonly last?: number
  readonly initial?: readonly Stored<AnyMessage>[]
}

/**
 * Subscribes to a channel while the component is mounted.
 *
 * @example
 * const { messages, status, publish } = useChannel('chat:42', { last: 50 })
 */
export function useChannel<R extends Declares = Undeclared, C extends ChannelName<R> = ChannelName<R>>(
  name: C,
  options?: UseChannelOptions<TypedChannel<R, C>>,
): UseChannel<TypedChannel<R, C>>
export function useChannel(name: string, options: AnyOptions = {}) {
  const { initial, limit = 1000, last = initial === undefined ? 0 : 100 } = options
  const key = messageKey(name, last)
  const [snapshot, client] = useStore<Messages, MessageSource>(
    key,
    (client, changed) => messageSource(client, name, last, changed),
    nothing,
  )
  const since: Id | undefined = initial?.at(-1)?.id
  useEffect(() => find<Messages, MessageSource>(client(), key)?.source.want(limit, since), [client, key, limit, since])
  const publish = useCallback(
    (...args: Parameters<PublishableChannel<unknown>['publish']>) =>
      client()
        .channel(name)
        .publish(...args),
    [client, name],
  )
  return useMemo(() => {
    const older = initial?.map((message) => ({ ...message, channel: name })) ?? []
    return { ...snapshot, messages: merge(older, snapshot.messages).slice(-limit), publish }
  }, [snapshot, initial, limit, name, publish])
}
