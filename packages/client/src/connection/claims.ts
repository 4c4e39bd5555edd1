/** Who wants what of the connection: this tab's application, and other tabs through it. Owned by the connection, which asks for a thing while anybody wants it. */

/** Its publications, the list of its members, or to be one of them. */
export type Claim = 'channel' | 'members' | 'presence'

export class Claims {
  readonly #own = new Set<string>()
  /** How many other tabs want it. */
  readonly #lent = new Map<string, number>()

  /** This tab wants it from here on. Returns whether others did before. */
  claim(claim: Claim, channel: string): boolean {
    this.#own.add(key(claim, channel))
    return this.lends(claim, channel)
  }

  /** This tab wants it no more. Returns whether nobody does now. */
  drop(claim: Claim, channel: string): boolean {
    this.#own.delete(key(claim, channel))
    return !this.lends(claim, channel)
  }

  /** One more of the other tabs wants it. Returns whether nobody did before. */
  lend(claim: Claim, channel: string): boolean {
    const tabs = this.#lent.get(key(claim, channel)) ?? 0
    this.#lent.set(key(claim, channel), tabs + 1)
    return tabs === 0 && !this.owns(claim, channel)
  }

  /** One of the other tabs wants it no more. Returns whether nobody does now. */
  giveBack(claim: Claim, channel: string): boolean {
    const tabs = this.#lent.get(key(claim, channel)) ?? 0
    if (tabs > 1) this.#lent.set(key(claim, channel), tabs - 1)
    else this.#lent.delete(key(claim, channel))
    return tabs === 1 && !this.owns(claim, channel)
  }

  /** Some other tab wants something. */
  get busy(): boolean {
    return this.#lent.size > 0
  }

  owns(claim: Claim, channel: string): boolean {
    return this.#own.has(key(claim, channel))
  }

  lends(claim: Claim, channel: string): boolean {
    return this.#lent.has(key(claim, channel))
  }
}

function key(claim: Claim, channel: string): string {
  return `${claim} ${channel}`
}
