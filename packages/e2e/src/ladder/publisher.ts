/** Writes 1, 2, 3 … to the channel of a run, each until it is stored, whatever happens to nodes and Redis meanwhile. */
import { isRealtimeError } from '@rt/server'
import type { App } from './app.ts'
import { down } from './names.ts'

export class Publisher {
  /** The last one that is stored. */
  stored = 0
  /** Milliseconds between two; Infinity: none until it is changed. */
  #pace: number
  /** More bytes in each. */
  bytes = 10
  readonly #worker: App
  readonly #run: string
  #going = true
  #writing: Promise<void> = Promise.resolve()
  #done: Promise<void> | null = null
  #wake: () => void = () => {}

  constructor(worker: App, run: string, pace: number) {
    this.#worker = worker
    this.#run = run
    this.#pace = pace
  }

  start(): void {
    this.#done ??= this.#write()
  }

  set pace(pace: number) {
    this.#pace = pace
    this.#wake()
  }

  /** Writes nothing more until it gets a pace. Resolves when what it was writing is stored. */
  async hold(): Promise<void> {
    this.#pace = Number.POSITIVE_INFINITY
    this.#wake()
    await this.#writing
  }

  /** Returns how many it wrote. */
  async stop(): Promise<number> {
    this.#going = false
    this.#wake()
    await this.#done
    return this.stored
  }

  async #write(): Promise<void> {
    while (this.#going) {
      if (this.#pace < Number.POSITIVE_INFINITY) {
        this.#writing = this.#store(this.stored + 1)
        await this.#writing
        this.stored++
      }
      await this.#pause()
    }
  }

  async #store(sequence: number): Promise<void> {
    for (;;) {
      try {
        const fill = 'x'.repeat(this.bytes)
        await this.#worker.publish(down(this.#run), { sequence, fill }, { messageId: `n-${sequence}` })
        return
      } catch (error) {
        if (!isRealtimeError(error) || error.code !== 'broker_unavailable') throw error
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wake = () => {}
        resolve()
      }
      const timer = setTimeout(done, Math.min(this.#pace, 2 ** 31 - 1))
      this.#wake = done
    })
  }
}
