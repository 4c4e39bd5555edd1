/** The companion port: what a connection tells whoever shares it among the tabs of a browser. */
import type { ServerEvent } from '@rt/protocol'

export interface Companion {
  /** An event of a stream of this tab's own that the application hears; it has been dealt with. */
  heard(event: ServerEvent): void
  /** The state of the connection, or the stream that is heard, may be another one. */
  changed(): void
  /** The server does not let this client be present there any more. */
  expelled(channel: string): void
  /** The application wants a transport of its own choice: no other tab's connection will do. */
  separate(): void
}
