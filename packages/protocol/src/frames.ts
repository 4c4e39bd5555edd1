/** Every event (server to client) and command (client to server), the same on each transport; docs/protocol.md tells it in prose. */
import type { Payload } from './bytes'
import type { ErrorBody } from './errors'
import type { Id } from './ids'

/** Version of the protocol, also the WebSocket subprotocol `rt.v1`. */
export const PROTOCOL_VERSION = 1
export const SUBPROTOCOL = 'rt.v1'

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

// ── Server to client ─────────────────────────────────────────────────────────────────────────────────────────────

/** First event of every stream: proves that a server of this protocol speaks. */
export interface HelloEvent {
  readonly type: 'hello'
  readonly version: number
  /** The node that answers, for people who debug. */
  readonly node: string
  /** The heartbeat of this stream in milliseconds; silence of 1.75 × means that the link is dead. */
  readonly heartbeat: number
  /** Milliseconds after which the client should open a new stream (make before break); absent: never. */
  readonly life?: number
  /** The identity id that the server sees in this client; absent: nobody in particular. */
  readonly identity?: string
}

/** How long the identity of this stream lasts: behind `hello` where it ends at all, and as the answer to `authenticate`. */
export interface ExpiresEvent {
  readonly type: 'expires'
  /** Milliseconds; a stream is ended some seconds later. Absent: it does not end. */
  readonly after?: number
}

/** From here on the cursor says: everything up to it was printed for every established channel of this stream. */
export interface CursorEvent {
  readonly type: 'cursor'
  readonly cursor: string
}

/** The channel is established on this stream: complete from `id` on. Logged channels carry id and epoch, `live` ones do not. */
export interface SubscribedEvent {
  readonly type: 'subscribed'
  readonly channel: string
  readonly id?: Id
  readonly epoch?: Id
  /** The newest publications up to `id`, oldest first, when `last` asked for them. */
  readonly history?: readonly HistoryItem[]
  /** What the channel's `state` computed for this client, after the stream was positioned; absent where the channel declares none. */
  readonly state?: Json
  /** Only with `state`: the publications that came while it was computed, oldest first; it may know of them already. */
  readonly updates?: readonly HistoryItem[]
  /** The stream's cursor now, so that a cut behind this event loses nothing. */
  readonly cursor?: string
}

/** A publication outside the stream: in `subscribed.history` and in answers to `history`. */
export type HistoryItem = Payload & {
  readonly id: Id
  readonly messageId: string
  /** Identity id of the publisher; absent when the server published. */
  readonly from?: string
}

/** The channel is not, or no longer, on this stream; with `error` when that was not asked for. */
export interface UnsubscribedEvent {
  readonly type: 'unsubscribed'
  readonly channel: string
  readonly error?: ErrorBody
}

/** A publication of a logged channel. */
export type MessageEvent = HistoryItem & {
  readonly type: 'message'
  readonly channel: string
}

/** A message of a `live` channel: outside the clock, moves no cursor. (`source`, `seq`) tells copies apart. */
export type LiveEvent = Payload & {
  readonly type: 'live'
  readonly channel: string
  readonly source: string
  readonly seq: number
  readonly from?: string
}

/** Publications of this channel may be missing at this place of the stream. */
export interface GapEvent {
  readonly type: 'gap'
  readonly channel: string
  /** `history`: trimmed or expired before it was read; `epoch`: the broker lost data; `cursor`: the cursor was not one of this server's. */
  readonly reason: 'history' | 'epoch' | 'cursor'
  /** With `epoch` and `cursor`: what follows on this channel is newer than this id, which may be older than ids that were seen before. */
  readonly epoch?: Id
  /** With `epoch`: the life of the log that began there is over as well; the gap behind it follows. */
  readonly past?: true
}

/** Somebody who is present in a channel, with all tabs and devices taken together. */
export interface Member {
  /** Identity id. */
  readonly id: string
  /** What the member said last, on whichever tab; null when it said nothing. */
  readonly state: Json
}

/** What happened to a member. `leave` carries the last state. */
export interface PresenceChange {
  readonly action: 'enter' | 'update' | 'leave'
  readonly member: string
  readonly state: Json
}

/** Who is present in a watched channel: first on a stream, and again when changes were missed or it is known again. */
export interface MembersEvent {
  readonly type: 'members'
  readonly channel: string
  /** The newest change that the list holds; `0-0`: none is remembered. */
  readonly id: Id
  /** Where the watch stands; echoed as `since`, never computed. */
  readonly at: string
  /** False: the broker can't tell now who is gone. Who is not in the list may be present all the same. */
  readonly known: boolean
  /** The whole list; absent when it is the one that was told before. */
  readonly members?: readonly Member[]
}

/** Changes among the members of a watched channel, in order, at one moment. */
export interface PresenceEvent {
  readonly type: 'presence'
  readonly channel: string
  readonly id: Id
  readonly at: string
  readonly changes: readonly PresenceChange[]
}

/** The stream does not watch the channel's members, or not any more. */
export interface UnwatchedEvent {
  readonly type: 'unwatched'
  readonly channel: string
  readonly error?: ErrorBody
}

/** The stream said `entered`, but the broker knows of no such member: enter again. */
export interface AbsentEvent {
  readonly type: 'absent'
  readonly channel: string
}

/** Whether the node reaches its broker. `degraded`: the stream stands still and resumes by itself. */
export interface StatusEvent {
  readonly type: 'status'
  readonly broker: 'ok' | 'degraded'
}

/** The answer to the command with this `ref`. */
export type ResultEvent =
  | { readonly type: 'result'; readonly ref: number; readonly value: Json }
  | { readonly type: 'result'; readonly ref: number; readonly error: ErrorBody }

/** An error that belongs to no command: the connection goes on unless a `bye` or close follows. */
export interface ErrorEvent {
  readonly type: 'error'
  readonly error: ErrorBody
}

/** The heartbeat; any other byte counts as life too. */
export interface BeatEvent {
  readonly type: 'beat'
  /** Once on each SSE stream: sent so many milliseconds behind `hello`. Where both come together, something on the way holds back. */
  readonly after?: number
}

/** The server is about to end this stream. */
export interface ByeEvent {
  readonly type: 'bye'
  readonly error: ErrorBody
  /** Milliseconds to wait before coming back; 0: at once. Absent: do not come back by itself. */
  readonly retryAfter?: number
}

export type ServerEvent =
  | HelloEvent
  | ExpiresEvent
  | CursorEvent
  | SubscribedEvent
  | UnsubscribedEvent
  | MessageEvent
  | LiveEvent
  | GapEvent
  | MembersEvent
  | PresenceEvent
  | UnwatchedEvent
  | AbsentEvent
  | StatusEvent
  | ResultEvent
  | ErrorEvent
  | BeatEvent
  | ByeEvent

/** The body of an answer to a poll. */
export interface PollBody {
  readonly events: readonly ServerEvent[]
  readonly cursor: string
  /** As in `hello`. */
  readonly identity?: string
  /** As `after` of the event `expires`. Absent: the identity does not end. */
  readonly expires?: number
  /** Milliseconds after which to ask again: 0 after a long poll, the floor after a short one. */
  readonly next: number
}

// ── Client to server ─────────────────────────────────────────────────────────────────────────────────────────────

/** One channel of a stream that is being opened. */
export interface ChannelRequest {
  readonly channel: string
  /** True when no earlier stream established it: it starts at its head, not at the cursor. Without a cursor all are new. */
  readonly new?: boolean
  /** For a new channel: how many of its newest publications to send first. */
  readonly last?: number
}

/** A channel whose members are watched. */
export interface WatchRequest {
  readonly channel: string
  /** `at` of the newest `members` or `presence` event of this channel; absent: the whole list first. */
  readonly since?: string
}

/** Opens a stream: body of a POSTed SSE or poll request, first frame of a WebSocket opened with `?open=first`. */
export interface OpenCommand {
  readonly type: 'open'
  readonly channels: readonly ChannelRequest[]
  readonly cursor?: string
  /** Channels whose members to tell. */
  readonly watch?: readonly WatchRequest[]
  /** Random name of this client (a tab, a device) within its identity; the same on all its streams. */
  readonly client?: string
  /** Channels that this client has entered: it is present there for as long as this stream lives. */
  readonly entered?: readonly string[]
  /** Milliseconds between two signs of life that suit this client. On a stream the server gives one at least so often; who polls will come again by then. */
  readonly heartbeat?: number
  /** Taken as `Authorization: Bearer …` for clients that cannot send headers. */
  readonly token?: string
}

export type PublishCommand = Payload & {
  readonly type: 'publish'
  readonly ref: number
  readonly channel: string
  /** Made by the publisher; the same one again within the dedupe window is stored once. Optional for bare clients. */
  readonly messageId?: string
}

export interface HistoryCommand {
  readonly type: 'history'
  readonly ref: number
  readonly channel: string
  /** How many of the newest publications, oldest first. */
  readonly last: number
}

/** WebSocket only: adds a channel to the stream. Answered by `subscribed` or `unsubscribed`. */
export interface SubscribeCommand {
  readonly type: 'subscribe'
  readonly channel: string
  readonly last?: number
}

/** WebSocket only: takes a channel off the stream. Answered by `unsubscribed`. */
export interface UnsubscribeCommand {
  readonly type: 'unsubscribe'
  readonly channel: string
}

/** Makes this client present in the channel, or changes its state. Over WebSocket it holds for as long as that stream lives. */
export interface EnterCommand {
  readonly type: 'enter'
  readonly ref: number
  readonly channel: string
  readonly client: string
  readonly state: Json
}

export interface LeaveCommand {
  readonly type: 'leave'
  readonly ref: number
  readonly channel: string
  readonly client: string
}

/** Who is present: answered with `{ members, known }`. */
export interface ListCommand {
  readonly type: 'list'
  readonly ref: number
  readonly channel: string
}

/** WebSocket only: begins to tell the channel's members on this stream. */
export interface WatchCommand extends WatchRequest {
  readonly type: 'watch'
}

/** WebSocket only. Answered by `unwatched`. */
export interface UnwatchCommand {
  readonly type: 'unwatch'
  readonly channel: string
}

/**
 * WebSocket only: a new token for the identity that the stream was opened with, before it expires. Answered by `expires`; a token that is not taken, or that is
 * somebody else's, ends the stream.
 */
export interface AuthenticateCommand {
  readonly type: 'authenticate'
  /** Taken as `Authorization: Bearer …` of the request that opened the stream. */
  readonly token: string
}

export type Command =
  | PublishCommand
  | HistoryCommand
  | SubscribeCommand
  | UnsubscribeCommand
  | EnterCommand
  | LeaveCommand
  | ListCommand
  | WatchCommand
  | UnwatchCommand
  | AuthenticateCommand
