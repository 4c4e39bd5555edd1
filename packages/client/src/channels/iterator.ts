/** A subscription read as a loop: messages wait here until the loop asks for them. Made by a channel. */
import { RealtimeError } from '@rt/protocol'

/** Messages that may wait. */
const LIMIT = 10_000

/** The subscription that the loop reads. */
export interface Feed<T> {
  message(message: T): void
  /** It ended, and not by the loop; null: by closing the client. */
  ended(error: RealtimeError | null): void
}

/** `subscribe` is called at once and returns its undo. The loop throws what the subscription ended with, and `rate_limited` when it reads too slowly. */
export function iterate<T>(name: string, subscribe: (feed: Feed<T>) => () => void): AsyncIterableIterator<T> {
  const queue: T[] = []
  let end: { readonly error: RealtimeError | null } | null = null
  /** Everybody who waits in `next()`. */
  const waiting: (() => void)[] = []
  const wake = () => {
    for (const go of waiting.splice(0)) go()
  }
  const stop = (error: RealtimeError | null) => {
    end ??= { error }
    off()
    wake()
  }
  const off = subscribe({
    message(message) {
      if (queue.push(message) > LIMIT) {
        queue.length = 0
        stop(new RealtimeError('rate_limited', `The loop over "${name}" left ${LIMIT} messages unread.`))
      }
      wake()
    },
    ended: stop,
  })
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      while (queue.length === 0 && end === null) await new Promise<void>((resolve) => waiting.push(resolve))
      const value = queue.shift()
      if (value !== undefined) return { done: false, value }
      const error = end?.error ?? null
      // It is thrown once.
      end = { error: null }
      if (error !== null) throw error
      return { done: true, value: undefined }
    },
    async return() {
      queue.length = 0
      stop(null)
      return { done: true, value: undefined }
    },
  }
}
