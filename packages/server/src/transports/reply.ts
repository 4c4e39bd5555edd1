/** Replies that are complete at once, JSON and errors; made by the endpoint, its transports and the hosts. */
import { type ErrorBody, RealtimeError, toRealtimeError } from '@rt/protocol'
import type { HttpReply } from '../ports/http'

/** A reply with its whole body. */
export type CompleteReply = Extract<HttpReply, { body: string | null }>

/** A JSON text as a reply that nobody keeps. */
export function jsonReply(status: number, json: string, headers: Readonly<Record<string, string>> = {}): CompleteReply {
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      // What users published shall never run as a page or script of this origin.
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    body: json,
  }
}

/** Whatever was thrown as `{"error": ErrorBody}` with its status; `Retry-After` in whole seconds when the error says how long to wait. */
export function errorReply(thrown: unknown, headers: Readonly<Record<string, string>> = {}): CompleteReply {
  const error = toRealtimeError(thrown)
  const body: { error: ErrorBody } = { error: error.toJSON() }
  return jsonReply(error.status, JSON.stringify(body), {
    ...(error.retryAfter !== undefined && { 'retry-after': String(Math.ceil(error.retryAfter / 1000)) }),
    ...headers,
  })
}

/** An `invalid_request` that names what is wrong with it. */
export function invalid(message: string): RealtimeError {
  return new RealtimeError('invalid_request', message)
}
