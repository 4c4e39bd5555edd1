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

export type SocketConstructor = new (url: string, protocols?: string | string[]) => Socket

/** Told about what happens around the client. */
export interface EnvironmentListener {
  /** The network or the page came back: now is a good moment to look. */
  wake(): void
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
  /** Begins to call the listener; returns its own undo. */
  watch(listener: EnvironmentListener): () => void
}
