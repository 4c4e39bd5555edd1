// The built page as one module of texts, for @rt/server to bundle; the last step of the build.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const page = new URL('./dist/page/', import.meta.url)
const files = Object.fromEntries(
  readdirSync(page)
    .sort()
    .map((name) => [name, readFileSync(new URL(name, page), 'utf8')]),
)
writeFileSync(new URL('./dist/files.js', import.meta.url), `export const files = ${JSON.stringify(files, null, 2)}\n`)
