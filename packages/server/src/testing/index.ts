/**
 * The door `@rt/server/testing`: what apps and backends test themselves with.
 *
 * @module
 */
export { FakeClock } from '@rt/protocol/fake-clock'
export type { Broker } from '../ports/broker'
export { type BrokerFactory, type BrokerStore, brokerContract, type TestRunner } from './broker-contract'
export { type Blockable, createNetwork, type Network, type NetworkOptions, type NetworkSocket } from './network'
export { presenceContract } from './presence-contract'
export { RedisCluster } from './redis-cluster'
export { RedisServer, type RedisServerOptions } from './redis-server'
