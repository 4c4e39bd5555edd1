/** Somebody else's cursor: takes positions as they arrive and says where it is at each frame; page.ts keeps one for each sender. */
import type { Point } from '../sender'

/** Milliseconds of the way behind a cursor that are drawn. */
export const TRAIL = 450
/** Milliseconds that a click is drawn. */
export const RIPPLE = 700
/** Milliseconds between two positions from which on the cursor rested in between, and did not move slowly. */
const REST = 100
/** Milliseconds by which a cursor is shown late, at least and at most. */
const LEAST = 16
const MOST = 400

export class Cursor {
  /** In the order of the sender's clock. */
  #points: Point[] = []
  #taps: Point[] = []
  /** Our clock when a position of the sender's time 0 would arrive by the fastest way that was seen. */
  #offset = Number.POSITIVE_INFINITY
  /**
   * How late it is shown: as long as the next position may take to be here, so that there is always one to move towards. It grows at once with the time
   * between messages and with what they are late, and shrinks slowly.
   */
  #late = LEAST

  /** `now`: our clock in milliseconds. */
  take(points: readonly Point[], tap: boolean, now: number): void {
    const newest = points.at(-1)
    if (newest === undefined) return
    const way = now - newest[2]
    // Another clock than before: it is somewhere else.
    if (Math.abs(way - this.#offset) > 5000) {
      this.#points = []
      this.#offset = way
    }
    // The fastest way counts, and is forgotten slowly, for clocks drift and ways change.
    this.#offset = Math.min(way, this.#offset + 0.05)
    const before = this.#points.at(-1)?.[2] ?? newest[2]
    for (const point of points) {
      const last = this.#points.at(-1)
      if (last !== undefined && point[2] <= last[2]) continue
      if (last !== undefined && point[2] - last[2] > REST) this.#points.push([last[0], last[1], point[2] - LEAST])
      this.#points.push(point)
    }
    if (tap) this.#taps.push(newest)
    const moved = newest[2] - (newest[2] - before > REST ? (points[0]?.[2] ?? newest[2]) : before)
    const needed = Math.min(MOST, moved + way - this.#offset)
    this.#late = Math.max(needed, LEAST, this.#late * 0.995)
    this.#forget(now)
  }

  /** Where it is shown, and its way there, oldest first. Null before the first position. */
  at(
    now: number,
  ): { readonly x: number; readonly y: number; readonly idle: number; readonly trail: readonly Point[] } | null {
    this.#forget(now)
    const time = now - this.#offset - this.#late
    const next = this.#points.findIndex((point) => point[2] > time)
    const last = this.#points[(next === -1 ? this.#points.length : Math.max(next, 1)) - 1]
    if (last === undefined) return null
    const to = next > 0 ? (this.#points[next] as Point) : last
    const part = to === last ? 0 : (time - last[2]) / (to[2] - last[2])
    const x = last[0] + (to[0] - last[0]) * part
    const y = last[1] + (to[1] - last[1]) * part
    const trail = this.#points.filter((point) => point[2] > time - TRAIL && point[2] <= time)
    return { x, y, idle: Math.max(0, time - last[2]), trail: [...trail, [x, y, time]] }
  }

  /** Clicks that are seen now, each with how far it is: 0 to 1. */
  ripples(now: number): readonly { readonly x: number; readonly y: number; readonly part: number }[] {
    const time = now - this.#offset - this.#late
    return this.#taps
      .map(([x, y, tapped]) => ({ x, y, part: (time - tapped) / RIPPLE }))
      .filter(({ part }) => part >= 0 && part < 1)
  }

  /** Also while nobody looks, and nothing is drawn. */
  #forget(now: number): void {
    const old = now - this.#offset - this.#late - Math.max(TRAIL, RIPPLE)
    while ((this.#points[1]?.[2] ?? Number.POSITIVE_INFINITY) < old) this.#points.shift()
    while ((this.#taps[0]?.[2] ?? Number.POSITIVE_INFINITY) < old) this.#taps.shift()
  }
}
