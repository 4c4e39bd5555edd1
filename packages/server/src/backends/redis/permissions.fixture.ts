/** The rules of the Redis user that docs/redis.md calls enough; used by the tests of this folder. */
import { readFileSync } from 'node:fs'

/** Arguments of `ACL SETUSER`, for the prefix `rt` and the password `secret`. */
export function documentedRules(): string[] {
  const text = readFileSync(new URL('../../../../../docs/redis.md', import.meta.url), 'utf8')
  return ((/^ACL SETUSER rt (.+)$/m.exec(text) as RegExpExecArray)[1] as string).split(' ')
}
