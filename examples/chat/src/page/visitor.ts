/** Who this tab is: a name that the visitor picks and a random key, kept until the tab is closed; used by page.ts. */
export interface Visitor {
  readonly name: string
  /** For `createClient({ token })`; server.ts makes the identity of it. */
  readonly token: string
}

const STORE = 'visitor'

export function storedVisitor(): Visitor | null {
  const token = sessionStorage.getItem(STORE)
  const name = token === null ? null : new URLSearchParams(token).get('name')
  return token === null || name === null ? null : { name, token }
}

export function newVisitor(name: string): Visitor {
  const token = new URLSearchParams({ name, key: randomText(16) }).toString()
  sessionStorage.setItem(STORE, token)
  return { name, token }
}

export function forgetVisitor(): void {
  sessionStorage.removeItem(STORE)
}

/** Random bytes as hexadecimal digits. Not randomUUID(), which pages without HTTPS lack. */
export function randomText(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  )
}

const moods = ['Calm', 'Brave', 'Quick', 'Merry', 'Kind', 'Bold', 'Sunny', 'Wise']
const animals = ['Otter', 'Heron', 'Lynx', 'Finch', 'Badger', 'Whale', 'Robin', 'Fox']

export function suggestedName(): string {
  const pick = (words: readonly string[]) => words[Math.floor(Math.random() * words.length)]
  return `${pick(moods)} ${pick(animals)}`
}

/** The name inside an identity id, which is `name#hash`. */
export const nameOf = (id: string): string => id.slice(0, Math.max(0, id.lastIndexOf('#'))) || id

/** A colour of one's own, the same on every page. */
export function paintAvatar(avatar: HTMLElement, id: string): void {
  let hash = 0
  for (const character of id) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0
  const initials = nameOf(id)
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => Array.from(word)[0] ?? '')
  avatar.textContent = initials.join('').toUpperCase()
  // 137.5°: neighbours among hashes become far apart among colours.
  avatar.style.setProperty('--hue', String(Math.round((hash * 137.508) % 360)))
}
