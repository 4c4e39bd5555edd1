/** Sends positions as often as there are frames, and, where the network takes fewer messages, several positions in one; used by the page and by the robots. */

/** x and y from 0 to 1, and when, in milliseconds. */
export type Point = [x: number, y: number, time: number]

/** Messages that may be unanswered: enough to send each frame over a way of 60 ms there and back. Beyond it, what moved meanwhile goes together. */
const UNANSWERED = 4
/** Positions in one message, as server.ts allows; of more the oldest are dropped. */
const MOST = 32

/** The clock of positions: goes on evenly, and through a reload. */
export const clock = () => Math.round(performance.timeOrigin + performance.now())

const round = (part: number) => Math.round(Math.min(1, Math.max(0, part)) * 10_000) / 10_000

export class Sender {
  readonly #publish: (message: { points: Point[]; tap?: boolean }) => Promise<unknown>
  #points: Point[] = []
  #tap = false
  #unanswered = 0

  constructor(publish: (message: { points: Point[]; tap?: boolean }) => Promise<unknown>) {
    this.#publish = publish
  }

  move(x: number, y: number): void {
    this.#points.push([round(x), round(y), clock()])
    if (this.#points.length > MOST) this.#points.shift()
  }

  tap(x: number, y: number): void {
    this.move(x, y)
    this.#tap = true
  }

  /** To be called once a frame. */
  flush(): void {
    if (this.#points.length === 0 || this.#unanswered >= UNANSWERED) return
    const message = { points: this.#points, ...(this.#tap && { tap: true }) }
    this.#points = []
    this.#tap = false
    this.#unanswered++
    // One that is lost is not sent again: the next one says where we are.
    const answered = () => {
      this.#unanswered--
    }
    this.#publish(message).then(answered, answered)
  }
}
