/** Channels that the server refused for the moment: when to ask again, and whether something was lost meanwhile. Owned by the connection. */
import type { RealtimeError } from '@rt/protocol'
import { delay } from '../connection/backoff'

interface Refusal {
  /** When to ask again; infinite while it is being asked for. */
  at: number
  tries: number
  /** It was established before, and its place in the stream went with the refusal. */
  gap: boolean
}

export class Refusals {
  readonly #refusals = new Map<string, Refusal>()

  /** Notes a refusal that another try may change. `lost`: the channel was established. */
  add(channel: string, error: RealtimeError, lost: boolean, now: number, random: number): void {
    const before = this.#refusals.get(channel)
    const tries = (before?.tries ?? 0) + 1
    this.#refusals.set(channel, {
      at: now + delay(tries, error.retryAfter, random),
      tries,
      gap: lost || before?.gap === true,
    })
  }

  /** Ends the story of a channel; returns whether publications may be missing. */
  settle(channel: string): boolean {
    const gap = this.#refusals.get(channel)?.gap === true
    this.#refusals.delete(channel)
    return gap
  }

  nextAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { at } of this.#refusals.values()) next = Math.min(next, at)
    return next
  }

  /** The channels to ask for again now, each named once. */
  due(now: number): { readonly channel: string; readonly gap: boolean }[] {
    const due: { channel: string; gap: boolean }[] = []
    for (const [channel, refusal] of this.#refusals) {
      if (refusal.at > now) continue
      refusal.at = Number.POSITIVE_INFINITY
      due.push({ channel, gap: refusal.gap })
    }
    return due
  }
}
