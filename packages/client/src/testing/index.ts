/** The door `@rt/client/testing`: the parts that a test harness drives by itself. */
export { Outbox } from '../channels/outbox'
export { type Delivery, type ResumeRequest, type StreamState, Subscriptions } from '../channels/subscriptions'
