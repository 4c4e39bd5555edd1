/** Publishes what is typed: one message at a time, the changes that came meanwhile together, each again until it is stored. Made by page.ts. */
import { isRealtimeError } from '@rt/client'
import * as Y from 'yjs'

/** Bytes of one message; a command may have 64 KiB as base64. */
const MOST = 32 * 1024
/** Milliseconds from one message to the next. */
const PAUSE = 50

export class Sender {
  readonly #publish: (update: Uint8Array, options: { readonly messageId: string }) => Promise<unknown>
  readonly #changed: () => void
  #waiting: Uint8Array[] = []
  #running = false
  /** Why something will never be stored; null as long as all may be. */
  refused: string | null = null

  constructor(
    publish: (update: Uint8Array, options: { readonly messageId: string }) => Promise<unknown>,
    changed: () => void,
  ) {
    this.#publish = publish
    this.#changed = changed
  }

  /** All that was typed is stored. */
  get saved(): boolean {
    return !this.#running
  }

  add(update: Uint8Array): void {
    this.#waiting.push(update)
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    this.#running = true
    this.#changed()
    while (this.#waiting.length > 0) {
      await this.#store(this.#next())
      await new Promise((resolve) => setTimeout(resolve, PAUSE))
    }
    this.#running = false
    this.#changed()
  }

  #next(): Uint8Array {
    let [count, size] = [0, 0]
    do size += this.#waiting[count++]?.length ?? 0
    while (count < this.#waiting.length && size + (this.#waiting[count]?.length ?? 0) <= MOST)
    return Y.mergeUpdates(this.#waiting.splice(0, count))
  }

  async #store(update: Uint8Array): Promise<void> {
    const messageId = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16)).join('')
    for (;;) {
      try {
        await this.#publish(update, { messageId })
        return
      } catch (error) {
        if (isRealtimeError(error) && !error.retryable) {
          this.refused = error.message
          return
        }
        // It may be stored all the same; twice is as good as once.
        await new Promise((resolve) => setTimeout(resolve, 1000))
      }
    }
  }
}
