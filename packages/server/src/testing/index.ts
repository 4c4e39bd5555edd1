/** The door `@rt/server/testing`: what backends and apps test themselves with. */

export { FakeClock } from '@rt/protocol/fake-clock'
export { Drain, type Leaving } from '../core/drain'
export { createHub, type HubOptions } from '../core/hub'
export type { Broker } from '../ports/broker'
export type { ChannelRules, Hub, Stream, StreamRequest, SubscriptionRequest } from '../ports/hub'
export { type BrokerFactory, type BrokerStore, brokerContract, type TestRunner } from './broker-contract'
export { presenceContract } from './presence-contract'
export { RedisServer, type RedisServerOptions } from './redis-server'
export { type SimulatedNode, SimulatedStore, type SimulatedStoreOptions, type Stored } from './simulated-store'
