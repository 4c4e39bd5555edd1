/** Stores outside of React, one for each (client, key): alive while somebody listens and a moment longer. The base of all stores of this folder. */

/** What a store reads: a channel, its members. */
export interface Source<S> {
  /** A value that never changes. */
  read(): S
  stop(): void
}

interface Store<S, T extends Source<S>> {
  source: T
  snapshot: S
  readonly listeners: Set<() => void>
  timer?: ReturnType<typeof setTimeout>
}

/** Milliseconds after the last listener: StrictMode, Suspense and a change of pages come back in that time, to the same subscription. */
const LINGER = 100

// A store is here only while it is used, so that rendering on a server leaves nothing behind.
const stores = new WeakMap<object, Map<string, Store<unknown, Source<unknown>>>>()

/** The store that is in use under this key. */
export function find<S, T extends Source<S>>(client: object, key: string): Store<S, T> | undefined {
  return stores.get(client)?.get(key) as Store<S, T> | undefined
}

/**
 * Listens to the store of this key; the first one starts it. `changed`, which `start` gets, may be called often: listeners are told once for a turn.
 * Returns its own undo.
 */
export function listen<S, T extends Source<S>>(
  client: object,
  key: string,
  start: (changed: () => void) => T,
  listener: () => void,
): () => void {
  let keys = stores.get(client)
  if (keys === undefined) {
    keys = new Map()
    stores.set(client, keys)
  }
  const all = keys
  const store = find<S, T>(client, key) ?? open(start)
  all.set(key, store as unknown as Store<unknown, Source<unknown>>)
  clearTimeout(store.timer)
  const entry = () => listener()
  store.listeners.add(entry)
  return () => {
    if (!store.listeners.delete(entry) || store.listeners.size > 0) return
    store.timer = setTimeout(() => {
      all.delete(key)
      store.source.stop()
    }, LINGER)
  }
}

function open<S, T extends Source<S>>(start: (changed: () => void) => T): Store<S, T> {
  let due = false
  const listeners = new Set<() => void>()
  const source = start(() => {
    if (due) return
    due = true
    queueMicrotask(() => {
      due = false
      store.snapshot = source.read()
      for (const listener of [...listeners]) listener()
    })
  })
  const store: Store<S, T> = { source, snapshot: source.read(), listeners }
  return store
}
