/** The door `@rt/client/testing`: a clock for tests of apps, and the parts that a test harness drives by itself. */
export { FakeClock } from '@rt/protocol/fake-clock'
export { type Order, Outbox } from '../channels/outbox'
export { type Delivery, type StreamState, Subscriptions } from '../channels/subscriptions'
export type { ResumeRequest } from '../ports/transport'
