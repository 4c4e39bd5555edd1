/** The browser, Node or whatever else this runs in, as the environment port; made by createClient. */
import { type Clock, systemClock } from '@rt/protocol'
import type { ClientOptions } from '../options'
import type { Environment, Socket, SocketConstructor } from '../ports/environment'

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
    watch({ wake, suspend }) {
      if (typeof addEventListener !== 'function') return () => {}
      const page = typeof document === 'object' ? document : null
      const shown = () => {
        if (page?.visibilityState === 'visible') wake()
      }
      addEventListener('online', wake)
      addEventListener('pageshow', wake)
      addEventListener('pagehide', suspend)
      page?.addEventListener('visibilitychange', shown)
      return () => {
        removeEventListener('online', wake)
        removeEventListener('pageshow', wake)
        removeEventListener('pagehide', suspend)
        page?.removeEventListener('visibilitychange', shown)
      }
    },
  }
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
