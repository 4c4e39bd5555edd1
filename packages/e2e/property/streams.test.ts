/** I1 to I4 under random schedules, on a simulated store. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { minimize } from './minimize'
import { type Move, Schedule, type Settings } from './schedule'

const full = process.env['RT_TEST_SIZE'] === 'full'
const runs = Number(process.env['RT_RUNS'] ?? (full ? 50_000 : 500))
const move: fc.Arbitrary<Move> = fc.tuple(fc.nat(9999), fc.nat(99), fc.nat(99))

const cases: [string, Settings][] = [
  ['one partition, nothing lost', { partitions: 1, nodes: 2, clients: 2, losses: false }],
  ['two partitions, nothing lost', { partitions: 2, nodes: 2, clients: 2, losses: false }],
  ['one partition, the store loses data', { partitions: 1, nodes: 2, clients: 2, losses: true }],
  ['two partitions, the store loses data', { partitions: 2, nodes: 2, clients: 2, losses: true }],
]

/** What goes wrong in a schedule, without the names of its messages; null: nothing. */
async function failure(settings: Settings, moves: readonly Move[]): Promise<string | null> {
  try {
    await new Schedule(settings).run(moves)
    return null
  } catch (error) {
    return (error as Error).message.replace(/\bm\d+(,m\d+)*/g, 'm')
  }
}

describe('streams under random schedules: nothing lost, doubled or reordered', () => {
  it.each(cases)('%s', async (name, settings) => {
    const total = { published: 0, delivered: 0, gaps: 0 }
    const seed = Number(process.env['RT_SEED'] ?? Date.now() & 0x7fffffff)
    console.log(`${name}: ${runs} schedules, seed ${seed}`)
    const property = fc.asyncProperty(fc.array(move, { minLength: 80, maxLength: 300, size: 'max' }), async (moves) => {
      const report = await new Schedule(settings).run(moves)
      total.published += report.published
      total.delivered += report.delivered
      total.gaps += report.gaps
    })
    // Shrinking is ours: it knows that any subset of a schedule is a schedule.
    const result = await fc.check(property, { numRuns: runs, seed, endOnFailure: true })
    if (result.failed) {
      const [moves] = result.counterexample as [Move[]]
      const message = await failure(settings, moves)
      const short = await minimize(moves, async (fewer) => (await failure(settings, fewer)) === message)
      const schedule = new Schedule(settings, true)
      await schedule.run(short).catch((error: Error) => schedule.trace.push(error.message))
      throw new Error(
        `${message}\nafter ${result.numRuns} schedules, seed ${seed}; ${short.length} moves:\n${schedule.trace.join('\n')}`,
      )
    }
    console.log(`${name}: ${total.published} publications, ${total.delivered} deliveries, ${total.gaps} gaps`)
    expect(total.delivered).toBeGreaterThan(0)
  })
})
