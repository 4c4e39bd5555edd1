/** Callbacks of the application: called in order, unable to break each other or us. Used by the client and its channels. */

/** Reports an exception of the application's code the way the platform reports any uncaught one. */
export function report(error: unknown): void {
  if (typeof reportError === 'function') reportError(error)
  else
    queueMicrotask(() => {
      throw error
    })
}

/** Calls the application. An exception is reported, not passed on. */
export function call<T>(callback: (value: T) => void, value: T): void {
  try {
    callback(value)
  } catch (error) {
    report(error)
  }
}

/** Sets of listeners by the name of an event. */
export class Listeners<Events> {
  readonly #sets: { [E in keyof Events]?: Set<{ readonly callback: (value: Events[E]) => void }> } = {}

  /** Adds a callback; the same one twice is called twice. Returns its own undo. */
  on<E extends keyof Events>(event: E, callback: (value: Events[E]) => void): () => void {
    const entry = { callback }
    const set: Set<typeof entry> = this.#sets[event] ?? new Set()
    this.#sets[event] = set.add(entry)
    return () => {
      set.delete(entry)
    }
  }

  /** Returns whether anybody listened. */
  emit<E extends keyof Events>(event: E, value: Events[E]): boolean {
    const set = this.#sets[event]
    if (set === undefined || set.size === 0) return false
    for (const { callback } of [...set]) call(callback, value)
    return true
  }
}
