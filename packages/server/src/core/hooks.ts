/** The app's functions that are told of connections: whatever they throw goes to `onError`, and changes nothing; called by the gateway. */
import type { Identity } from '../ports/connection'
import type { ConnectionInfo, Disconnection, Subscribed } from '../ports/hooks'

export interface Hooks {
  connected(connection: ConnectionInfo): void
  disconnected(connection: Disconnection): void
  subscribed(subscription: Subscribed): void
}

type Hook<T> = ((told: T) => unknown) | undefined

export interface HooksOptions {
  readonly onConnect?: Hook<ConnectionInfo<Identity>>
  readonly onDisconnect?: Hook<Disconnection<Identity>>
  readonly onSubscribe?: Hook<Subscribed<Identity>>
}

export function createHooks(
  { onConnect, onDisconnect, onSubscribe }: HooksOptions,
  report: (error: unknown) => void,
): Hooks {
  function call<T>(hook: Hook<T>, told: T): void {
    if (hook === undefined) return
    try {
      Promise.resolve(hook(told)).catch(report)
    } catch (error) {
      report(error)
    }
  }
  return {
    connected: (connection) => call(onConnect, connection),
    disconnected: (connection) => call(onDisconnect, connection),
    subscribed: (subscription) => call(onSubscribe, subscription),
  }
}
