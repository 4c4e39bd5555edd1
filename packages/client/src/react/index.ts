'use client'
/**
 * Hooks for React 18 and later. The door `@rt/client/react`.
 *
 * @module
 */
export { createHooks, type Hooks } from './create-hooks'
export { RealtimeProvider, type RealtimeProviderProps, useRealtime } from './provider'
export type { ChannelStatus, Standing } from './status'
export { type Stored, type UseChannel, type UseChannelOptions, useChannel } from './use-channel'
export {
  type StatefulName,
  type UseChannelState,
  type UseChannelStateOptions,
  useChannelState,
} from './use-channel-state'
export { type UseConnection, useConnection } from './use-connection'
export { type PresentName, type UsePresence, usePresence } from './use-presence'
