/** What a node writes to the app's log: facts with names and codes, and nothing that somebody keeps secret; called where it happens. */
import type { Clock, ErrorCode, GapEvent } from '@rt/protocol'
import type { Identity, TransportName } from '../ports/connection'
import type { Logger } from '../ports/logger'
import type { Refused } from '../ports/metrics'

/** A connection as it stands in the log. */
interface Connected {
  readonly id: string
  readonly transport: TransportName
  readonly identity: Identity | null
}

/** Milliseconds for which lines that say the same are gathered into one. */
const GATHERED = 1000
/** Lines that may be gathered; beyond it refusals are told without names. Whoever is refused chooses these. */
const LINES = 100

interface Line {
  readonly level: 'info' | 'warn'
  readonly about: object
  readonly text: string
  times: number
}

/**
 * Names of channels, ids of identities and connections, and codes. Never a message of an error, which may hold a payload (schemas quote it) or what the app
 * put into it; no URL, header, cursor, payload or state.
 */
export class Log {
  readonly #logger: Logger | null
  readonly #clock: Clock
  readonly #lines = new Map<string, Line>()
  #awayAt: number | null = null

  constructor(logger: Logger | null, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  connected(connection: Connected): void {
    if (this.#logger === null) return
    this.#logger[levelOf(connection.transport)]({ event: 'connect', ...names(connection) }, 'A client connected.')
  }

  /** `duration`: milliseconds. */
  disconnected(connection: Connected, reason: ErrorCode, duration: number): void {
    if (this.#logger === null) return
    const about = { event: 'disconnect', ...names(connection), reason, duration: Math.round(duration) }
    this.#logger[levelOf(connection.transport)](about, 'A connection ended.')
  }

  refused(what: Refused, code: ErrorCode, channel: string | undefined, identity: string | undefined): void {
    if (this.#logger === null) return
    const about = { event: 'refusal', what, code }
    const who = { ...(channel !== undefined && { channel }), ...(identity !== undefined && { identity }) }
    const level = code === 'internal' || code === 'rate_limited' ? 'warn' : 'info'
    const text = `A ${what} was refused.`
    this.#gather(this.#lines.size < LINES ? { level, about: { ...about, ...who }, text } : { level, about, text })
  }

  gap(channel: string, reason: GapEvent['reason']): void {
    if (this.#logger === null) return
    this.#gather({ level: 'warn', about: { event: 'gap', channel, reason }, text: 'Publications may be missing.' })
  }

  away(): void {
    this.#awayAt = this.#clock.monotonic()
    this.#logger?.warn({ event: 'broker_away' }, 'The broker is away.')
  }

  back(): void {
    const duration = Math.round(this.#clock.monotonic() - (this.#awayAt ?? this.#clock.monotonic()))
    this.#logger?.info({ event: 'broker_back', duration }, 'The broker is back.')
  }

  draining(connections: number): void {
    this.#logger?.info({ event: 'drain', connections }, 'This node takes no new clients and sends the others away.')
  }

  closed(connections: number): void {
    this.#print()
    this.#logger?.info({ event: 'close', connections }, 'This node is closed.')
  }

  #gather(line: Omit<Line, 'times'>): void {
    const key = JSON.stringify(line)
    const same = this.#lines.get(key)
    if (same !== undefined) {
      same.times++
      return
    }
    this.#lines.set(key, { ...line, times: 1 })
    if (this.#lines.size === 1) this.#clock.setTimeout(() => this.#print(), GATHERED)
  }

  #print(): void {
    const lines = [...this.#lines.values()]
    this.#lines.clear()
    for (const { level, about, text, times } of lines) this.#logger?.[level]({ ...about, times }, text)
  }
}

function names({ id, transport, identity }: Connected) {
  return { connection: id, transport, identity: identity?.id ?? null }
}

/** Each poll is a connection of its own. */
function levelOf(transport: TransportName): 'info' | 'debug' {
  return transport === 'poll' || transport === 'long-poll' ? 'debug' : 'info'
}
