/** HTTP as the core's endpoint sees it, whatever the host: a request to read, and a reply that the host prints. */

export interface HttpRequest {
  readonly method: string
  readonly url: URL
  /** The address of the other end of the socket; null where the host knows none. */
  readonly peer: string | null
  /** A header by lower-case name; null when absent. */
  header(name: string): string | null
  /** The body as text. Rejects with `payload_too_large` beyond `limit` bytes, without reading on. */
  text(limit: number): Promise<string>
  /** The same as a web Request without its body, for `authenticate`. */
  toRequest(): Request
  /** The client went away. */
  onClose(run: () => void): void
}

/** Bytes out to a streaming reply, as the host offers it. */
export interface ByteSink {
  /** Returns false when the client does not keep up; `onDrain` tells when it does again. */
  write(chunk: Uint8Array): boolean
  onDrain(run: () => void): void
  end(): void
}

export type HttpReply =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string | null }
  | {
      readonly status: 200
      readonly headers: Readonly<Record<string, string>>
      readonly stream: (sink: ByteSink) => void
    }
