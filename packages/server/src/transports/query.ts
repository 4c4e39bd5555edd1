/** The query of a stream's URL, the same on every transport; read by the endpoint and the WebSocket transport. */
import {
  type ChannelRequest,
  isChannelName,
  isMessageId,
  isSince,
  limits,
  type OpenCommand,
  RealtimeError,
  times,
  type WatchRequest,
} from '@rt/protocol'
import { invalid } from './reply'

/** What a client asks to be streamed. */
export interface StreamQuery {
  readonly channels: readonly ChannelRequest[]
  /** Null: from now on. */
  readonly cursor: string | null
  readonly watch: readonly WatchRequest[]
  /** Null: it did not say who it is among its identity's clients. */
  readonly client: string | null
  readonly entered: readonly string[]
  /** Milliseconds between signs of life that suit the client; null: whatever the server does. */
  readonly heartbeat: number | null
}

/**
 * Reads `channels=a,b&cursor=…&new=b&last=50,0&watch=a&since=…&client=…&entered=a&heartbeat=5000`. `lastEventId` is the header of a bare
 * EventSource that comes back: it wins over `cursor`, and then every channel was there before.
 *
 * @throws `invalid_request` naming the parameter, `too_many_channels`
 */
export function readQuery(params: URLSearchParams, lastEventId: string | null = null): StreamQuery {
  const names = channelNames(params, 'channels')
  const watched = channelNames(params, 'watch')
  const sinces = list(params, 'since')
  if (sinces.length > 0 && sinces.length !== watched.length) throw invalid('`since` must be one for each of `watch`.')
  for (const since of sinces) if (since !== '' && !isSince(since)) throw invalid('`since` must be what `at` was.')
  const client = single(params, 'client')
  if (client !== null && !isMessageId(client))
    throw invalid(`\`client\` must be 1 to ${limits.messageIdLength} letters, digits, "_" or "-".`)

  const returning = lastEventId !== null && lastEventId !== ''
  const fresh = new Set(list(params, 'new'))
  for (const name of fresh) if (!names.includes(name)) throw invalid('`new` names a channel that is not in `channels`.')

  const counts = list(params, 'last').map((text) => wholeNumber('last', text, limits.history))
  if (counts.length > 1 && counts.length !== names.length)
    throw invalid('`last` must be one number, or one for each of `channels`.')

  const cursor = single(params, 'cursor')
  const heartbeat = single(params, 'heartbeat')
  const channels = names.map((channel, i) => {
    const last = counts.length === 1 ? counts[0] : counts[i]
    return { channel, new: !returning && fresh.has(channel), ...(last !== undefined && { last }) }
  })
  return streamQuery({
    channels,
    cursor: returning ? lastEventId : cursor,
    watch: watched.map((channel, i) => (sinces[i] ? { channel, since: sinces[i] } : { channel })),
    client,
    entered: channelNames(params, 'entered'),
    ...(heartbeat !== null && { heartbeat: wholeNumber('heartbeat', heartbeat, times.slowHeartbeat) }),
  })
}

function channelNames(params: URLSearchParams, parameter: string): string[] {
  const names = list(params, parameter)
  if (names.length > limits.channels)
    throw new RealtimeError('too_many_channels', `More than ${limits.channels} channels.`)
  for (const name of names)
    if (!isChannelName(name)) throw invalid(`\`${parameter}\` holds something that is no channel name.`)
  return names
}

/** Reads `wait`, in seconds; milliseconds out. Absent: 0, a short poll. Throws `invalid_request`. */
export function readWait(params: URLSearchParams): number {
  const text = single(params, 'wait')
  return text === null ? 0 : wholeNumber('wait', text, 60) * 1000
}

/** Brings channels and cursor, from a query or an `open` command, to one form: each channel once, all of them new when there is no cursor. */
export function streamQuery(
  open: Pick<OpenCommand, 'channels' | 'watch' | 'entered' | 'heartbeat'> & {
    cursor?: string | null
    client?: string | null
  },
): StreamQuery {
  const { channels, cursor, watch = [], client = null, entered = [], heartbeat = null } = open
  const from = cursor === undefined || cursor === null || cursor === '' ? null : cursor
  const once = new Map<string, ChannelRequest>()
  for (const request of channels) {
    if (!once.has(request.channel)) once.set(request.channel, from === null ? { ...request, new: true } : request)
  }
  return { channels: [...once.values()], cursor: from, watch, client, entered, heartbeat }
}

/** Whether it was here before and goes on. Who is new is sent away first where there is too much to do. */
export function comesBack({ cursor, watch, entered }: StreamQuery): boolean {
  return cursor !== null || entered.length > 0 || watch.some(({ since }) => since !== undefined)
}

/** A parameter's value; null when it is absent. Given twice it means nothing for sure, so that is refused. */
function single(params: URLSearchParams, name: string): string | null {
  const values = params.getAll(name)
  if (values.length > 1) throw invalid(`\`${name}\` is given more than once.`)
  return values[0] ?? null
}

function list(params: URLSearchParams, name: string): string[] {
  const text = single(params, name)
  return text === null || text === '' ? [] : text.split(',')
}

function wholeNumber(name: string, text: string, max: number): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= max)) throw invalid(`\`${name}\` must be a whole number from 0 to ${max}.`)
  return value
}
