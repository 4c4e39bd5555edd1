// One seed of the chaos run (several with RT_TEST_SIZE=full); the command of docs/chaos.md runs any number of them.
import { describe, expect, it } from 'vitest'
import { full } from '../../../.vitest/shared.mjs'
import { run, SMALL } from './run.ts'

const seeds = full ? [1, 2, 3, 4, 5, 6, 7, 8] : [4]
const seconds = full ? 60 : 10

describe.skipIf(!process.env['REDIS_SERVER'])('real processes under random faults', { timeout: 600_000 }, () => {
  it.each(seeds)('keep every promise (seed %i)', async (seed) => {
    const result = await run({ seed, seconds, ...(full ? {} : { size: SMALL }) })
    console.log(JSON.stringify(result))
    expect(result.found, result.examples.join('\n')).toEqual({})
    const struck = Object.values(result.faults).filter(({ effective }) => effective > 0)
    expect(struck.length).toBeGreaterThan(2)
    expect(result.verdict.deliveries).toBeGreaterThan(result.verdict.stored)
  })
})
