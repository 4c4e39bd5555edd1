/** A table whose rows are kept by their key, so that what somebody points at or has selected stays; made by page.ts. */
import { element, show } from './element'

export interface Column<Row> {
  readonly name: string
  readonly text: (row: Row) => string
  /** Classes of head and cells. */
  readonly className?: string
}

export interface TableOptions<Row> {
  readonly id: string
  readonly columns: readonly Column<Row>[]
  readonly key: (row: Row) => string
  /** Said where there are none. */
  readonly none: string
  readonly mark?: (row: Row, line: HTMLTableRowElement) => void
  /** Makes the first cell a button. */
  readonly open?: (row: Row) => void
}

export class Table<Row> {
  readonly element = element('div', 'table')
  readonly #options: TableOptions<Row>
  readonly #body = element('tbody', '')
  readonly #none: HTMLElement
  readonly #lines = new Map<string, HTMLTableRowElement>()
  readonly #rows = new WeakMap<HTMLTableRowElement, Row>()

  constructor(options: TableOptions<Row>) {
    this.#options = options
    const { id, columns, none } = options
    const heads = columns.map(({ name, className = '' }) => {
      const head = element('th', className, name)
      head.scope = 'col'
      return head
    })
    const table = element('table', '', element('thead', '', element('tr', '', ...heads)), this.#body)
    table.id = id
    this.#none = element('p', 'none', none)
    this.element.append(table, this.#none)
  }

  draw(rows: readonly Row[]): void {
    const { key, columns, mark } = this.#options
    this.#none.hidden = rows.length > 0
    const gone = new Set(this.#lines.keys())
    for (const [i, row] of rows.entries()) {
      const name = key(row)
      gone.delete(name)
      let line = this.#lines.get(name)
      if (line === undefined) {
        line = this.#line(name)
        this.#lines.set(name, line)
      }
      this.#rows.set(line, row)
      for (const [c, { text }] of columns.entries()) show(place(line.cells[c] as HTMLElement), text(row))
      mark?.(row, line)
      if (this.#body.rows[i] !== line) this.#body.insertBefore(line, this.#body.rows[i] ?? null)
    }
    for (const name of gone) {
      this.#lines.get(name)?.remove()
      this.#lines.delete(name)
    }
  }

  #line(name: string): HTMLTableRowElement {
    const { columns, open } = this.#options
    const line = element('tr', '', ...columns.map(({ className = '' }) => element('td', className)))
    line.dataset['key'] = name
    if (open !== undefined) {
      const button = element('button', 'link')
      button.type = 'button'
      button.addEventListener('click', () => {
        const row = this.#rows.get(line)
        if (row !== undefined) open(row)
      })
      line.cells[0]?.append(button)
    }
    return line
  }
}

/** Where a cell's text stands. */
function place(cell: HTMLElement): Element {
  return cell.firstElementChild ?? cell
}
