/** The one error shape of rt and the table of its codes; docs/errors.md is held against this file by a test. */

/** What is known about a command that was not answered with success: it did not happen, or it may have happened. */
export type Outcome = 'failed' | 'unknown'

interface Row {
  /** HTTP status of a refused request. */
  readonly status: number
  /** WebSocket close code when the whole connection ends by it. */
  readonly close: number
  /** Whether the same thing may succeed later without a change by the caller. */
  readonly retryable: boolean
  /** What to do, in one sentence. */
  readonly hint: string
}

/** Every error code with its HTTP status, WebSocket close code, and whether the client may come back. */
export const errorTable = {
  invalid_request: { status: 400, close: 4400, retryable: false, hint: 'Compare the request with docs/protocol.md.' },
  invalid_message: {
    status: 422,
    close: 4400,
    retryable: false,
    hint: "The payload does not fit the channel's schema; see `issues`.",
  },
  unknown_channel: {
    status: 404,
    close: 4404,
    retryable: false,
    hint: 'Declare a pattern for this name in `channels` of createRealtime().',
  },
  unauthenticated: { status: 401, close: 4401, retryable: false, hint: 'Send a valid token or cookie.' },
  token_expired: { status: 401, close: 4401, retryable: true, hint: 'Fetch a new token and connect again.' },
  forbidden: {
    status: 403,
    close: 4403,
    retryable: false,
    hint: "The channel's rule, or the Origin allow-list, said no.",
  },
  method_not_allowed: {
    status: 405,
    close: 4400,
    retryable: false,
    hint: 'Use GET for streams and polls, POST for commands.',
  },
  not_acceptable: { status: 406, close: 4406, retryable: false, hint: 'Accept text/event-stream or application/json.' },
  unsupported_media_type: { status: 415, close: 4400, retryable: false, hint: 'Send Content-Type: application/json.' },
  payload_too_large: {
    status: 413,
    close: 1009,
    retryable: false,
    hint: 'Send less at once; do not send the same again.',
  },
  headers_too_large: { status: 431, close: 4400, retryable: false, hint: 'Send fewer headers.' },
  too_many_channels: {
    status: 400,
    close: 4400,
    retryable: false,
    hint: 'Subscribe to fewer channels on one connection.',
  },
  rate_limited: { status: 429, close: 4429, retryable: true, hint: 'Wait for `retryAfter` milliseconds.' },
  overloaded: { status: 503, close: 1013, retryable: true, hint: 'Wait for `retryAfter` milliseconds.' },
  broker_unavailable: {
    status: 503,
    close: 1013,
    retryable: true,
    hint: 'The broker is away; retry with the same messageId.',
  },
  draining: { status: 503, close: 1012, retryable: true, hint: 'This node is going away; connect again.' },
  timeout: { status: 504, close: 4408, retryable: true, hint: 'No answer in time; retry with the same messageId.' },
  unsupported: {
    status: 501,
    close: 4406,
    retryable: false,
    hint: 'This is not available here; use another transport or host.',
  },
  closed: { status: 503, close: 1001, retryable: false, hint: 'The client or the server was closed by its owner.' },
  internal: { status: 500, close: 1011, retryable: true, hint: 'See the log of the server.' },
} as const satisfies Record<string, Row>

/** A stable error code. */
export type ErrorCode = keyof typeof errorTable

/** One problem that a schema found. */
export interface Issue {
  /** The schema's words. */
  readonly message: string
  /** The way to the value, outermost key first. */
  readonly path?: readonly (string | number)[]
}

/** An error as it travels: the JSON in `error` events, results and HTTP bodies. */
export interface ErrorBody {
  readonly code: ErrorCode
  /** What happened, in one sentence. */
  readonly message: string
  /** What to do about it. */
  readonly hint: string
  /** Whether the same thing may succeed later without a change by the caller. */
  readonly retryable: boolean
  /** HTTP status. */
  readonly status: number
  /** For commands: whether it surely did not happen (`failed`) or may have (`unknown`). */
  readonly outcome?: Outcome
  /** Milliseconds to wait before another try. */
  readonly retryAfter?: number
  /** For `invalid_message`: what the schema found. */
  readonly issues?: readonly Issue[]
}

/** What may be said beside code and message. */
export interface ErrorDetails {
  readonly hint?: string
  readonly outcome?: Outcome
  readonly retryAfter?: number
  readonly issues?: readonly Issue[]
  readonly cause?: unknown
}

const BRAND = Symbol.for('rt.error')

/**
 * Every error that rt throws or rejects with. Recognise it with {@link isRealtimeError}, not `instanceof`:
 * server and client each carry a copy of this class.
 *
 * @example
 * try { await room.publish({ text: '' }) } catch (error) {
 *   if (isRealtimeError(error) && error.code === 'invalid_message') console.log(error.issues)
 * }
 */
export class RealtimeError extends Error implements ErrorBody {
  override readonly name = 'RealtimeError'
  readonly [BRAND] = true
  /** What to decide by: docs/errors.md has them all. */
  readonly code: ErrorCode
  /** What to do about it, in one sentence. */
  readonly hint: string
  /** Whether the same thing may succeed later without a change by the caller. */
  readonly retryable: boolean
  /** HTTP status. */
  readonly status: number
  /** For commands: whether it surely did not happen (`failed`) or may have (`unknown`). */
  readonly outcome?: Outcome
  /** Milliseconds to wait before another try. */
  readonly retryAfter?: number
  /** For `invalid_message`: what the schema found. */
  readonly issues?: readonly Issue[]

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    const row = errorTable[code]
    this.code = code
    this.hint = details.hint ?? row.hint
    this.retryable = row.retryable
    this.status = row.status
    if (details.outcome !== undefined) this.outcome = details.outcome
    if (details.retryAfter !== undefined) this.retryAfter = details.retryAfter
    if (details.issues !== undefined) this.issues = details.issues
  }

  /** The error as it travels; nothing of `cause` or `stack` leaks. */
  toJSON(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      retryable: this.retryable,
      status: this.status,
      ...(this.outcome !== undefined && { outcome: this.outcome }),
      ...(this.retryAfter !== undefined && { retryAfter: this.retryAfter }),
      ...(this.issues !== undefined && { issues: this.issues }),
    }
  }
}

/** True for errors of rt, whichever copy of the library made them. */
export function isRealtimeError(error: unknown): error is RealtimeError {
  return typeof error === 'object' && error !== null && (error as { [BRAND]?: unknown })[BRAND] === true
}

/** The error that a body from the other end stands for; an unknown code reads as `internal`. */
export function errorFromBody(body: Partial<ErrorBody>): RealtimeError {
  const code = typeof body.code === 'string' && Object.hasOwn(errorTable, body.code) ? body.code : 'internal'
  return new RealtimeError(code, typeof body.message === 'string' ? body.message : 'The other end reported an error.', {
    ...(typeof body.hint === 'string' && { hint: body.hint }),
    ...((body.outcome === 'failed' || body.outcome === 'unknown') && { outcome: body.outcome }),
    ...(typeof body.retryAfter === 'number' && { retryAfter: body.retryAfter }),
    ...(Array.isArray(body.issues) && { issues: body.issues }),
  })
}

/** Any thrown value as an error of rt: itself, or `internal` with the original as `cause`. */
export function toRealtimeError(error: unknown): RealtimeError {
  return isRealtimeError(error)
    ? error
    : new RealtimeError('internal', 'Something failed inside the server.', { cause: error })
}
