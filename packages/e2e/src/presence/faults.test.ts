// Presence while nodes are killed and frozen and Redis goes away: real processes, and a judge that knows only what callbacks said (I5).
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TransportName } from '@rt/client'
import { RedisServer } from '@rt/server/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { Balancer } from '../processes/balancer.ts'
import { Child } from '../processes/child.ts'
import { ServerProcess } from '../server-process'
import { check, type Heard, type Truth, type Verdict } from './checker.ts'
import type { PeopleSettings, PeopleTold, Tab } from './people.ts'

/** Who lives on; every fourth of them has a tab on each node. */
const LIVING = full ? 264 : 24
/** Who is killed in each of the faults that take somebody along. */
const DOOMED = full ? 9 : 3
/** Milliseconds; the full size runs with the times that apps have unless they set others. */
const TTL = full ? 60_000 : 6000
const GRACE = full ? 10_000 : 2000
const HEARTBEAT = full ? 20_000 : 1000
/** A seat of a poll lives for two and a half pauses: that is to outlast a poll which a frozen node does not answer (a pause and 35 s), or the freeze. */
const POLL_FLOOR = full ? 30_000 : 5000
const options = { presence: { ttl: TTL, grace: GRACE }, heartbeat: HEARTBEAT, pollFloor: POLL_FLOOR }
/** For notices, pulses and sweeps on a busy machine. */
const SLACK = 4000
const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']
/** Whose end a node can see: the seat of a poll lives for two and a half of its pauses instead. */
const streams: readonly TransportName[] = ['websocket', 'sse']

type People = Child<PeopleTold, { readonly type: 'close' }>

let redis: RedisServer
const nodes: ServerProcess[] = []
/** One way in for each node, which leads to others while that one is down; each with the ports that it tries. */
const doors: { readonly balancer: Balancer; readonly targets: number[] }[] = []
const undo: (() => unknown)[] = []
const log: Heard[] = []
/** The newest word of each watcher. */
const newest = new Map<string, Heard>()
const refused: string[] = []
const outages: { readonly from: number; readonly to: number }[] = []
const watchers = [0, 1, 2].map((i) => `watcher${i}`)
const living = Array.from({ length: LIVING }, (_, i) => `u${i}`)
const vanished: string[] = []
let tabs = 0
let watching: People
let verdict: Verdict

const waiting = new Set<() => void>()

/** Rejects with what differs when it takes longer than that. */
async function until(check: () => boolean, within: number, what: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  let look = () => {}
  try {
    await new Promise<void>((resolve, reject) => {
      look = () => check() && resolve()
      timer = setTimeout(() => reject(new Error(`Not within ${within} ms: ${what()}`)), within)
      waiting.add(look)
      look()
    })
  } finally {
    clearTimeout(timer)
    waiting.delete(look)
  }
}

/** Each watcher is sure of exactly these. */
function agreed(members: readonly string[], within: number): Promise<void> {
  const wanted = [...members].sort().join()
  const agrees = (heard: Heard | undefined) => heard?.known === true && [...heard.members].sort().join() === wanted
  return until(
    () => watchers.every((watcher) => agrees(newest.get(watcher))),
    within,
    () => JSON.stringify({ wanted, said: [...newest.values()] }),
  )
}

const nobodyKnows = () =>
  until(
    () => watchers.every((watcher) => newest.get(watcher)?.known === false),
    SLACK,
    () => JSON.stringify([...newest.values()].map(({ watcher, known }) => ({ watcher, known }))),
  )

const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

function people(settings: Partial<PeopleSettings>): People {
  const child: People = new Child(new URL('people.ts', import.meta.url), { members: [], watchers: [], ...settings })
  undo.push(() => child.kill())
  child.on((told) => {
    if (told.type === 'refused') refused.push(`${told.member}: ${told.reason}`)
    if (told.type !== 'heard') return
    log.push(told.heard)
    newest.set(told.heard.watcher, told.heard)
    for (const look of [...waiting]) look()
  })
  return child
}

const tab = (member: string, door: number, rung: TransportName): Tab => ({
  member,
  url: doors[door % 3]?.balancer.url ?? '',
  rung,
})

/** Those who will be killed together in one fault. */
const doomed = ['cut', 'node', 'memory', 'data'].map((name) => Array.from({ length: DOOMED }, (_, i) => `${name}${i}`))
const processes: People[] = []

async function killPeople(index: number): Promise<void> {
  await processes[index]?.kill()
  vanished.push(...(doomed[index] as string[]))
}

const present = () => [...living, ...doomed.flat().filter((member) => !vanished.includes(member))]

function lead(door: number, ...to: readonly number[]): void {
  doors[door]?.targets.splice(0, Number.POSITIVE_INFINITY, ...to.map((node) => (nodes[node] as ServerProcess).port))
}

beforeAll(async () => {
  redis = await RedisServer.start()
  undo.push(() => redis.close())
  const start = () => ServerProcess.start({ redisUrl: redis.url, options })
  nodes.push(...(await Promise.all([start(), start(), start()])))
  for (const [i, { port }] of nodes.entries()) {
    const targets = [port]
    const balancer = await Balancer.start(targets)
    doors.push({ balancer, targets })
    undo.push(
      () => balancer.close(),
      () => nodes[i]?.kill(),
    )
  }
  watching = people({ watchers: watchers.map((name, i) => tab(name, i, streams[i % 2] as TransportName)) })
  await watching.next('there')
}, 60_000)

afterAll(async () => {
  for (const run of undo.reverse()) await run()
  const { heard, enters, leaves, ...findings } = verdict
  const found = Object.entries(findings).map(([name, all]) => `${all.length} ${name}`)
  const counts = `${LIVING} members with ${tabs} tabs live, ${vanished.length} vanished; ${watchers.length} watchers heard ${heard} times`
  console.log(`presence under faults: ${counts}: ${enters} enters, ${leaves} leaves; ${found.join(', ')}`)
  if (Object.values(findings).every((all) => all.length === 0)) return
  const file = join(mkdtempSync(join(tmpdir(), 'rt-presence-')), 'heard.json')
  writeFileSync(file, JSON.stringify({ log, truth: truth() }))
  console.log(`What was heard is in ${file}`)
})

const truth = (): Truth => ({ watchers, living, vanished, outages })

describe.skipIf(!process.env['REDIS_SERVER'])('presence on three nodes', { timeout: 12 * TTL }, () => {
  it('shows each member once, whatever the number of its tabs', async () => {
    const members = living.flatMap((member, i) =>
      Array.from({ length: i % 4 === 0 ? 3 : 1 }, (_, k) => tab(member, i + k, rungs[(i + k) % 4] as TransportName)),
    )
    tabs = members.length
    // Those who are to die with the first node sit there, the others everywhere.
    for (const [index, group] of doomed.entries()) {
      const all = group.map((member, i) => tab(member, index === 1 ? 0 : i, streams[i % 2] as TransportName))
      processes.push(people({ members: all }))
    }
    await Promise.all([people({ members }), ...processes].map((child) => child.next('there')))
    await agreed(present(), SLACK)
  })

  it('those who vanish leave once, after the grace, for everybody', async () => {
    await killPeople(0)
    await agreed(present(), GRACE + SLACK)
  })

  it('a node that is killed takes nobody along who comes back elsewhere', async () => {
    lead(0, 1, 2)
    await Promise.all([nodes[0]?.kill(), killPeople(1)])
    await pass(TTL)
    await agreed(present(), SLACK)
    const { port } = nodes[0] as ServerProcess
    nodes[0] = await ServerProcess.start({ port, redisUrl: redis.url, options })
    lead(0, 0)
  })

  it('nor does one that is frozen for longer than a seat lives, and then goes on', async () => {
    const frozen = nodes[1] as ServerProcess
    lead(1, 0, 2)
    frozen.signal('SIGSTOP')
    await pass(TTL + 500)
    await agreed(present(), SLACK)
    frozen.signal('SIGCONT')
    lead(1, 1)
    await pass(500)
    await agreed(present(), SLACK)
  })

  it('while Redis is out of memory nobody can tell, and nobody leaves', async () => {
    await redis.command('CONFIG', 'SET', 'maxmemory', 1)
    await nobodyKnows()
    const from = Date.now()
    await killPeople(2)
    await pass(TTL + 500)
    outages.push({ from, to: Date.now() })
    await redis.command('CONFIG', 'SET', 'maxmemory', 0)
    // Nobody is swept for the life of a seat.
    await agreed(present(), 2 * TTL + SLACK)
  })

  it('nor when Redis is killed and comes back with its data', async () => {
    await redis.save()
    await redis.kill()
    await nobodyKnows()
    const from = Date.now()
    await pass(full ? TTL + 1000 : 500)
    outages.push({ from, to: Date.now() })
    await redis.start()
    await agreed(present(), 2 * TTL + SLACK)
  })

  it('nor when Redis is gone for longer than a seat lives, and comes back empty', async () => {
    await redis.kill()
    await nobodyKnows()
    const from = Date.now()
    await killPeople(3)
    await pass(TTL + 500)
    await redis.erase()
    outages.push({ from, to: Date.now() })
    await redis.start()
    await agreed(present(), 2 * TTL + SLACK)
  })

  it('said nothing wrong to anybody in all of this', async () => {
    // A list is told once for each of its changes: what it was told last may still be on its way.
    watching.ask({ type: 'close' })
    expect(await watching.exited).toEqual({ code: 0, signal: null })
    expect(nodes.map(({ stderr }) => stderr)).toEqual(['', '', ''])
    verdict = check(log, truth())
    const { heard, enters, leaves, ...findings } = verdict
    for (const [name, all] of Object.entries(findings)) expect([name, all]).toEqual([name, []])
    expect(enters).toBe(watchers.length * (LIVING + doomed.flat().length))
    expect(leaves).toBe(watchers.length * vanished.length)
    expect(vanished).toHaveLength(4 * DOOMED)
    expect(outages).toHaveLength(3)
    expect(refused).toEqual([])
    expect(heard).toBeGreaterThan(enters + leaves)
  })
})

describe.skipIf(!process.env['REDIS_SERVER'])('the judge', () => {
  const isChange = (action: string, member: string) => (heard: Heard) =>
    heard.watcher === 'watcher1' && heard.change?.action === action && heard.change.member === member
  const [lost = '', kept = ''] = [doomed[1]?.[0], living[5]]
  const names = (v: Verdict) => {
    const { heard, enters, leaves, ...findings } = v
    return Object.entries(findings).flatMap(([name, all]) => (all.length > 0 ? [name] : []))
  }

  it('sees that one leave is missing, or told twice', () => {
    const at = log.findIndex(isChange('leave', lost))
    expect(names(check(log.toSpliced(at, 1), truth()))).toContain('notLeftOnce')
    expect(names(check(log.toSpliced(at, 0, log[at] as Heard), truth()))).toContain('notLeftOnce')
  })

  it('sees one flicker of somebody who lives', () => {
    const at = log.findIndex(isChange('enter', kept))
    const enter = log[at] as Heard
    const flicker = [{ ...enter, change: { action: 'leave', member: kept } }, enter]
    expect(names(check(log.toSpliced(at + 1, 0, ...flicker), truth()))).toEqual(['wronglyLeft', 'notEnteredOnce'])
  })

  it('sees a list without one member, and one that is sure while nobody can tell', () => {
    const last = log.findLast(({ watcher }) => watcher === 'watcher1') as Heard
    const short = { ...last, members: last.members.slice(1), change: null }
    expect(names(check([...log, short], truth()))).toEqual(['disagreeing', 'inconsistent'])
    const from = outages[0]?.from ?? 0
    const at = log.findIndex((heard) => heard.at > from)
    const sure = { ...(log.slice(0, at).findLast(({ watcher }) => watcher === 'watcher1') as Heard), at: from + 1 }
    expect(names(check(log.toSpliced(at, 0, { ...sure, known: true, change: null }), truth()))).toEqual(['certain'])
  })
})
