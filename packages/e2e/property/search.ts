/** Searches through random schedules with fast-check; a failing one is made short and told move by move. */
import fc from 'fast-check'
import { minimize } from './minimize'
import { type Move, Schedule, type Settings } from './schedule'
import type { World } from './world'

export interface Search {
  readonly name: string
  /** How many schedules. */
  readonly runs: number
  /** Longest schedule. */
  readonly moves: number
  readonly settings: Settings
  world(): Promise<World>
}

const move: fc.Arbitrary<Move> = fc.tuple(fc.nat(9999), fc.nat(99), fc.nat(99))

/** Throws with the shortest failing schedule; returns how many deliveries were checked. Prints its seed and what it did. */
export async function search({ name, runs, moves: longest, settings, world }: Search): Promise<number> {
  const seed = Number(process.env['RT_SEED'] ?? Date.now() & 0x7fffffff)
  console.log(`${name}: ${runs} schedules, seed ${seed}`)
  const total = { published: 0, delivered: 0, gaps: 0 }
  const play = async (
    moves: readonly Move[],
    tracing = false,
  ): Promise<{ message: string | null; trace: readonly string[] }> => {
    const on = await world()
    const schedule = new Schedule(on, settings, tracing)
    try {
      const report = await schedule.run(moves)
      total.published += report.published
      total.delivered += report.delivered
      total.gaps += report.gaps
      return { message: null, trace: schedule.trace }
    } catch (error) {
      return { message: (error as Error).message, trace: schedule.trace }
    } finally {
      await on.close()
    }
  }
  const property = fc.asyncProperty(
    fc.array(move, { minLength: longest / 4, maxLength: longest, size: 'max' }),
    async (moves) => {
      const { message } = await play(moves)
      if (message !== null) throw new Error(message)
    },
  )
  // Shrinking is ours: any part of a schedule is a schedule.
  const result = await fc.check(property, { numRuns: runs, seed, endOnFailure: true })
  if (result.failed) {
    console.log(
      `${name}: ${(result.errorInstance as Error).message} after ${result.numRuns} schedules; making it shorter`,
    )
    const [moves] = result.counterexample as [Move[]]
    const first = await play(moves)
    const kind = nameless(first.message)
    const short = await minimize(moves, async (fewer) => nameless((await play(fewer)).message) === kind)
    const { message, trace } = await play(short, true)
    const after = `after ${result.numRuns} schedules, seed ${seed}`
    throw new Error(
      `${(result.errorInstance as Error).message} ${after}; as ${short.length} moves: ${message}\n${trace.join('\n')}`,
    )
  }
  console.log(`${name}: ${total.published} publications, ${total.delivered} deliveries, ${total.gaps} gaps`)
  return total.delivered
}

/** The message without the names of its messages, so that a shorter schedule with the same fault is recognised. */
function nameless(message: string | null): string | null {
  return message === null ? null : message.replace(/\bm\d+(,m\d+)*/g, 'm').replace(/\d+-\d+/g, 'id')
}
