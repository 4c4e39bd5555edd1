/** Draws the cursors, their trails and clicks on one canvas; page.ts calls it at each frame with where they are. */
import type { Point } from '../sender'
import { RIPPLE, TRAIL } from './cursor'

export interface Drawn {
  readonly name: string
  readonly hue: number
  readonly x: number
  readonly y: number
  /** Milliseconds for which it has not moved. */
  readonly idle: number
  readonly trail: readonly Point[]
  readonly ripples: readonly { readonly x: number; readonly y: number; readonly part: number }[]
}

/** Milliseconds after which one that rests begins to fade. */
const FADES_AFTER = 6000

export const colourOf = (hue: number): string => `oklch(0.58 0.19 ${hue})`

const arrow = new Path2D('M0 0 L5.2 15.6 L8.4 9.2 L15 6.2 Z')

export class Board {
  readonly #canvas: HTMLCanvasElement
  readonly #paint: CanvasRenderingContext2D
  #width = 1
  #height = 1

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas
    this.#paint = canvas.getContext('2d') as CanvasRenderingContext2D
    new ResizeObserver(() => this.#fit()).observe(canvas)
    this.#fit()
  }

  draw(cursors: readonly Drawn[]): void {
    const paint = this.#paint
    paint.clearRect(0, 0, this.#width, this.#height)
    for (const cursor of cursors) this.#trail(cursor)
    for (const cursor of cursors) this.#pointer(cursor)
    paint.globalAlpha = 1
  }

  #fit(): void {
    const { width, height } = this.#canvas.getBoundingClientRect()
    const scale = devicePixelRatio
    this.#canvas.width = Math.round(width * scale)
    this.#canvas.height = Math.round(height * scale)
    this.#paint.scale(scale, scale)
    this.#paint.font = '600 12px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'
    this.#paint.textBaseline = 'middle'
    this.#paint.lineJoin = 'round'
    this.#paint.lineCap = 'round'
    this.#width = width
    this.#height = height
  }

  /** A comet's tail: one filled outline that grows from nothing at its end to its full width at the cursor. */
  #trail({ hue, trail, ripples }: Drawn): void {
    const paint = this.#paint
    const colour = colourOf(hue)
    paint.fillStyle = colour
    paint.strokeStyle = colour
    const points = trail.map(([x, y, time]) => [x * this.#width, y * this.#height, time] as const)
    const [tip] = points
    const head = points.at(-1)
    if (tip !== undefined && head !== undefined && points.length > 2) {
      const sides = points.map(([x, y, time], i) => {
        const [fromX, fromY] = points[Math.max(0, i - 1)] ?? head
        const [toX, toY] = points[Math.min(points.length - 1, i + 1)] ?? head
        const length = Math.hypot(toX - fromX, toY - fromY) || 1
        const wide = Math.max(0, 1 - (head[2] - time) / TRAIL) * 5
        const across = [((fromY - toY) / length) * wide, ((toX - fromX) / length) * wide] as const
        return [x + across[0], y + across[1], x - across[0], y - across[1]] as const
      })
      paint.globalAlpha = 0.3
      paint.beginPath()
      paint.moveTo(tip[0], tip[1])
      for (const [x, y] of sides) paint.lineTo(x, y)
      for (const [, , x, y] of sides.reverse()) paint.lineTo(x, y)
      paint.fill()
    }
    for (const { x, y, part } of ripples) {
      paint.globalAlpha = (1 - part) * 0.8
      paint.lineWidth = 3 * (1 - part) + 0.5
      paint.beginPath()
      // Fast first, as a ring on water.
      paint.arc(x * this.#width, y * this.#height, 6 + 38 * (1 - (1 - part) ** 3), 0, 2 * Math.PI)
      paint.stroke()
    }
  }

  #pointer({ name, hue, x, y, idle }: Drawn): void {
    const paint = this.#paint
    const left = x * this.#width
    const top = y * this.#height
    paint.globalAlpha = 1 - 0.65 * Math.min(1, Math.max(0, (idle - FADES_AFTER) / RIPPLE))
    paint.fillStyle = colourOf(hue)
    paint.save()
    paint.translate(left, top)
    paint.strokeStyle = '#fff'
    paint.lineWidth = 2.5
    paint.stroke(arrow)
    paint.fill(arrow)
    const width = paint.measureText(name).width + 14
    // At the right and the bottom the name goes to the other side.
    const labelX = left + 14 + width > this.#width ? -width - 2 : 14
    const labelY = top + 38 > this.#height ? -26 : 14
    paint.beginPath()
    paint.roundRect(labelX, labelY, width, 21, 7)
    paint.fill()
    paint.fillStyle = '#fff'
    paint.fillText(name, labelX + 7, labelY + 11)
    paint.restore()
  }
}
