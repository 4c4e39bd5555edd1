import type { Alias, Plugin } from 'vite'

export function lua(): Plugin
export const protocolSource: Alias[]
export const doorSources: Alias[]
export const full: boolean
