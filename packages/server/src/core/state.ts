/** What a channel sends first: the app's `state`, asked for one client; called by the gateway, the commands and `rt.state`. */
import { isRealtimeError, RealtimeError } from '@rt/protocol'
import type { Identity } from '../ports/connection'
import type { ResolvedChannel } from './contract'
import { printJson } from './payload'

/** The way to the state as JSON text; null: the channel declares none. It rejects with what the app threw when that is a RealtimeError, else `internal`. */
export type StateOf = (channel: ResolvedChannel, identity: Identity | null) => (() => Promise<string>) | null

/** `report` is told what the app's functions throw. */
export function createStateOf(report: (error: unknown) => void): StateOf {
  return ({ name, pattern, params, definition: { state } }, identity) => {
    if (state === undefined) return null
    return async () => {
      try {
        const json = printJson(await state({ identity, params, channel: name }))
        if (json === undefined) throw new TypeError(`The state of ${pattern} can't be written as JSON.`)
        return json
      } catch (error) {
        if (isRealtimeError(error)) throw error
        report(error)
        throw new RealtimeError('internal', `The state of ${pattern} failed.`)
      }
    }
  }
}
