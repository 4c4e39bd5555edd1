/** Which identities lost what they were let in with, and when; fed by the orders of all nodes, asked by the gateway. All times are milliseconds since 1970. */
import type { Identity } from '../ports/connection'
import { orderLife } from './orders'

interface Revocation {
  /** By the broker's clock. */
  readonly given: number
  /** By this node's clock, as near as it can be told. */
  readonly heard: number
}

export class Revocations {
  /** By identity id, oldest first. */
  readonly #revoked = new Map<string, Revocation>()

  add(id: string, given: number, heard: number): void {
    const before = this.#revoked.get(id)
    this.#revoked.delete(id)
    this.#revoked.set(id, {
      given: Math.max(given, before?.given ?? given),
      heard: Math.max(heard, before?.heard ?? heard),
    })
    for (const [old, { given: at }] of this.#revoked) {
      if (at > given - orderLife) break
      this.#revoked.delete(old)
    }
  }

  /**
   * Whether it was revoked since this identity was let in. `asked`: when the app was asked, which may have said yes before it knew; what was issued later
   * than the revocation is good all the same.
   */
  covers({ id, issuedAt }: Identity, asked: number): boolean {
    const revoked = this.#revoked.get(id)
    if (revoked === undefined) return false
    return issuedAt === undefined ? revoked.heard >= asked : revoked.given > issuedAt
  }
}
