/** Elements from plain values; what comes from outside is text, never markup. */

export function find<E extends Element = HTMLElement>(selector: string): E {
  const element = document.querySelector<E>(selector)
  if (element === null) throw new Error(`The page has no ${selector}.`)
  return element
}

/** An element with a class and children; texts become text nodes. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  if (className !== '') made.className = className
  made.append(...children)
  return made
}

/** Sets a text where it is another one, so that a selection of it stays. */
export function show(place: Element, text: string): void {
  if (place.textContent !== text) place.textContent = text
}

export function svg(tag: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  return made
}
