/** Runs one case of the bench from one starting rung, judges it, and says what was seen. */
import type { TransportName } from '@rt/client'
import type { Case } from './cases.ts'
import { hasten } from './haste.ts'
import { judge } from './judge.ts'
import { Stage } from './stage.ts'
import type { World } from './world.ts'

const all: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

/** The client's own order while the application only listens, and those that it is content with. */
const own: readonly TransportName[] = ['sse', 'websocket', 'long-poll', 'poll']
const contented: readonly (TransportName | null)[] = ['sse', 'websocket']

/** Seconds of the client's clock until it is on its best rung again once the network is well. */
const BACK = 180

/** Seconds until a run has begun, on a machine that is busy with others. */
const BEGIN = 60

export interface Row {
  readonly name: string
  readonly start: TransportName | null
  /** Seconds to the first message. */
  readonly bound: number
  readonly seen: number
  /** What the client showed on the way. */
  readonly shown: string
  /** Seconds of the client's clock until it was on its best rung again. */
  readonly back: number
}

/** The order of a client that starts at this rung; null: its own. */
export const orderFrom = (start: TransportName | null): readonly TransportName[] =>
  start === null ? own : [start, ...all.filter((rung) => rung !== start)]

export async function run(one: Case, start: TransportName | null, world: World): Promise<Row> {
  const { client = 'here', token, pace = 100 } = one
  const stage = await Stage.open(world, { client, token, pace })
  try {
    return await play(one, start, stage)
  } catch (error) {
    throw new Error(`${one.name}, from ${start ?? 'the own order'}: ${(error as Error).message}\n${await story(stage)}`)
  } finally {
    await stage.close()
  }
}

async function play(one: Case, start: TransportName | null, stage: Stage): Promise<Row> {
  const { publisher } = stage
  const order = orderFrom(start)
  await one.path?.(stage)
  if (one.strike === undefined) publisher.start()
  let since = Date.now()
  stage.begin(start === null ? null : order)
  const { subject } = stage
  let from = 0
  let known = 0
  if (one.strike !== undefined) {
    publisher.start()
    const usable = order.filter((rung) => one.blocks?.includes(rung) !== true)
    const ready = () => subject.transport !== null && usable.includes(subject.transport) && subject.sequences.length > 2
    if (one.cold !== true) await subject.until('connected, and a few messages', ready, BEGIN)
    from = subject.seen.length
    await one.strike(stage)
    since = Date.now()
    // One may be on its way already.
    known = publisher.stored + 1
  }

  const fresh = () => subject.seen.find((seen) => seen.type === 'message' && seen.at >= since && seen.sequence > known)
  await subject.until('the first message after the fault', () => fresh() !== undefined, one.within + 10)
  const seen = ((fresh()?.at ?? 0) - since) / 1000
  const shown: string[] = subject.seen
    .slice(from)
    .flatMap((each) => (each.type === 'status' ? [each.status] : each.type === 'problem' ? [`(${each.problem})`] : []))
  if (seen > one.within) throw new Error(`The first message came after ${seen} s, not within ${one.within} s.`)
  for (const status of one.shows ?? []) if (!shown.includes(status)) throw new Error(`It did not show ${status}.`)
  if (one.problem !== undefined && !shown.includes(`(${one.problem})`)) {
    throw new Error(`It did not show the problem ${one.problem}.`)
  }
  for (const status of one.never ?? []) if (shown.includes(status)) throw new Error(`It showed ${status}.`)
  // Where the first one works, it is what the client comes back to below, should another one have been quicker.
  if (one.blocks?.includes(order[0] as TransportName)) {
    const expected = order.find((rung) => one.blocks?.includes(rung) !== true)
    await subject.until(`on ${expected}`, () => subject.transport === expected, one.within)
  }
  const over = subject.transport

  if (one.heal === undefined) stage.heal()
  else await one.heal(stage)
  // Each message puts the client's clock forward.
  publisher.pace = 100
  const best = () =>
    (start === null ? contented.includes(subject.transport) : subject.transport === start) &&
    subject.status === 'connected'
  const back = await hasten(stage, `back on ${order[0]}`, best, BACK)

  const count = await publisher.stop()
  await subject.until(`all ${count} heard`, () => subject.sequences.includes(count), 30)
  const wrong = judge(subject.sequences, count)
  if (wrong !== null) throw new Error(wrong)
  const gaps = subject.seen.filter(({ type }) => type === 'gap').length
  if (gaps > 0 !== (one.gap === true)) throw new Error(`It told ${gaps} gaps.`)
  await one.check?.(stage)
  return { name: one.name, start, bound: one.within, seen, shown: `${shown.join(' ')} ${over}`.trim(), back }
}

/** What the client showed, for who has to find out why. */
async function story(stage: Stage): Promise<string> {
  if (!stage.began) return 'The client had not begun yet.'
  const { subject, proxy, publisher } = stage
  const begin = subject.seen[0]?.at ?? 0
  const lines: string[] = []
  let heard: number[] = []
  const flush = () => {
    if (heard.length > 0) lines.push(`        … heard ${heard[0]} to ${heard.at(-1)} (${heard.length})`)
    heard = []
  }
  for (const { at, clock: _, ...seen } of subject.seen) {
    if (seen.type === 'message') heard.push(seen.sequence)
    else {
      flush()
      lines.push(`${String(at - begin).padStart(7)} ms ${JSON.stringify(seen)}`)
    }
  }
  flush()
  const explained = await subject.explain().catch(String)
  return [
    ...lines,
    `${new Date().toISOString().slice(17, 23)} ${subject.status} on ${subject.transport}; published ${publisher.stored}; ${proxy.opened} connections, ${proxy.upgrades.length} upgrades`,
    explained,
  ].join('\n')
}
