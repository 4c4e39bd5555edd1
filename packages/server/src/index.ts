/**
 * The server: channels, rules, and the hosts that serve them. The door `@rt/server`.
 *
 * @module
 */
export {
  type Clock,
  compareIds,
  type ErrorBody,
  type ErrorCode,
  type Id,
  type Issue,
  isRealtimeError,
  RealtimeError,
} from '@rt/protocol'
export { memory } from './backends/memory/broker'
export { bytes } from './bytes'
export {
  type Channel,
  type ChannelOptions,
  channel,
  type Delivery,
  type HistoryOptions,
  type ParamsOf,
  type Rule,
  type RuleContext,
} from './channel'
export type { Duration } from './duration'
export type { HistogramSnapshot } from './histogram'
export type { FetchHandler } from './hosts/fetch'
export type { AttachOptions, NodeHandler, NodeServer } from './hosts/node'
export type { Inspector, InspectorOptions } from './inspector/inspector'
export type { RealtimeOptions } from './options'
export {
  type Broker,
  type BrokerListener,
  type Entry,
  type History,
  lifeOfLast,
  type PastEpoch,
  type Publication,
  type Published,
  type PublishRequest,
  type ReadAnswer,
  type ReadRequest,
  type ReadResult,
} from './ports/broker'
export type { Identity, TransportName } from './ports/connection'
export type { Health, HealthReason } from './ports/health'
export type { ConnectionInfo, Disconnection, Subscribed } from './ports/hooks'
export type { Logger } from './ports/logger'
export type { BrokerMetrics, CodeCounts, Metrics, PublishOutcome, Refused } from './ports/metrics'
export type {
  EnterRequest,
  MembersResult,
  PresenceNotice,
  PresenceStore,
  PulseRequest,
  PulseResult,
  Seat,
  TouchRequest,
} from './ports/presence'
export {
  type CloseOptions,
  createRealtime,
  type HealthCheck,
  type Realtime,
  type ServerPublishOptions,
  type StoredMessage,
} from './realtime'
