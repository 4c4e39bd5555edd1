/** From what somebody handed in to JSON that fits its schema; used for publications, members' states and channels' states. */
import { type Issue, isRealtimeError, RealtimeError, toBase64 } from '@rt/protocol'
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** All reject with `invalid_message`, `payload_too_large`, `internal`. `limit`: bytes of the text. */
export interface ReadPayload {
  /** Resolves with the schema's output as JSON text. */
  json(schema: StandardSchemaV1, data: unknown, limit: number): Promise<string>
  /** Resolves with the schema's output as the member of a publication: `"data":…`, or `"bytes":"…"` where it is a Uint8Array. */
  member(schema: StandardSchemaV1, data: unknown, limit: number): Promise<string>
}

/** Most problems of one payload that are told. */
const MOST_ISSUES = 20

/** `report` is told what schemas throw. */
export function createReadPayload(report: (error: unknown) => void): ReadPayload {
  async function validate(schema: StandardSchemaV1, data: unknown): Promise<unknown> {
    let result: StandardSchemaV1.Result<unknown>
    try {
      result = await schema['~standard'].validate(data)
    } catch (error) {
      if (isRealtimeError(error)) throw error
      report(error)
      throw new RealtimeError('internal', 'The schema of this channel failed.', { cause: error })
    }
    if (result.issues === undefined) return result.value
    const issues = result.issues.slice(0, MOST_ISSUES).map(toIssue)
    throw new RealtimeError(
      'invalid_message',
      `The payload does not fit: ${issues[0]?.message ?? 'the schema said no'}`,
      { issues },
    )
  }

  function print(value: unknown, limit: number): string {
    const json = printJson(value)
    if (json === undefined) throw new RealtimeError('invalid_message', "The schema's output can't be written as JSON.")
    // UTF-8 has at most three bytes for each UTF-16 unit: most texts need no count.
    if (json.length * 3 > limit && new TextEncoder().encode(json).length > limit) {
      throw new RealtimeError('payload_too_large', `The payload is larger than ${limit} bytes.`)
    }
    return json
  }

  return {
    json: async (schema, data, limit) => print(await validate(schema, data), limit),
    async member(schema, data, limit) {
      const value = await validate(schema, data)
      if (!(value instanceof Uint8Array)) return `"data":${print(value, limit)}`
      return `"bytes":${print(toBase64(value), limit)}`
    },
  }
}

/** Undefined for a cycle, a bigint, and what has no JSON. */
export function printJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

function toIssue({ message, path }: StandardSchemaV1.Issue): Issue {
  if (path === undefined) return { message }
  const keys = path.map((segment) => (typeof segment === 'object' ? segment.key : segment))
  return { message, path: keys.map((key) => (typeof key === 'number' ? key : String(key))) }
}
