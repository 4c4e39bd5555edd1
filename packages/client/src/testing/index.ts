/**
 * The door `@rt/client/testing`: what tests of apps wait by, and a clock to turn by hand.
 *
 * @module
 */
export { FakeClock } from '@rt/protocol/fake-clock'
export { established, when } from './waiting'
