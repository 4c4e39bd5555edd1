/** Names that the bench's app and its clients agree on; apart from the app, so that a client's process loads no server. */

/** A token that is good until then (milliseconds since 1970). */
export const goodUntil = (time: number): string => `until:${time}`

/** A token that is never good. */
export const REVOKED = 'revoked'

/** The channel of one run of a case: the publisher's, and the client's own. */
export const down = (run: string): `log:${string}` => `log:${run}`
export const up = (run: string): `log:${string}` => `log:${run}-up`
