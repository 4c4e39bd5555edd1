/** The environment port: what the client needs of a browser, Node or another runtime. */
import type { Clock } from '@rt/protocol'

/** What of a WebSocket is used; the global one and the one of `ws` both fit. */
export interface Socket {
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  send(data: string): void
  close(code?: number, reason?: string): void
}

/** A class of WebSockets: the global one, or that of `ws`. */
export type SocketConstructor = new (url: string, protocols?: string | string[]) => Socket

/**
 * How far a link can be trusted after something happened around it. `look`: as before, as far as it is not silent. `doubt`: it may be dead without
 * a sign. `none`: it is dead, whatever it looks like.
 */
export type Trust = 'look' | 'doubt' | 'none'

/** Told about what happens around the client. */
export interface EnvironmentListener {
  /** The network or the page came back: now is a good moment to look. */
  wake(trust: Trust): void
  /** Nobody sees the page any more, or somebody does again. Told at once when it is hidden from the start. */
  hidden(hidden: boolean): void
  /** The page goes away or into the back/forward cache. */
  suspend(): void
}

export interface Environment {
  /** Its timers keep a Node process alive: a client that waits for its next try is not idle. */
  readonly clock: Clock
  readonly fetch: typeof globalThis.fetch
  /** From 0 to below 1; for jitter. */
  random(): number
  /** Opens a WebSocket; null where there is none. */
  socket(url: string, protocol: string): Promise<Socket | null>
  /** The user asked for data to be saved. */
  readonly savesData: boolean
  /** Whether this is a page, whose browser opens six connections to a server at most, over all tabs. */
  readonly isPage: boolean
  /** Kept for the next client of this browser, as far as it lets us. */
  readonly memory: { read(key: string): string | null; write(key: string, text: string): void }
  /** Begins to call the listener; returns its own undo. */
  watch(listener: EnvironmentListener): () => void
}
