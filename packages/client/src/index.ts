/**
 * The client, for pages and Node. The door `@rt/client`.
 *
 * @module
 */
export type { Clock, Declares, ErrorCode, Id, Issue, Outcome } from '@rt/protocol'
export { isRealtimeError, RealtimeError } from '@rt/protocol'
export type { Status } from './connection/states'
export { type Client, type ClientEvents, createClient } from './create-client'
export type { Problem } from './ladder/trace'
export type { Explanation } from './ladder/words'
export type { ClientOptions } from './options'
export type { Socket, SocketConstructor } from './ports/environment'
export type { TransportName } from './ports/transport'
export type {
  ChannelEvents,
  ChannelEventsOf,
  ChannelName,
  ChannelPresence,
  Gap,
  MemberOf,
  Message,
  MessageOf,
  PresenceChangeOf,
  PresenceInputOf,
  PresenceList,
  PresenceOf,
  PublishOf,
  PublishOptions,
  StateOf,
  SubscribeOptions,
  TypedChannel,
  TypedClient,
  Undeclared,
} from './types'
