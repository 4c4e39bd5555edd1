/** Whether a stream would bring nothing; asked by the connection and by polls. */
import type { ResumeRequest } from './ports/transport'

/** Without channels of any kind there is nothing to hold open. */
export function asksForNothing({ channels, watch = [], entered = [] }: ResumeRequest): boolean {
  return channels.length + watch.length + entered.length === 0
}
