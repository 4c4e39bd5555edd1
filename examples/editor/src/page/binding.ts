/** Binds a textarea to a text of Yjs, both ways; made by page.ts. */
import * as Y from 'yjs'

/** Who made a transaction: what was typed here. */
export const TYPED = 'typed'
/** Characters in one transaction, so that a large paste travels in several messages. */
const PIECE = 8000

export interface Selection {
  readonly anchor: Y.RelativePosition
  readonly head: Y.RelativePosition
}

export class Binding {
  readonly #area: HTMLTextAreaElement
  readonly #text: Y.Text
  readonly #moved: (selection: Selection) => void
  #selection: Selection
  /** Of others, while an input method composes: the area must not be touched then. */
  #held: Uint8Array[] | null = null

  /** `moved`: told where our caret is, as places that move with the text. */
  constructor(area: HTMLTextAreaElement, text: Y.Text, moved: (selection: Selection) => void) {
    this.#area = area
    this.#text = text
    this.#moved = moved
    this.#selection = this.#selected()
    text.observe((event) => {
      if (event.transaction.origin !== TYPED) this.#show()
    })
    area.addEventListener('input', () => {
      if (this.#held === null) this.#typed()
    })
    area.addEventListener('compositionstart', () => {
      this.#held = []
    })
    area.addEventListener('compositionend', () => {
      const held = this.#held ?? []
      this.#held = null
      this.#typed()
      for (const update of held) this.apply(update)
    })
    document.addEventListener('selectionchange', () => this.#select())
  }

  get selection(): Selection {
    return this.#selection
  }

  /** An update that came from somebody else. */
  apply(update: Uint8Array): void {
    if (this.#held !== null) this.#held.push(update)
    else if (this.#text.doc !== null) Y.applyUpdate(this.#text.doc, update)
  }

  /** Finds the one place where the area differs, and does the same to the text. */
  #typed(): void {
    const before = this.#text.toString()
    const after = this.#area.value
    // What was typed ends at the caret: of equal characters it is these.
    const end = Math.min(after.length - this.#area.selectionEnd, before.length)
    let tail = 0
    while (tail < end && before.at(-1 - tail) === after.at(-1 - tail)) tail++
    const most = Math.min(before.length, after.length) - tail
    let start = 0
    while (start < most && before[start] === after[start]) start++
    // A character of two halves goes as a whole.
    if (isHigh(before[start - 1]) || isHigh(after[start - 1])) start--
    if (isLow(before[before.length - tail]) || isLow(after[after.length - tail])) tail--
    const removed = before.length - tail - start
    const added = after.slice(start, after.length - tail)
    const { doc } = this.#text
    if (removed > 0) doc?.transact(() => this.#text.delete(start, removed), TYPED)
    for (let at = 0; at < added.length; ) {
      const piece = added.slice(at, at + PIECE + (isHigh(added[at + PIECE - 1]) ? 1 : 0))
      doc?.transact(() => this.#text.insert(start + at, piece), TYPED)
      at += piece.length
    }
    this.#select()
  }

  /** Shows the text, with the caret where it was in it. */
  #show(): void {
    const { anchor, head } = this.#selection
    const [from, to] = [this.indexOf(anchor), this.indexOf(head)]
    const scroll = this.#area.scrollTop
    this.#area.value = this.#text.toString()
    this.#area.setSelectionRange(Math.min(from, to), Math.max(from, to), to < from ? 'backward' : 'forward')
    this.#area.scrollTop = scroll
  }

  /** Where a place is now; the end for one that is not known. */
  indexOf(place: Y.RelativePosition): number {
    const { doc } = this.#text
    return (doc && Y.createAbsolutePositionFromRelativePosition(place, doc)?.index) ?? this.#text.length
  }

  #select(): void {
    // While the area holds what the text does not, its places mean nothing.
    if (this.#held !== null || this.#area.value !== this.#text.toString()) return
    this.#selection = this.#selected()
    this.#moved(this.#selection)
  }

  #selected(): Selection {
    const { selectionStart, selectionEnd, selectionDirection } = this.#area
    const [anchor, head] =
      selectionDirection === 'backward' ? [selectionEnd, selectionStart] : [selectionStart, selectionEnd]
    return { anchor: this.#placeOf(anchor), head: this.#placeOf(head) }
  }

  #placeOf(index: number): Y.RelativePosition {
    // Holds on to the character before, so that what others add here comes behind the caret.
    return Y.createRelativePositionFromTypeIndex(this.#text, index, -1)
  }
}

const isHigh = (unit: string | undefined): boolean => unit !== undefined && /[\ud800-\udbff]/.test(unit)
const isLow = (unit: string | undefined): boolean => unit !== undefined && /[\udc00-\udfff]/.test(unit)
