/** Who is where in one channel, as the application holds it: the list with its listeners, and the membership of this client. Made by a channel, fed by it. */
import { isMemberList, type Json, RealtimeError } from '@rt/protocol'
import { call } from '../listeners'
import type { ChannelPresence, PresenceChangeOf, PresenceList } from '../types'
import type { Order } from './outbox'
import { nobody } from './roster'
import type { PresenceDelivery } from './watches'

/** What presence asks of the connection. */
export interface PresencePort {
  watch(channel: string): void
  unwatch(channel: string): void
  enter(channel: string, state: Json): Promise<void>
  update(channel: string, state: Json): Promise<void>
  leave(channel: string): Promise<void>
  execute(order: Order, signal: AbortSignal | undefined): Promise<unknown>
  /** The client was closed: nothing comes any more. */
  closed(): boolean
}

type Callback = (list: PresenceList, change: PresenceChangeOf | null) => void

interface Watcher {
  readonly callback: Callback
  /** It has got a list. */
  told: boolean
  over: boolean
}

export class Presence implements ChannelPresence {
  readonly #channel: string
  readonly #port: PresencePort
  /** Each with what frees it. */
  readonly #watchers = new Map<Watcher, () => void>()
  #list: PresenceList = nobody

  constructor(channel: string, port: PresencePort) {
    this.#channel = channel
    this.#port = port
  }

  get list(): PresenceList {
    return this.#list
  }

  enter(state: unknown): Promise<void> {
    return this.#port.enter(this.#channel, jsonOf(state))
  }

  update(state: unknown): Promise<void> {
    return this.#port.update(this.#channel, jsonOf(state))
  }

  leave(): Promise<void> {
    return this.#port.leave(this.#channel)
  }

  async get(): Promise<PresenceList> {
    const value = await this.#port.execute({ type: 'list', channel: this.#channel }, undefined)
    if (!isMemberList(value)) throw new RealtimeError('internal', 'What the server answered is no list of members.')
    const { members, known } = value
    return { members, known }
  }

  subscribe(callback: Callback, { signal }: { readonly signal?: AbortSignal } = {}): () => void {
    if (signal?.aborted === true || this.#port.closed()) return () => {}
    const watcher: Watcher = { callback, told: false, over: false }
    const off = () => {
      watcher.over = true
      signal?.removeEventListener('abort', off)
      if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return
      this.#list = nobody
      this.#port.unwatch(this.#channel)
    }
    signal?.addEventListener('abort', off)
    const first = this.#watchers.size === 0
    this.#watchers.set(watcher, off)
    if (first) this.#port.watch(this.#channel)
    else if (this.#list !== nobody) {
      queueMicrotask(() => {
        if (!watcher.told) this.#tell(watcher, null)
      })
    }
    return off
  }

  /** From the connection, in order. */
  deliver({ list, changes }: Extract<PresenceDelivery, { kind: 'members' }>): void {
    if (this.#watchers.size === 0) return
    this.#list = list
    for (const watcher of [...this.#watchers.keys()]) {
      // One that comes now begins with the list.
      const all = watcher.told && changes.length > 0 ? changes : [null]
      for (const change of all) this.#tell(watcher, change, list)
    }
  }

  /** It is not watched any more, and not by the application. */
  end(): void {
    for (const off of [...this.#watchers.values()]) off()
  }

  #tell(watcher: Watcher, change: PresenceChangeOf | null, list = this.#list): void {
    if (watcher.over) return
    watcher.told = true
    call(() => watcher.callback(list, change), undefined)
  }
}

/** `undefined` can't be sent. */
function jsonOf(state: unknown): Json {
  return state === undefined ? null : (state as Json)
}
