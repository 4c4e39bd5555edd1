/** What the search of `packages/e2e/property` drives by itself. Not published: `@rt/client/internal` is a name of that folder alone. */
export { type Delivery, type StreamState, Subscriptions } from '../channels/subscriptions'
