/** The tabs that may share a connection, and which of them leads: whoever holds the Web Lock of the group. Made by the sharing of a tab. */
import type { Clock, Timer } from '@rt/protocol'
import type { GroupMessage, Join, Line, Locks, OpenLine } from './messages'

/** Milliseconds. */
export const patience = {
  /** A leader that does not answer for so long is stuck. */
  answer: 2000,
  /** Those who think so do not act all at once. */
  spread: 500,
} as const

export interface GroupOptions {
  readonly name: string
  /** The random name of this tab. */
  readonly tab: string
  readonly open: OpenLine
  readonly locks: Locks
  readonly clock: Clock
  readonly random: () => number
}

export interface GroupListener {
  /** This tab leads from here on. */
  leads(): void
  /** It does not any more: another tab took the lead, thinking that this one is stuck. */
  robbed(): void
  /** That tab leads, and has a stream to share. */
  follows(tab: string): void
  joins(join: Join): void
  /** This tab has a stream to share. */
  live(): boolean
}

export class Group {
  readonly #options: GroupOptions
  readonly #listener: GroupListener
  readonly #line: Line
  /** Ends what waits for a lock. */
  #queued = new AbortController()
  readonly #left = new AbortController()
  /** Gives the lead up; null: this tab does not have it. */
  #resign: (() => void) | null = null
  #timer: Timer | undefined

  constructor(options: GroupOptions, listener: GroupListener) {
    this.#options = options
    this.#listener = listener
    this.#line = options.open(options.name)
    this.#line.onmessage = ({ data }: { data: GroupMessage }) => this.#heard(data)
    // Held for as long as the tab is in the group: who waits for it learns at once that it went, however that came about.
    this.#hold(lockOf(options.name, options.tab), () => {
      this.#queue()
      this.ask()
    })
  }

  get name(): string {
    return this.#options.name
  }

  /** Asks who leads; without an answer this tab takes the lead. */
  ask(wait: number = patience.answer): void {
    const { clock, random } = this.#options
    if (this.#resign !== null || this.#left.signal.aborted) return
    this.post({ type: 'who' })
    clock.clearTimeout(this.#timer)
    const late = () => {
      // After a sleep of this tab the answer may be here already: its turn comes before that of a second timer.
      this.#timer = clock.setTimeout(() => this.#rob(), random() * patience.spread)
    }
    this.#timer = clock.setTimeout(late, wait)
  }

  /** Tells the others who leads. */
  announce(): void {
    if (this.#resign !== null) this.post({ type: 'lead', tab: this.#options.tab, live: this.#listener.live() })
  }

  post(message: GroupMessage): void {
    if (!this.#left.signal.aborted) this.#line.postMessage(message)
  }

  /** Calls back once that tab has left the group. */
  whenGone(tab: string, signal: AbortSignal, gone: () => void): void {
    this.#options.locks.request(lockOf(this.name, tab), { signal }, gone).catch(() => {})
  }

  leave(): void {
    this.#left.abort()
    this.#queued.abort()
    this.#options.clock.clearTimeout(this.#timer)
    this.#resign?.()
    this.#line.close()
  }

  #heard(message: GroupMessage): void {
    const { tab, clock } = this.#options
    if (message.type === 'who') this.announce()
    else if (message.type === 'lead') {
      // It was robbed, and does not know it yet.
      if (this.#resign !== null) return
      clock.clearTimeout(this.#timer)
      if (message.live) this.#listener.follows(message.tab)
    } else if (message.to === tab && this.#resign !== null) this.#listener.joins(message)
  }

  /** Waits until whoever leads is gone. */
  #queue(): void {
    this.#queued = new AbortController()
    this.#lead({ signal: this.#queued.signal })
  }

  #rob(): void {
    this.#queued.abort()
    this.#lead({ steal: true })
  }

  #lead(options: LockOptions): void {
    const { name, locks, clock } = this.#options
    let led = false
    locks
      .request(name, options, () => {
        if (this.#left.signal.aborted) return
        led = true
        clock.clearTimeout(this.#timer)
        return new Promise<void>((resolve) => {
          this.#resign = resolve
          this.announce()
          this.#listener.leads()
        })
      })
      .catch(() => {
        if (!led || this.#left.signal.aborted) return
        this.#resign = null
        this.#listener.robbed()
        this.#queue()
        this.ask()
      })
  }

  #hold(name: string, held: () => void): void {
    const { signal } = this.#left
    const hold = () => {
      if (signal.aborted) return
      held()
      return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    }
    this.#options.locks.request(name, { signal }, hold).catch(() => {})
  }
}

function lockOf(group: string, tab: string): string {
  return `${group} ${tab}`
}
