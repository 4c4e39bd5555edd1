/** What a health check is answered with; called by the hosts. */
import type { Health } from '../ports/health'
import { type CompleteReply, jsonReply } from './reply'

/** `path`: where it ends with `/live` the process is asked for, else the node's work. 200 or 503, for a balancer that reads no more. */
export function healthReply(health: Health, path: string): CompleteReply {
  const good = path.endsWith('/live') ? health.live : health.ready
  return jsonReply(good ? 200 : 503, JSON.stringify(health))
}
