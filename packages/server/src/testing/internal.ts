/** What the search of `packages/e2e/property` drives by itself. Not published: `@rt/server/internal` is a name of that folder alone. */
export { Counters } from '../core/counters'
export { Drain, type Leaving } from '../core/drain'
export { createHub } from '../core/hub'
export { Log } from '../core/log'
export type { Broker } from '../ports/broker'
export type { ChannelRules, Hub, Stream } from '../ports/hub'
export { type SimulatedNode, SimulatedStore, type Stored } from './simulated-store'
