/** The endpoint of rt: server-sent events, polls and commands. WebSocket needs a server of one's own: server.ts. */
import { rt } from '../../lib/realtime'

/** Seconds after which platforms that have such a limit end a response; `life` in lib/realtime.ts is shorter. */
export const maxDuration = 300

export const { GET, POST, OPTIONS } = rt.handlers
