/** What each command of a client does, as a table; the gateway runs it for frames of a connection and for POSTs. */
import {
  type Command,
  type HistoryItem,
  isRealtimeError,
  type Json,
  limits,
  payloadOf,
  RealtimeError,
  type ServerEvent,
  toRealtimeError,
} from '@rt/protocol'
import type { Identity } from '../ports/connection'
import type { Hub, Stream } from '../ports/hub'
import type { Authorize } from './authorize'
import { type Contract, presenceOf, type ResolvedChannel } from './contract'
import type { Counters } from './counters'
import type { Log } from './log'
import type { ReadPayload } from './payload'
import type { Publishing } from './publishing'
import type { Sequence } from './sequence'
import type { StateOf } from './state'

/** Who sent a command, and where its effects go. */
export interface Caller {
  readonly identity: Identity | null
  /** Keeps the caller's commands for one channel in order. */
  readonly sequence: Sequence
  /** What its answers may hold. */
  readonly answers: Answers
  /** Takes one command into account. Null: it may be done now. Else resolves when it may, or rejects: with `rate_limited` where that is too long. */
  readonly pace: () => Promise<void> | null
  /** The stream that `subscribe` and `unsubscribe` are about, and the channels on it; null for a POST. */
  readonly stream: {
    readonly handle: Stream
    readonly channels: Set<string>
    readonly watched: Set<string>
    /** Takes a new token for the same identity, or ends the stream. Rejects when it is not known whether the token is any good. */
    authenticate(token: string): Promise<void>
    /** Told when it begins to hear a channel. */
    readonly begun: (channel: string) => void
  } | null
}

/** The answers that are long, of one connection or one POST. */
export interface Answers {
  /** One after another: together they would all be in memory before the first is printed. */
  readonly inLine: Sequence
  /** No more now: what waits for the caller is enough. */
  readonly full: () => boolean
  /** Told the length of each. */
  readonly add: (characters: number) => void
}

/** Runs one command; what it resolves with is to be sent to the caller. Never rejects. */
export type RunCommand = (command: Command, caller: Caller) => Promise<ServerEvent | null>

export interface CommandsOptions {
  readonly contract: Contract
  readonly authorize: Authorize
  readonly publishing: Publishing
  readonly hub: Hub
  readonly readPayload: ReadPayload
  readonly stateOf: StateOf
  readonly counters: Counters
  readonly log: Log
  /** Told of faults of ours: the client only sees `internal`. */
  readonly report: (error: unknown) => void
}

/** `unsubscribe`, `unwatch` and `leave`, which give something back, are done at any pace. */
type Table = {
  [T in Command['type']]: (command: Extract<Command, { type: T }>, caller: Caller) => Promise<ServerEvent | null>
}

export function createCommands(options: CommandsOptions): RunCommand {
  const { contract, authorize, publishing, hub, readPayload, stateOf, counters, log, report } = options

  /** The channel, for who may see its members. */
  async function attended(name: string, identity: Identity | null): Promise<ResolvedChannel> {
    const channel = contract.resolve(name)
    presenceOf(channel)
    await authorize(channel, 'subscribe', identity)
    return channel
  }

  /** Of a channel of a stream. */
  function refused(error: unknown, channel: string, identity: Identity | null): RealtimeError {
    const known = toRealtimeError(error)
    counters.refuse('channel', known.code)
    log.refused('channel', known.code, channel, identity?.id)
    return known
  }

  const table: Table = {
    async publish({ ref, channel, messageId, ...payload }, { identity, sequence, pace }) {
      // Only what comes before the broker is waited for in line: the broker keeps the order of calls, and the next need not wait for its answer.
      const sent = await sequence(channel, async () => {
        await pace()
        const data = payloadOf(payload)
        const store = await publishing.prepare({ channel, data, messageId, publisher: { client: identity } })
        return { stored: store() }
      })
      const { id, duplicate } = await sent.stored
      return { type: 'result', ref, value: { id, duplicate } }
    },

    history({ ref, channel: name, last }, { identity, answers, pace }) {
      return answers.inLine('history', async () => {
        await pace()
        if (answers.full()) throw tooMuch('Too much waits to be answered.')
        const channel = contract.resolve(name)
        await authorize(channel, 'subscribe', identity)
        if (channel.rules.delivery === 'live')
          throw new RealtimeError('unsupported', `${channel.pattern} keeps no history.`)
        const items = await hub.history(name, channel.rules, last)
        answers.add(items.reduce((sum, item) => sum + item.length, 0))
        return {
          type: 'result',
          ref,
          value: items.map((item) => JSON.parse(item) as HistoryItem & { [key: string]: Json }),
        }
      })
    },

    async subscribe({ channel: name, last = 0 }, { identity, sequence, stream, pace }) {
      const { handle, channels, begun } = demandStream(stream)
      await sequence(name, async () => {
        try {
          await pace()
          const channel = contract.resolve(name)
          await authorize(channel, 'subscribe', identity)
          if (!channels.has(name) && channels.size >= limits.channels) {
            throw new RealtimeError('too_many_channels', `More than ${limits.channels} channels.`)
          }
          channels.add(name)
          handle.subscribe({
            channel: name,
            rules: channel.rules,
            fresh: true,
            last,
            state: stateOf(channel, identity),
          })
          begun(name)
        } catch (error) {
          channels.delete(name)
          handle.unsubscribe(name, refused(error, name, identity))
        }
      })
      return null
    },

    async unsubscribe({ channel }, { sequence, stream }) {
      const { handle, channels } = demandStream(stream)
      await sequence(channel, async () => {
        channels.delete(channel)
        handle.unsubscribe(channel)
      })
      return null
    },

    async enter({ ref, channel: name, client, state }, { identity, sequence, stream, pace }) {
      await sequence(`presence ${name}`, async () => {
        await pace()
        const channel = await attended(name, identity)
        const seat = { channel: name, member: demandIdentity(identity), client }
        const json = await readPayload.json(presenceOf(channel), state, limits.presenceBytes)
        await (stream === null ? hub.presence.enter(seat, json, null) : stream.handle.enter(seat, json))
      })
      return { type: 'result', ref, value: null }
    },

    async leave({ ref, channel: name, client }, { identity, sequence }) {
      // Whoever lost the permission may go all the same.
      await sequence(`presence ${name}`, async () => {
        presenceOf(contract.resolve(name))
        await hub.presence.leave({ channel: name, member: demandIdentity(identity), client })
      })
      return { type: 'result', ref, value: null }
    },

    async list({ ref, channel: name }, { identity, sequence, answers, pace }) {
      // Behind what the caller said of itself there before.
      await sequence(`presence ${name}`, async () => {})
      return answers.inLine('list', async () => {
        await pace()
        if (answers.full()) throw tooMuch('Too much waits to be answered.')
        await attended(name, identity)
        const { members, known } = await hub.presence.members(name)
        answers.add(members.reduce((sum, { id, state }) => sum + id.length + JSON.stringify(state).length, 0))
        return { type: 'result', ref, value: { members: members.map(({ id, state }) => ({ id, state })), known } }
      })
    },

    async watch({ channel: name, since }, { identity, sequence, stream, pace }) {
      const { handle, watched } = demandStream(stream)
      await sequence(`presence ${name}`, async () => {
        try {
          await pace()
          await attended(name, identity)
          if (!watched.has(name) && watched.size >= limits.channels) {
            throw new RealtimeError('too_many_channels', `More than ${limits.channels} channels.`)
          }
          watched.add(name)
          handle.watch({ channel: name, ...(since !== undefined && { since }) })
        } catch (error) {
          watched.delete(name)
          handle.unwatch(name, refused(error, name, identity))
        }
      })
      return null
    },

    async authenticate({ token }, { stream, pace }) {
      const opened = demandStream(stream)
      await pace()
      await opened.authenticate(token)
      return null
    },

    async unwatch({ channel }, { sequence, stream }) {
      const { handle, watched } = demandStream(stream)
      await sequence(`presence ${channel}`, async () => {
        watched.delete(channel)
        handle.unwatch(channel)
      })
      return null
    },
  }

  return async (command, caller) => {
    counters.commands[command.type]++
    try {
      // TypeScript does not see that the row belongs to the command.
      const run = table[command.type] as (command: Command, caller: Caller) => Promise<ServerEvent | null>
      return await run(command, caller)
    } catch (error) {
      if (!isRealtimeError(error)) report(error)
      const known = toRealtimeError(error)
      counters.refuse('command', known.code)
      log.refused('command', known.code, 'channel' in command ? command.channel : undefined, caller.identity?.id)
      return refusal('ref' in command ? command.ref : null, known)
    }
  }
}

/** The answer to a command that failed: to its `ref`, or to nothing in particular when it has none. */
export function refusal(ref: number | null, error: RealtimeError): ServerEvent {
  return ref === null ? { type: 'error', error: error.toJSON() } : { type: 'result', ref, error: error.toJSON() }
}

/** For who asks for more than it takes. */
export function tooMuch(message: string): RealtimeError {
  return new RealtimeError('rate_limited', message, { retryAfter: 1000, outcome: 'failed' })
}

/** The member's name. Nobody in particular can't be present. */
function demandIdentity(identity: Identity | null): string {
  if (identity !== null) return identity.id
  throw new RealtimeError('unauthenticated', 'Only somebody can be present.', {
    hint: 'Let `authenticate` return an identity, also for guests.',
    outcome: 'failed',
  })
}

function demandStream(stream: Caller['stream']): NonNullable<Caller['stream']> {
  if (stream === null) throw new RealtimeError('unsupported', 'Channels of this stream change by opening it anew.')
  return stream
}
