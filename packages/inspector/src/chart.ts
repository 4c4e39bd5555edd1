/** A chart of the last two minutes: one line, or areas on top of each other; with its number, its legend, and the value under the pointer. Made by page.ts. */
import { element, show, svg } from './element'

/** Values, one a second. */
const SHOWN = 120
const WIDTH = 240
const HEIGHT = 60

export interface Series {
  readonly name: string
  /** Which of the colours of page.css. */
  readonly tone: string
}

export interface ChartOptions {
  readonly id: string
  readonly title: string
  readonly format: (value: number) => string
  /** From bottom to top. */
  readonly series: readonly Series[]
  /** The chart's top stands for this at least, so that a calm line is a flat one. */
  readonly least: number
}

export class Chart {
  readonly element: HTMLElement
  readonly #options: ChartOptions
  readonly #number = element('strong', 'number', '–')
  readonly #when = element('span', 'when')
  readonly #top = element('span', 'top')
  readonly #legend: readonly HTMLElement[]
  readonly #areas: readonly SVGElement[]
  readonly #lines: readonly SVGElement[]
  readonly #cursor = svg('line', { class: 'cursor', y1: '0', y2: String(HEIGHT), visibility: 'hidden' })
  /** Oldest first; each with one value for each series. */
  #values: (readonly number[])[] = []
  /** Which one the pointer is at; null: the newest. */
  #at: number | null = null

  constructor(options: ChartOptions) {
    this.#options = options
    const { id, title, series } = options
    this.#areas = series.map(({ tone }) => svg('path', { class: `area ${tone}` }))
    this.#lines = series.map(({ tone }) => svg('path', { class: `line ${tone}` }))
    const drawing = svg('svg', {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
    })
    const half = String(HEIGHT / 2)
    drawing.append(
      svg('line', { class: 'grid', x1: '0', x2: String(WIDTH), y1: half, y2: half }),
      ...this.#areas,
      ...this.#lines,
      this.#cursor,
    )
    const plot = element('div', 'plot', this.#top)
    plot.append(drawing)
    this.#legend = series.map(() => element('span', 'value'))
    const legend = element('p', 'legend')
    if (series.length > 1) {
      legend.append(
        ...series.map(({ name, tone }, i) =>
          element('span', 'key', element('i', tone), `${name} `, this.#legend[i] as HTMLElement),
        ),
      )
    }
    const foot = element('p', 'axis', element('span', '', '2 min ago'), element('span', '', 'now'))
    this.element = element(
      'article',
      'chart',
      element('h2', '', title),
      element('p', 'head', this.#number, this.#when),
      legend,
      plot,
      foot,
    )
    this.element.id = id
    plot.addEventListener('pointermove', ({ clientX }) => {
      const { left, width } = plot.getBoundingClientRect()
      const place = Math.round(((clientX - left) / width) * (SHOWN - 1)) - (SHOWN - this.#values.length)
      this.#at = Math.min(Math.max(place, 0), this.#values.length - 1)
      this.#draw()
    })
    plot.addEventListener('pointerleave', () => {
      this.#at = null
      this.#draw()
    })
  }

  /** The values of this second. */
  add(values: readonly number[]): void {
    this.#values.push(values)
    if (this.#values.length > SHOWN) this.#values.shift()
    this.#draw()
  }

  #draw(): void {
    const { series, format, least } = this.#options
    const values = this.#values
    const newest = values.length - 1
    const at = this.#at ?? newest
    const shown = values[at] ?? []
    show(this.#number, format(sum(shown)))
    show(this.#when, at === newest ? '' : `${newest - at} s ago`)
    for (const [i, value] of this.#legend.entries()) show(value, format(shown[i] ?? 0))

    const most = Math.max(least, ...values.map(sum))
    show(this.#top, format(most))
    const step = WIDTH / (SHOWN - 1)
    // The newest at the right edge, also while there are few.
    const x = (i: number) => (WIDTH - (newest - i) * step).toFixed(1)
    const y = (value: number) => (HEIGHT - 1 - (value / most) * (HEIGHT - 4)).toFixed(1)
    let below = values.map(() => 0)
    for (const i of series.keys()) {
      const above = values.map((each, k) => (below[k] as number) + (each[i] ?? 0))
      const upper = above.map((value, k) => `${x(k)} ${y(value)}`)
      const lower = below.map((value, k) => `${x(k)} ${y(value)}`).reverse()
      this.#lines[i]?.setAttribute('d', `M${upper.join('L')}`)
      this.#areas[i]?.setAttribute('d', `M${[...upper, ...lower].join('L')}Z`)
      below = above
    }
    this.#cursor.setAttribute('visibility', at === newest ? 'hidden' : 'visible')
    this.#cursor.setAttribute('x1', x(at))
    this.#cursor.setAttribute('x2', x(at))
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
