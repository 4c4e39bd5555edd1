/** The door `@rt/server/testing`: what backends and apps test themselves with. */
export { brokerContract, type BrokerFactory, type BrokerStore, type TestRunner } from './broker-contract'
export { RedisServer, type RedisServerOptions } from './redis-server'
export { createHub, type HubOptions } from '../core/hub'
export type { ChannelRules, Hub, Stream, StreamRequest, SubscriptionRequest } from '../ports/hub'
export { FakeClock } from './fake-clock'
export { type SimulatedNode, SimulatedStore, type SimulatedStoreOptions, type Stored } from './simulated-store'
