/** The client of a run as its runner sees it, in this process or in one of its own, with the record of what it showed. */
import type { TransportName } from '@rt/client'
import { Child } from '../processes/child.ts'
import { type Seen, Subscriber, type SubscriberSettings } from './subscriber.ts'
import type { SubscriberAsked, SubscriberTold } from './subscriber-process.ts'

interface Hands {
  publish(sequence: number, bytes: number): Promise<string | null>
  haste(hasty: boolean): void
  connect(): void
  explain(): Promise<string>
  close(): Promise<void>
  freeze(): void
  thaw(): void
}

export class Subject {
  readonly seen: Seen[] = []
  status = 'idle'
  transport: TransportName | null = null
  problem: string | null = null
  readonly #hands: Hands
  readonly #watchers = new Set<() => void>()

  /** @param within Null: in this process; else the command that runs its process, which may be none. */
  constructor(settings: SubscriberSettings, within: readonly string[] | null) {
    const tell = (seen: Seen) => {
      this.seen.push(seen)
      if (seen.type === 'status') this.status = seen.status
      else if (seen.type === 'transport') this.transport = seen.transport
      else if (seen.type === 'problem') this.problem = seen.problem
      for (const watcher of [...this.#watchers]) watcher()
    }
    this.#hands = within === null ? here(settings, tell) : apart(settings, within, tell)
  }

  get sequences(): number[] {
    return this.seen.flatMap((seen) => (seen.type === 'message' ? [seen.sequence] : []))
  }

  /** Resolves when this holds; looks whenever the client shows something. Rejects after so many seconds. */
  until(what: string, holds: () => boolean, seconds: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer)
        this.#watchers.delete(look)
      }
      const look = () => {
        if (!holds()) return
        done()
        resolve()
      }
      const timer = setTimeout(() => {
        done()
        reject(new Error(`Not within ${seconds} s: ${what}.`))
      }, seconds * 1000)
      this.#watchers.add(look)
      look()
    })
  }

  publish(sequence: number, bytes = 10): Promise<string | null> {
    return this.#hands.publish(sequence, bytes)
  }

  /** What its clock showed last, milliseconds. */
  get clock(): number {
    return this.seen.at(-1)?.clock ?? 0
  }

  /** Its clock goes forward with each message. */
  set hasty(hasty: boolean) {
    this.#hands.haste(hasty)
  }

  connect(): void {
    this.#hands.connect()
  }

  explain(): Promise<string> {
    return this.#hands.explain()
  }

  freeze(): void {
    this.#hands.freeze()
  }

  thaw(): void {
    this.#hands.thaw()
  }

  close(): Promise<void> {
    return this.#hands.close()
  }
}

function here(settings: SubscriberSettings, tell: (seen: Seen) => void): Hands {
  const subscriber = new Subscriber(settings, tell)
  const impossible = () => {
    throw new Error('Only a process of its own sleeps.')
  }
  return {
    publish: (sequence, bytes) => subscriber.publish(sequence, bytes),
    haste: (hasty) => {
      subscriber.hasty = hasty
    },
    connect: () => subscriber.connect(),
    explain: () => subscriber.explain(),
    close: async () => subscriber.close(),
    freeze: impossible,
    thaw: impossible,
  }
}

function apart(settings: SubscriberSettings, within: readonly string[], tell: (seen: Seen) => void): Hands {
  const script = new URL('subscriber-process.ts', import.meta.url)
  const child = new Child<SubscriberTold, SubscriberAsked>(script, settings, [], within)
  child.on((told) => {
    if (told.type === 'seen') tell(told.seen)
  })
  let calls = 0
  return {
    async publish(sequence, bytes) {
      const call = ++calls
      const answer = child.next('published', (told) => told.call === call)
      child.ask({ type: 'publish', call, sequence, bytes })
      return (await answer).refusal
    },
    haste: (hasty) => child.ask({ type: 'haste', hasty }),
    connect: () => child.ask({ type: 'connect' }),
    async explain() {
      const answer = child.next('explained')
      child.ask({ type: 'explain' })
      return (await answer).text
    },
    async close() {
      child.thaw()
      child.ask({ type: 'close' })
      await child.kill()
    },
    freeze: () => child.freeze(),
    thaw: () => child.thaw(),
  }
}
