/** One run of one seed: strikes for some seconds, heals, waits until all have heard the last, and judges. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PRESENCE_TTL } from './app.ts'
import { check, found, type Verdict } from './checker.ts'
import { createDraw, type Draw } from './draw.ts'
import { type Fault, faults } from './faults.ts'
import { readHistory } from './history.ts'
import { type Keeping, type Node, World, type WorldSize } from './world.ts'

export interface RunOptions {
  readonly seed: number
  /** How long faults strike. */
  readonly seconds: number
  /** Default: by the seed. */
  readonly keeping?: Keeping
  readonly size?: WorldSize
}

export interface Result {
  readonly seed: number
  readonly seconds: number
  readonly keeping: Keeping
  /** By name: how often it struck with an effect, and how often without. */
  readonly faults: Readonly<Record<string, { effective: number; idle: number }>>
  readonly verdict: Omit<Verdict, 'findings'>
  /** How many of each kind; none: the run passed. */
  readonly found: Readonly<Record<string, number>>
  /** The first few, in words. */
  readonly examples: readonly string[]
  /** Slow and perhaps nothing worse: heard later than {@link BOUND}, or something still came when nobody waited any longer. */
  readonly late: boolean
  /** Seconds from the last fault until all had heard the last publication. */
  readonly recovered: number
  /** How often a client was without a stream. */
  readonly reconnects: number
  /** Why publishes were refused before they were stored. */
  readonly refused: Readonly<Record<string, number>>
  /** Memory of each node at the end, MiB. */
  readonly rss: readonly number[]
  /** Where the history is, when the run did not pass. */
  readonly evidence?: string
}

const KEEPING: readonly Keeping[] = ['snapshots', 'steady', 'nothing', 'appends']
const SIZE: WorldSize = { subscribers: 2, members: 6, doomed: 2, pace: 60 }
/** For a busy machine. */
export const SMALL: WorldSize = { subscribers: 1, members: 4, doomed: 1, pace: 80 }
/** Faults at once, at most. */
const AT_ONCE = 3
/** Seconds after the last fault in which everybody should have heard the last publication. */
const BOUND = 30
/** Seconds without any delivery after which who has not heard it never will; a busy machine is slow and goes on. */
const SILENCE = 40
/** Seconds after which nobody waits, whether something still comes or not. */
const PATIENCE = 300

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000))
/** Holds no process that has nothing else to do. */
const patience = (count: number) =>
  new Promise<'over'>((resolve) => {
    setTimeout(resolve, count * 1000, 'over').unref()
  })

export async function run({ seed, seconds: length, keeping = KEEPING[seed % 4] as Keeping, size = SIZE }: RunOptions) {
  const directory = mkdtempSync(join(tmpdir(), `rt-chaos-${seed}-`))
  const world = await World.start(directory, keeping, size)
  try {
    const struck = await nemesis(world, createDraw(seed), length)
    const healed = performance.now()
    const ended = await end(world)
    const heard = await Promise.race([ended.heard.then(() => 'heard' as const), silence(world), patience(PATIENCE)])
    const recovered = (performance.now() - healed) / 1000
    await Promise.race([ended.agreed, patience((2 * PRESENCE_TTL) / 1000 + 20)])
    await world.inventory()
    const looks = await Promise.all(world.nodes.map((node) => node.look()))
    const state = world.subscribers.next('state')
    world.subscribers.ask({ type: 'state' })
    const { errors, reconnects } = await state
    const verdict = check(readHistory(world.directory))
    const { findings, ...counts } = verdict
    const complaints = world.nodes.map((node) => node.stderr + node.child.stderr).filter((text) => text !== '')
    const total = found(verdict)
    const result: Result = {
      seed,
      seconds: length,
      keeping,
      faults: struck,
      verdict: counts,
      found: {
        ...total,
        ...(errors.length > 0 ? { errors: errors.length } : {}),
        ...(complaints.length > 0 ? { stderr: complaints.length } : {}),
      },
      examples: [
        ...Object.entries(findings).flatMap(([rule, all]) => all.slice(0, 3).map((one) => `${rule}: ${one}`)),
        ...errors.slice(0, 3),
        ...complaints.map((text) => text.slice(0, 500)),
      ],
      late: heard === 'over' || (heard === 'heard' && recovered > BOUND),
      recovered: Math.round(recovered * 10) / 10,
      reconnects,
      refused: ended.refused,
      rss: looks.map(({ rss }) => Math.round(rss / 2 ** 20)),
    }
    if (Object.keys(result.found).length > 0) return { ...result, evidence: world.directory }
    rmSync(directory, { recursive: true, force: true })
    return result
  } finally {
    await world.close()
  }
}

/** Nothing was delivered to anybody for long. */
function silence({ subscribers }: World): Promise<'silence'> {
  return new Promise((resolve) => {
    const wait = () => setTimeout(resolve, SILENCE * 1000, 'silence').unref()
    let timer = wait()
    subscribers.on((told) => {
      if (told.type !== 'heard') return
      clearTimeout(timer)
      timer = wait()
    })
  })
}

/** Several at once, each on a target of its own. */
async function nemesis(world: World, draw: Draw, length: number): Promise<Result['faults']> {
  const until = performance.now() + length * 1000
  const struck: Record<string, { effective: number; idle: number }> = {}
  const busy = new Set<unknown>()
  const table = faults
    .filter(({ keeping }) => keeping?.includes(world.keeping) ?? true)
    .flatMap((fault) => Array.from({ length: fault.weight ?? 1 }, () => fault))

  function next(): { fault: Fault; target: unknown; node: Node } | null {
    const free = world.nodes.filter((node) => !busy.has(node))
    const possible = table.filter(({ target }) => (target === 'node' ? free.length > 0 : !busy.has(target)))
    if (possible.length === 0) return null
    const fault = draw(possible)
    const node = draw(free.length > 0 ? free : world.nodes)
    return { fault, target: fault.target === 'node' ? node : fault.target, node }
  }
  async function striker(): Promise<void> {
    while (performance.now() < until) {
      const one = next()
      if (one === null) {
        await seconds(0.2)
        continue
      }
      const { fault, target, node } = one
      busy.add(target)
      const effect = await fault.strike(world, draw, node)
      busy.delete(target)
      const count = struck[fault.name] ?? { effective: 0, idle: 0 }
      struck[fault.name] = count
      if (effect === null) count.idle++
      else count.effective++
      await seconds(0.1 + draw())
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, striker))
  return struck
}

/** Everybody finishes: what was begun is stored, then each channel gets its last publication. */
async function end(world: World) {
  const { worker, senders, subscribers, people, present } = world
  const heard = subscribers.next('heard the last')
  const agreed = people.next('agreed')
  // They may never come; then the process ends with the run.
  heard.catch(() => {})
  agreed.catch(() => {})
  const finished = [worker, senders].map((child) => child.next('finished'))
  for (const child of [worker, senders]) child.ask({ type: 'finish' })
  const told = await Promise.all(finished)
  const said = worker.next('said the last')
  worker.ask({ type: 'say the last' })
  await said
  people.ask({ type: 'await', members: present })
  const refused: Record<string, number> = {}
  for (const each of told)
    for (const [why, count] of Object.entries(each.refused)) refused[why] = (refused[why] ?? 0) + count
  return { heard, agreed, refused }
}
