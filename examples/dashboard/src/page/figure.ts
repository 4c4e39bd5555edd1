/** One figure on the page: its number and the line of its last values. Made by page.ts for each. */
import type { Figure } from '../figures'

const WIDTH = 120
const HEIGHT = 32
const svg = 'http://www.w3.org/2000/svg'

export class Card {
  readonly element = document.createElement('article')
  readonly #number = document.createElement('span')
  readonly #change = document.createElement('span')
  readonly #area = document.createElementNS(svg, 'path')
  readonly #line = document.createElementNS(svg, 'path')
  readonly #format: Intl.NumberFormat
  readonly #shown: number
  #values: number[] = []
  #drawn = true

  constructor({ id, label, unit, digits = 0 }: Figure, shown: number) {
    this.#shown = shown
    this.#format = new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits })
    this.element.id = id
    const name = document.createElement('h3')
    name.textContent = label
    const value = document.createElement('p')
    value.className = 'value'
    this.#number.className = 'number'
    this.#number.textContent = '–'
    const of = document.createElement('span')
    of.className = 'unit'
    of.textContent = unit ?? ''
    this.#change.className = 'change'
    value.append(this.#number, of, this.#change)
    const chart = document.createElementNS(svg, 'svg')
    chart.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`)
    chart.setAttribute('preserveAspectRatio', 'none')
    chart.setAttribute('aria-hidden', 'true')
    this.#area.setAttribute('class', 'area')
    this.#line.setAttribute('class', 'line')
    chart.append(this.#area, this.#line)
    this.element.append(name, value, chart)
  }

  add(value: number): void {
    this.#values.push(value)
    if (this.#values.length > this.#shown) this.#values.shift()
    this.#drawn = false
  }

  /** Once a frame at most: values may come together. */
  draw(): void {
    if (this.#drawn) return
    this.#drawn = true
    const values = this.#values
    const newest = values.at(-1) ?? 0
    this.#number.textContent = this.#format.format(newest)
    const oldest = values[0] ?? newest
    const change = oldest === 0 ? 0 : (newest - oldest) / oldest
    const percent = Math.abs(change * 100).toFixed(1)
    this.#change.textContent = percent === '0.0' ? '' : `${change < 0 ? '↓' : '↑'} ${percent} %`
    const least = Math.min(...values)
    const range = Math.max(...values) - least || 1
    const step = WIDTH / (this.#shown - 1)
    // The newest at the right edge, also while there are few.
    const from = WIDTH - (values.length - 1) * step
    const points = values.map(
      (value, i) =>
        `${(from + i * step).toFixed(1)} ${(HEIGHT - 3 - ((value - least) / range) * (HEIGHT - 6)).toFixed(1)}`,
    )
    this.#line.setAttribute('d', `M${points.join('L')}`)
    this.#area.setAttribute('d', `M${points.join('L')}L${WIDTH} ${HEIGHT}L${from.toFixed(1)} ${HEIGHT}Z`)
  }
}
