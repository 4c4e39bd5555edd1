/** A store of this folder as a hook: subscribed while mounted, the same value on a server and while its page comes to life. Used by the other hooks. */
import { useCallback, useSyncExternalStore } from 'react'
import { useGetClient } from './provider'
import type { AnyClient } from './status'
import { find, listen, type Source } from './store'

/** `key` says all that `start` depends on; null: no store. `none` must always be the same object. */
export function useStore<S, T extends Source<S>>(
  key: string | null,
  start: (client: AnyClient, changed: () => void) => T,
  none: S,
): readonly [snapshot: S, client: () => AnyClient] {
  const get = useGetClient()
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for `start`
  const subscribe = useCallback(
    (listener: () => void) => {
      if (key === null) return () => {}
      const client = get()
      return listen<S, T>(client, key, (changed) => start(client, changed), listener)
    },
    [get, key],
  )
  const snapshot = useSyncExternalStore(
    subscribe,
    () => (key === null ? none : (find<S, T>(get(), key)?.snapshot ?? none)),
    () => none,
  )
  return [snapshot, get]
}
