/** From what somebody handed in to JSON that fits its schema; used for publications, members' states and channels' states. */
import { type Issue, isRealtimeError, RealtimeError } from '@rt/protocol'
import type { StandardSchemaV1 } from '@standard-schema/spec'

/** Resolves with the schema's output as JSON text. Rejects with `invalid_message`, `payload_too_large`, `internal`. */
export type ReadPayload = (schema: StandardSchemaV1, data: unknown, limit: number) => Promise<string>

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

  return async (schema, data, limit) => {
    const json = printJson(await validate(schema, data))
    if (json === undefined) throw new RealtimeError('invalid_message', "The schema's output can't be written as JSON.")
    // UTF-8 has at most three bytes for each UTF-16 unit: most texts need no count.
    if (json.length * 3 > limit && new TextEncoder().encode(json).length > limit) {
      throw new RealtimeError('payload_too_large', `The payload is larger than ${limit} bytes.`)
    }
    return json
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
