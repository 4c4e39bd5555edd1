/** Tickets: texts that stand for an identity once, in the URL of what can send no header; made by the app, taken by the gateway, kept by the broker. */
import { type Clock, RealtimeError } from '@rt/protocol'
import type { Broker } from '../ports/broker'
import type { Identity } from '../ports/connection'

/** Milliseconds for which a ticket may be used. */
const LIFE = 30_000

/** Random bytes of one: a multiple of three, so that its text has no padding. */
const BYTES = 24
const TICKET = /^[A-Za-z0-9_-]{32}$/

/** What is kept under a ticket. */
interface Kept {
  readonly identity: Identity
  /** The only one whose pages may use it; null: whoever has it. */
  readonly origin: string | null
  /** Milliseconds since 1970. */
  readonly made: number
}

export class Tickets {
  readonly #broker: Pick<Broker, 'keep' | 'take'>
  readonly #clock: Clock

  constructor(broker: Pick<Broker, 'keep' | 'take'>, clock: Clock) {
    this.#broker = broker
    this.#clock = clock
  }

  /** Rejects as {@link Broker.publish}. */
  async make(identity: Identity, origin: string | null): Promise<string> {
    const ticket = base64url(crypto.getRandomValues(new Uint8Array(BYTES)))
    const kept: Kept = { identity, origin, made: this.#clock.now() }
    await this.#broker.keep(ticket, JSON.stringify(kept), LIFE)
    return ticket
  }

  /** Whom a request's ticket stands for, which it does not any more then; null: it shows none. Rejects with `unauthenticated` for one that is not good. */
  async take(request: Request): Promise<Pick<Kept, 'identity' | 'made'> | null> {
    // Who can send a header needs none; a used one still stands in the URL of a stream that shows a new token.
    if (!request.url.includes('ticket=') || request.headers.has('authorization')) return null
    const url = new URL(request.url)
    const [ticket, ...more] = url.searchParams.getAll('ticket')
    if (ticket === undefined) return null
    const text = more.length === 0 && TICKET.test(ticket) ? await this.#broker.take(ticket) : null
    if (text === null) throw refused('This ticket was used, is older than 30 s, or is none of ours.')
    const { identity, origin, made } = JSON.parse(text) as Kept
    if (origin !== null && !comesFrom(origin, request, url))
      throw refused('This ticket is for pages of another Origin.')
    return { identity, made }
  }
}

/** A page that asks its own host by GET sends no Origin. */
function comesFrom(origin: string, { headers }: Request, url: URL): boolean {
  const sent = headers.get('origin')
  return sent === null ? new URL(origin).host === (headers.get('host') ?? url.host) : sent === origin
}

function refused(message: string): RealtimeError {
  return new RealtimeError('unauthenticated', message, { hint: 'Ask the app for a new one.' })
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
}
