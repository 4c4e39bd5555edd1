/** All Lua scripts, each joined with the clock that it runs on; used by the broker and presence. */
import { createHash } from 'node:crypto'
import clock from './clock.lua'
import enter from './enter.lua'
import isOnline from './is-online.lua'
import leave from './leave.lua'
import match from './match.lua'
import members from './members.lua'
import online from './online.lua'
import publish from './publish.lua'
import pulse from './pulse.lua'
import read from './read.lua'
import release from './release.lua'
import seats from './seats.lua'
import sweep from './sweep.lua'
import touch from './touch.lua'

export interface Script {
  /** Announces with PUBLISH. */
  readonly plain: ScriptText
  /** Announces with SPUBLISH, for a Cluster. */
  readonly sharded: ScriptText
}

export interface ScriptText {
  readonly text: string
  /** SHA-1 of the text, for EVALSHA. */
  readonly sha: string
}

// `#!lua` lets Redis refuse the whole script before its first write when it is out of memory or a replica.
export const publishScript = script('#!lua', clock, publish)

// Reading goes on without memory; the few bytes of a new epoch are allowed then.
export const readScript = script('#!lua flags=allow-oom', clock, read)

export const enterScript = script('#!lua', clock, seats, enter)
export const leaveScript = script('#!lua', clock, seats, leave)
export const touchScript = script('#!lua', clock, seats, touch)
export const releaseScript = script('#!lua', clock, seats, release)
export const sweepScript = script('#!lua', clock, seats, sweep)
export const pulseScript = script('#!lua', clock, pulse)
export const onlineScript = script('#!lua', clock, online)
export const membersScript = script('#!lua flags=allow-oom', clock, members)
export const isOnlineScript = script('#!lua flags=allow-oom', clock, isOnline)
export const matchScript = script('#!lua flags=allow-oom', clock, match)

function script(first: string, ...parts: readonly string[]): Script {
  const announcedBy = (command: string): ScriptText => {
    const text = [first, `local PUBLISH = '${command}'`, ...parts].join('\n')
    return { text, sha: createHash('sha1').update(text).digest('hex') }
  }
  return { plain: announcedBy('PUBLISH'), sharded: announcedBy('SPUBLISH') }
}
