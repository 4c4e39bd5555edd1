/** Text ⇄ frames: the only place that parses JSON of the other end. */

import { isBase64 } from './bytes'
import { RealtimeError } from './errors'
import { isServerEvent } from './events'
import type { Command, Json, OpenCommand, ServerEvent, WatchRequest } from './frames'
import { limits, times } from './limits'
import { isChannelName } from './names'

/** Throws `invalid_request` for JSON that nests deeper than {@link limits.depth}; linear, before any parsing. */
export function checkDepth(text: string): void {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === 0x5c) i++
      else if (c === 0x22) inString = false
    } else if (c === 0x22) inString = true
    else if (c === 0x5b || c === 0x7b) {
      if (++depth > limits.depth)
        throw new RealtimeError('invalid_request', `JSON nests deeper than ${limits.depth} levels.`)
    } else if (c === 0x5d || c === 0x7d) depth--
  }
}

/** Parses JSON of a client. Throws `invalid_request`. */
export function parseJson(text: string): unknown {
  checkDepth(text)
  try {
    return JSON.parse(text)
  } catch {
    throw new RealtimeError('invalid_request', 'This is not JSON.')
  }
}

/** What one entry of a command frame says: the command, or why it is none, with the `ref` to answer to when it has one. */
export type DecodedCommand =
  | { readonly command: Command }
  | { readonly error: RealtimeError; readonly ref: number | null }

/**
 * Decodes a frame of commands (a JSON array; one object is taken as an array of one). One bad command does not spoil the others.
 * Throws `invalid_request` when the frame as a whole can't be read.
 */
export function decodeCommands(text: string): DecodedCommand[] {
  const value = parseJson(text)
  const list = Array.isArray(value) ? value : [value]
  if (list.length > limits.commands)
    throw new RealtimeError('invalid_request', `More than ${limits.commands} commands in one frame.`)
  return list.map((entry) => {
    try {
      return { command: toCommand(entry) }
    } catch (error) {
      return { error: error as RealtimeError, ref: isRecord(entry) && isRef(entry['ref']) ? entry['ref'] : null }
    }
  })
}

/** Decodes the `open` command. Throws `invalid_request`, `too_many_channels`. */
export function decodeOpen(text: string): OpenCommand {
  const value = parseJson(text)
  const entry: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value
  if (!isRecord(entry) || entry['type'] !== 'open') throw bad('Expected one `open` command.')
  const { channels, cursor, token, watch, client, entered, heartbeat } = entry
  if (!Array.isArray(channels)) throw bad('`channels` must be an array.')
  if (channels.length > limits.channels)
    throw new RealtimeError('too_many_channels', `More than ${limits.channels} channels.`)
  if (cursor !== undefined && typeof cursor !== 'string') throw bad('`cursor` must be a string.')
  if (token !== undefined && typeof token !== 'string') throw bad('`token` must be a string.')
  return {
    type: 'open',
    channels: channels.map((request: unknown) => {
      if (!isRecord(request)) throw bad('Each of `channels` must be an object.')
      const fresh = request['new']
      if (fresh !== undefined && typeof fresh !== 'boolean') throw bad('`new` must be true or false.')
      const last = optionalLast(request['last'])
      return {
        channel: channelName(request['channel']),
        ...(fresh !== undefined && { new: fresh }),
        ...(last !== undefined && { last }),
      }
    }),
    ...(cursor !== undefined && { cursor }),
    ...(watch !== undefined && { watch: watchList(watch) }),
    ...(client !== undefined && { client: clientName(client) }),
    ...(entered !== undefined && { entered: nameList('entered', entered) }),
    ...(heartbeat !== undefined && { heartbeat: heartbeatOf(heartbeat) }),
    ...(token !== undefined && { token }),
  }
}

function heartbeatOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > times.slowHeartbeat)
    throw bad(`\`heartbeat\` must be a whole number from 0 to ${times.slowHeartbeat}.`)
  return value
}

function watchList(value: unknown): WatchRequest[] {
  if (!Array.isArray(value)) throw bad('`watch` must be an array.')
  if (value.length > limits.channels)
    throw new RealtimeError('too_many_channels', `More than ${limits.channels} channels.`)
  return value.map((request: unknown) => {
    if (!isRecord(request)) throw bad('Each of `watch` must be an object.')
    return watchRequest(request)
  })
}

function watchRequest({ channel, since }: Record<string, unknown>): WatchRequest {
  if (since !== undefined && !isSince(since)) throw bad('`since` must be what `at` of an event was.')
  return { channel: channelName(channel), ...(since !== undefined && { since }) }
}

function nameList(name: string, value: unknown): string[] {
  if (!Array.isArray(value)) throw bad(`\`${name}\` must be an array.`)
  if (value.length > limits.channels)
    throw new RealtimeError('too_many_channels', `More than ${limits.channels} channels.`)
  return value.map(channelName)
}

function toCommand(entry: unknown): Command {
  if (!isRecord(entry)) throw bad('A command must be an object.')
  switch (entry['type']) {
    case 'publish': {
      const { messageId, data, bytes } = entry
      if ((data === undefined) === (bytes === undefined)) throw bad('One of `data` and `bytes` is needed.')
      if (bytes !== undefined && !isBase64(bytes)) throw bad('`bytes` must be base64.')
      if (messageId !== undefined && !isMessageId(messageId)) {
        throw bad(`\`messageId\` must be 1 to ${limits.messageIdLength} letters, digits, "_" or "-".`)
      }
      return {
        type: 'publish',
        ref: ref(entry['ref']),
        channel: channelName(entry['channel']),
        ...(bytes === undefined ? { data: data as Json } : { bytes }),
        ...(messageId !== undefined && { messageId }),
      }
    }
    case 'history': {
      const last = optionalLast(entry['last'])
      if (last === undefined) throw bad('`last` is missing.')
      return { type: 'history', ref: ref(entry['ref']), channel: channelName(entry['channel']), last }
    }
    case 'subscribe': {
      const last = optionalLast(entry['last'])
      return { type: 'subscribe', channel: channelName(entry['channel']), ...(last !== undefined && { last }) }
    }
    case 'unsubscribe':
    case 'unwatch':
      return { type: entry['type'], channel: channelName(entry['channel']) }
    case 'watch':
      return { type: 'watch', ...watchRequest(entry) }
    case 'enter': {
      const { state = null } = entry
      return { type: 'enter', ...membership(entry), state: state as Json }
    }
    case 'leave':
      return { type: 'leave', ...membership(entry) }
    case 'list':
      return { type: 'list', ref: ref(entry['ref']), channel: channelName(entry['channel']) }
    case 'authenticate': {
      const { token } = entry
      if (typeof token !== 'string') throw bad('`token` must be a string.')
      return { type: 'authenticate', token }
    }
    default:
      throw bad('Unknown command `type`.')
  }
}

function membership(entry: Record<string, unknown>): { ref: number; channel: string; client: string } {
  return { ref: ref(entry['ref']), channel: channelName(entry['channel']), client: clientName(entry['client']) }
}

function clientName(value: unknown): string {
  if (!isMessageId(value)) throw bad(`\`client\` must be 1 to ${limits.messageIdLength} letters, digits, "_" or "-".`)
  return value
}

const SINCE = /^[0-9_-]{1,128}$/

/** True for what may be the `at` of an event. */
export function isSince(value: unknown): value is string {
  return typeof value === 'string' && SINCE.test(value)
}

const MESSAGE_ID = /^[A-Za-z0-9_-]+$/

/** True for a well-formed `messageId`. */
export function isMessageId(value: unknown): value is string {
  return typeof value === 'string' && value.length <= limits.messageIdLength && MESSAGE_ID.test(value)
}

/** Decodes a frame of events on the client. Null for anything that is no array of events: an intermediary speaks, not our server. */
export function decodeEvents(text: string): ServerEvent[] | null {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every(isServerEvent) ? value : null
  } catch {
    return null
  }
}

function channelName(value: unknown): string {
  if (!isChannelName(value)) throw bad('`channel` is not a channel name.')
  return value
}

function ref(value: unknown): number {
  if (!isRef(value)) throw bad('`ref` must be a whole number from 0.')
  return value
}

function isRef(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function optionalLast(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > limits.history) {
    throw bad(`\`last\` must be a whole number from 0 to ${limits.history}.`)
  }
  return value as number
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bad(message: string): RealtimeError {
  return new RealtimeError('invalid_request', message)
}
