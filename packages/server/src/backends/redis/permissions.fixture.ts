/** The rules of the Redis user that docs/redis.md calls enough; used by the tests of this folder. */
import { readFileSync } from 'node:fs'

/** Arguments of `ACL SETUSER`, for the prefix `rt` and the password `secret`; a Cluster needs some more. */
export function documentedRules(kind: 'one' | 'Cluster' = 'one'): string[] {
  const text = readFileSync(new URL('../../../../../docs/redis.md', import.meta.url), 'utf8')
  const [all, cluster] = [...text.matchAll(/^ACL SETUSER rt (.+)$/gm)].map(([, rules]) => (rules as string).split(' '))
  return [...(all as string[]), ...(kind === 'Cluster' ? (cluster as string[]) : [])]
}
