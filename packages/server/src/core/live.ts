/** What a `live` channel's message is handed to; implemented by streams, called by the hub. */
import type { OutItem } from '../ports/connection'

export interface LiveSubscriber {
  /** Prints it now, or drops it when the stream is behind: live messages wait for nobody. */
  live(item: OutItem): void
}
