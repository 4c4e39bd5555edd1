/** A page for React in the tests of this folder: a document of happy-dom beside Node's own network, so that client and server are real. */
import { Window } from 'happy-dom'
import type { ReactNode } from 'react'
import { flushSync } from 'react-dom'

const window = new Window({ url: 'http://localhost/' })
// React asks for these when it is loaded, so it is loaded below them. Node has a navigator of its own from 21 on.
const { document, navigator } = window
for (const [name, value] of Object.entries({ window, document, navigator })) {
  Object.defineProperty(globalThis, name, { value, configurable: true })
}
const { createRoot, hydrateRoot } = await import('react-dom/client')

export interface Page {
  /** Renders, effects included. */
  render(node: ReactNode): void
  text(): string
  readonly errors: readonly unknown[]
  close(): void
}

/** With `html`, what a server rendered comes to life; without, the page begins empty. */
export function openPage(node: ReactNode, html?: string): Page {
  const container = document.createElement('div') as unknown as HTMLElement
  const errors: unknown[] = []
  const onError = (error: unknown) => void errors.push(error)
  // A hydration that does not match is recoverable.
  const options = { onRecoverableError: onError, onUncaughtError: onError, onCaughtError: onError }
  let root: ReturnType<typeof createRoot>
  if (html === undefined) {
    root = createRoot(container, options)
    flushSync(() => root.render(node))
  } else {
    container.innerHTML = html
    root = hydrateRoot(container, node, options)
  }
  return {
    render: (next) => flushSync(() => root.render(next)),
    text: () => container.textContent ?? '',
    errors,
    close: () => flushSync(() => root.unmount()),
  }
}
