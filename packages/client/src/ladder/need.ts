/** What the application needs of its connection, by what it does: fed by the connection, which asks when that changes. */
import type { Need } from './decide'

/** Milliseconds. */
export const habits = {
  /** So many commands within this time are a conversation. */
  commands: 3,
  within: 30_000,
  /** It is taken to go on for so long. */
  talk: 300_000,
  /** A page that is hidden for so long is not looked at. */
  hidden: 300_000,
} as const

const NEVER = Number.POSITIVE_INFINITY

export class Needs {
  /** Nobody is in a hurry: the application said so, or the user saves data. */
  readonly #frugal: boolean
  #commands: number[] = []
  #talkUntil = Number.NEGATIVE_INFINITY
  /** Monotonic; when the page was hidden. */
  #hiddenAt = NEVER

  constructor(frugal: boolean) {
    this.#frugal = frugal
  }

  /** Whether nobody sees the page. */
  get hidden(): boolean {
    return this.#hiddenAt !== NEVER
  }

  at(now: number): Need {
    if (now < this.#talkUntil) return 'talk'
    return this.#frugal || now - this.#hiddenAt >= habits.hidden ? 'rest' : 'listen'
  }

  /** The application gave a command; `live`: of the kind that comes in a stream of its own, such as a cursor's place. */
  command(now: number, live: boolean): void {
    this.#commands = [...this.#commands.filter((at) => now - at < habits.within), now].slice(-habits.commands)
    if (live || this.#commands.length === habits.commands) this.#talkUntil = now + habits.talk
  }

  shown(): void {
    this.#hiddenAt = NEVER
  }

  hide(now: number): void {
    if (!this.hidden) this.#hiddenAt = now
  }

  /** When {@link at} may answer otherwise by itself. */
  nextAt(now: number): number {
    const due = [this.#talkUntil, this.#hiddenAt + habits.hidden].filter((at) => at > now)
    return Math.min(NEVER, ...due)
  }
}
