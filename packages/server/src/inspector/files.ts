/** The files of the page, built from packages/inspector into this chunk of its own. */
import { files as texts } from '@rt/inspector/files'

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

export const files: ReadonlyMap<string, { readonly type: string; readonly text: string }> = new Map(
  Object.entries(texts).map(([name, text]) => [
    name,
    { type: TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'text/plain; charset=utf-8', text },
  ]),
)
