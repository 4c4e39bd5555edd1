/** Permission: whether an identity may do something with a channel, asked anew each time; called for every stream and every command. */
import { isRealtimeError, RealtimeError } from '@rt/protocol'
import type { Identity } from '../ports/connection'
import type { ResolvedChannel } from './contract'

export type Action = 'subscribe' | 'publish'

/**
 * Resolves when the channel's rule says yes. Rejects with `forbidden`, or `unauthenticated` when nobody in particular asks, when there is no
 * rule (`forbidden` for all), and when it says anything but `true`. When it throws a RealtimeError, with that; else with `internal`, which lets
 * the client come back: a database that is away takes no permission from anybody for good.
 */
export type Authorize = (channel: ResolvedChannel, action: Action, identity: Identity | null) => Promise<void>

/** `report` is told what rules throw. Nothing is remembered: an answer holds for the one stream or command that asked. */
export function createAuthorize(report: (error: unknown) => void): Authorize {
  return async (channel, action, identity) => {
    const rule = channel.definition[action]
    if (rule === 'public') return
    if (rule === undefined) {
      // Logging in would not help.
      throw new RealtimeError('forbidden', `Nobody may ${action} here: ${channel.pattern} has no \`${action}\` rule.`)
    }
    let answer: unknown
    try {
      answer = await rule({ identity, params: channel.params, channel: channel.name })
    } catch (error) {
      if (isRealtimeError(error)) throw error
      report(error)
      throw new RealtimeError('internal', `The ${action} rule of ${channel.pattern} failed.`)
    }
    if (answer !== true)
      throw new RealtimeError(
        identity === null ? 'unauthenticated' : 'forbidden',
        `No permission to ${action} ${channel.name}.`,
      )
  }
}
