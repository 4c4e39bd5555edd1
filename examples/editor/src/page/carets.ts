/** The carets and selections of others, drawn over a copy of the text that lies under the textarea; made by page.ts. */

export interface Caret {
  readonly name: string
  readonly hue: number
  /** Indexes in the text. */
  readonly anchor: number
  readonly head: number
}

export class Carets {
  readonly #copy: HTMLElement
  readonly #layer: HTMLElement

  /** `copy` has the font and the width of the textarea, and grows with it. */
  constructor(copy: HTMLElement, layer: HTMLElement) {
    this.#copy = copy
    this.#layer = layer
  }

  draw(text: string, carets: readonly Caret[]): void {
    // A last line that is empty needs something in it to have a height.
    if (this.#copy.textContent !== `${text}\u200b`) this.#copy.textContent = `${text}\u200b`
    const node = this.#copy.firstChild
    if (node === null) return
    const origin = this.#layer.getBoundingClientRect()
    const range = document.createRange()
    const rects = (from: number, to: number): DOMRectList => {
      range.setStart(node, Math.min(from, text.length))
      range.setEnd(node, Math.min(to, text.length))
      return range.getClientRects()
    }
    const drawn = carets.flatMap(({ name, hue, anchor, head }) => {
      const place = (className: string, { left, top, width, height }: DOMRect) => {
        const element = document.createElement('span')
        element.className = className
        element.style.setProperty('--hue', String(hue))
        element.style.left = `${left - origin.left}px`
        element.style.top = `${top - origin.top}px`
        element.style.height = `${height}px`
        if (width > 0) element.style.width = `${width}px`
        return element
      }
      const selected = [...rects(Math.min(anchor, head), Math.max(anchor, head))].map((rect) => place('selected', rect))
      const at = rects(head, head)[0]
      if (at === undefined) return selected
      const caret = place('caret', at)
      caret.dataset['name'] = name
      return [...selected, caret]
    })
    this.#layer.replaceChildren(...drawn)
  }
}
