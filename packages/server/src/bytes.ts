/** The schema of channels whose messages are bytes; used by apps in `message`. */
import type { StandardSchemaV1 } from '@standard-schema/spec'

/**
 * A Standard Schema for bytes: `publish` takes a Uint8Array, and subscribers get one, on every transport. In JSON they travel as base64, so that of the
 * 64 KiB that a command may have about 48 KiB are left for them.
 *
 * @example
 * channels: { 'doc:{id}': { message: bytes(), subscribe: mayRead, publish: mayWrite } }
 */
export function bytes(): StandardSchemaV1<Uint8Array, Uint8Array> {
  return {
    '~standard': {
      version: 1,
      vendor: 'rt',
      validate: (value) =>
        value instanceof Uint8Array ? { value } : { issues: [{ message: 'Expected bytes (a Uint8Array).' }] },
    },
  }
}
