/** The door `@rt/client/testing`: a clock for tests of apps, and the parts that a test harness drives by itself. */
export { type Order, Outbox } from '../channels/outbox'
export { type Delivery, type StreamState, Subscriptions } from '../channels/subscriptions'
export type { ResumeRequest } from '../ports/transport'
export { FakeClock } from './fake-clock'
