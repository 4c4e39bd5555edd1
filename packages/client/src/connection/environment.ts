/** The browser, Node or whatever else this runs in, as the environment port; made by createClient. */
import { type Clock, systemClock } from '@rt/protocol'
import type { ClientOptions } from '../options'
import type { Environment, EnvironmentListener, Socket, SocketConstructor } from '../ports/environment'

type Options = Pick<ClientOptions, 'clock' | 'fetch' | 'WebSocket' | 'headers'>

/** Unlike the protocol's clock this one keeps a Node process alive. */
const clock: Clock = { ...systemClock, setTimeout: (run, ms) => setTimeout(run, ms) }

export function createEnvironment(options: Options): Environment {
  return {
    clock: options.clock ?? clock,
    // Called through the global each time: tools that replace it later are heard.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    random: Math.random,
    async socket(url, protocol) {
      const Native = options.WebSocket ?? globalThis.WebSocket
      if (Native !== undefined) return new Native(url, protocol)
      const Ws = await loadWs()
      return Ws === null ? null : new Ws(url, protocol, { headers: options.headers })
    },
    get savesData() {
      return network()?.saveData === true
    },
    isPage: isPage(),
    memory: { read, write },
    watch,
  }
}

const isPage = () => typeof document === 'object'

/** What of the Network Information API is used; Chromium has it. */
interface NetworkInformation extends EventTarget {
  readonly saveData?: boolean
}

function network(): NetworkInformation | undefined {
  return typeof navigator === 'object' ? (navigator as { connection?: NetworkInformation }).connection : undefined
}

/** A page that was hidden for less is as good as one that was not (milliseconds). */
const AWAY = 10_000

function watch({ wake, suspend, hidden }: EnvironmentListener): () => void {
  if (typeof addEventListener !== 'function') return () => {}
  const page = isPage() ? document : null
  let hiddenAt: number | null = null
  const seen = () => {
    if (page?.visibilityState === 'hidden') {
      hiddenAt ??= Date.now()
      hidden(true)
    } else if (hiddenAt !== null) {
      const away = Date.now() - hiddenAt >= AWAY
      hiddenAt = null
      hidden(false)
      // iOS cuts the links of hidden pages without a word.
      wake(!away ? 'look' : isIos() ? 'none' : 'doubt')
    }
  }
  const back = () => wake('look')
  const changed = () => wake('doubt')
  const events: [EventTarget | null | undefined, string, () => void][] = [
    [globalThis, 'online', changed],
    [globalThis, 'pageshow', back],
    [globalThis, 'pagehide', suspend],
    [page, 'visibilitychange', seen],
    // Behind a freeze.
    [page, 'resume', changed],
    [network(), 'change', changed],
  ]
  for (const [target, name, run] of events) target?.addEventListener(name, run)
  seen()
  return () => {
    for (const [target, name, run] of events) target?.removeEventListener(name, run)
  }
}

function isIos(): boolean {
  // An iPad says that it is a Mac; no Mac has a touch screen.
  const { userAgent, maxTouchPoints } = navigator
  return /iP(hone|ad|od)/.test(userAgent) || (/Mac/.test(userAgent) && maxTouchPoints > 1)
}

/** Where there is no page, or no storage: for as long as the process lives. */
const kept = new Map<string, string>()

// Node and Deno have a `localStorage` too, which warns at the first touch or writes a file that nobody asked for.

function read(key: string): string | null {
  try {
    if (isPage()) return localStorage.getItem(key)
  } catch {}
  return kept.get(key) ?? null
}

function write(key: string, text: string): void {
  try {
    if (isPage()) localStorage.setItem(key, text)
    else kept.set(key, text)
  } catch {
    kept.set(key, text)
  }
}

/** What tabs need to find each other; null where this is no page, or the browser does not have it. */
export function sharingTools(): {
  readonly locks: LockManager
  readonly open: (name: string) => BroadcastChannel
  readonly page: EventTarget
} | null {
  // Absent outside of secure contexts, whatever the types say.
  const locks = isPage() ? (navigator.locks as LockManager | null | undefined) : null
  if (locks == null || typeof BroadcastChannel !== 'function') return null
  return { locks, open: (name) => new BroadcastChannel(name), page: document }
}

type WsConstructor = new (url: string, protocol: string, options: object) => Socket

/** The optional package `ws`, for Node before 22. */
async function loadWs(): Promise<WsConstructor | null> {
  // Not typed as a literal: its types would bring those of Node into a browser's program.
  const loaded: unknown = await import('ws' as string).catch(() => null)
  const found = typeof loaded === 'object' && loaded !== null && 'WebSocket' in loaded ? loaded.WebSocket : null
  return typeof found === 'function' ? (found as WsConstructor) : null
}

/** The endpoint's URL. Throws a TypeError for a relative one where there is no page. */
export function resolveUrl(url: string | URL): URL {
  return new URL(url, typeof location === 'object' ? location.href : undefined)
}

export type { SocketConstructor }
