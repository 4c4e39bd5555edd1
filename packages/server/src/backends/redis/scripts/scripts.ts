/** The broker's Lua scripts, each joined with the clock that it runs on; used by the links. */
import { createHash } from 'node:crypto'
import clock from './clock.lua'
import publish from './publish.lua'
import read from './read.lua'

export interface Script {
  readonly text: string
  /** SHA-1 of the text, for EVALSHA. */
  readonly sha: string
}

// `#!lua` lets Redis refuse the whole script before its first write when it is out of memory or a replica.
export const publishScript = script('#!lua', clock, publish)

// Reading goes on without memory; the few bytes of a new epoch are allowed then.
export const readScript = script('#!lua flags=allow-oom', clock, read)

function script(...parts: readonly string[]): Script {
  const text = parts.join('\n')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
