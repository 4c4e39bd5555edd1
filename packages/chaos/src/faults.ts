/** The table of faults: how each strikes and heals, and what shows that it struck. One that changed nothing says so, and does not count. */
import type { TransportName } from '@rt/client'
import { CHANNELS, log } from './app.ts'
import type { Draw } from './draw.ts'
import type { Keeping, Node, World } from './world.ts'

/** What was seen of it; null: nothing. */
export type Effect = string | null

export interface Fault {
  readonly name: string
  /** What it has for itself while it lasts. */
  readonly target: 'redis' | 'node' | 'clients' | 'people'
  /** Runs in which it may be drawn; default all. */
  readonly keeping?: readonly Keeping[]
  /** How often it is drawn beside the others; default 1. */
  readonly weight?: number
  /** Strikes, lasts, heals. A fault of a node gets one. */
  strike(world: World, draw: Draw, node: Node): Promise<Effect>
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const between = (draw: Draw, least: number, most: number) => least + (most - least) * draw()
const LOSING: readonly Keeping[] = ['nothing', 'snapshots', 'appends']
const CLOCK = '{rt:0}:clock'
const rungs: readonly TransportName[] = ['websocket', 'sse', 'long-poll', 'poll']

/** Asks again until it is not null, for some seconds. */
async function seen(look: () => Promise<Effect>, within = 10_000): Promise<Effect> {
  for (const until = performance.now() + within; performance.now() < until; await pause(50)) {
    const effect = await look().catch(() => null)
    if (effect !== null) return effect
  }
  return null
}

const epochOf = async ({ redis }: World) => String(await redis.command('HGET', CLOCK, 'epoch'))

/** A new life of the log. */
async function newEpoch(world: World, before: string): Promise<Effect> {
  return seen(async () => {
    const now = await epochOf(world)
    return now !== before && now !== 'null' ? `a new epoch, ${now}` : null
  })
}

async function errorsOf({ redis }: World, code: string): Promise<number> {
  const info = String(await redis.command('INFO', 'errorstats'))
  return Number(new RegExp(`errorstat_${code}:count=(\\d+)`).exec(info)?.[1] ?? 0)
}

async function moreErrors(world: World, code: string, before: number): Promise<Effect> {
  const count = (await errorsOf(world, code)) - before
  return count > 0 ? `${count} times ${code}` : null
}

/** Whether anything answers at this port in time. */
async function answers(port: number, ms: number): Promise<boolean> {
  const request = fetch(`http://127.0.0.1:${port}/rt`, { signal: AbortSignal.timeout(ms) })
  return request.then(
    () => true,
    () => false,
  )
}

const some = (count: number, what: string): Effect => (count > 0 ? `${count} ${what}` : null)

export const faults: readonly Fault[] = [
  {
    name: 'node: SIGKILL',
    target: 'node',
    weight: 2,
    async strike(_, draw, node) {
      const { signal } = await node.child.kill()
      await pause(between(draw, 100, 2000))
      await node.start()
      return signal === 'SIGKILL' ? 'ended by SIGKILL' : null
    },
  },
  {
    name: 'node: SIGTERM, drain',
    target: 'node',
    async strike(_, _draw, node) {
      node.child.terminate()
      const { code } = await node.child.exited
      await node.start()
      return code === 0 ? 'ended by itself' : null
    },
  },
  {
    name: 'node: SIGSTOP',
    target: 'node',
    async strike(_, draw, node) {
      node.child.freeze()
      const silent = !(await answers(node.port, 1000))
      await pause(between(draw, 500, 7000))
      node.child.thaw()
      return silent ? 'did not answer' : null
    },
  },
  {
    name: 'redis: SIGKILL, keeps nothing',
    target: 'redis',
    keeping: ['nothing'],
    weight: 2,
    async strike(world, draw) {
      const before = await epochOf(world)
      await world.redis.kill()
      await world.redis.erase()
      await pause(between(draw, 0, 2500))
      await world.redis.start()
      world.took('redis: SIGKILL, keeps nothing')
      return newEpoch(world, before)
    },
  },
  {
    name: 'redis: SIGKILL, back to a snapshot',
    target: 'redis',
    keeping: ['snapshots'],
    weight: 3,
    async strike(world, draw) {
      const before = await epochOf(world)
      const since = Date.now()
      await world.redis.save()
      const size = await world.redis.command('XLEN', `{rt:0}:log:${log(0)}`)
      await pause(between(draw, 200, 3000))
      const lost = Number(await world.redis.command('XLEN', `{rt:0}:log:${log(0)}`)) - Number(size)
      await world.redis.kill()
      await pause(between(draw, 0, 2500))
      await world.redis.start()
      world.took('redis: SIGKILL, back to a snapshot', since)
      const effect = await newEpoch(world, before)
      return effect === null ? null : some(lost, 'publications of one channel rolled back')
    },
  },
  {
    name: 'redis: SIGKILL, append-only file',
    target: 'redis',
    keeping: ['appends'],
    weight: 3,
    async strike(world, draw) {
      const before = await epochOf(world)
      const since = Date.now()
      await world.redis.kill()
      await pause(between(draw, 0, 2500))
      await world.redis.start()
      world.disturbed('redis: SIGKILL, append-only file', since)
      return newEpoch(world, before)
    },
  },
  {
    name: 'redis: SIGSTOP',
    target: 'redis',
    async strike(world, draw) {
      world.redis.pause()
      const silent = await Promise.race([
        world.redis.command('PING').then(() => false),
        pause(between(draw, 500, 4000)).then(() => true),
      ])
      world.redis.resume()
      return silent ? 'did not answer' : null
    },
  },
  {
    name: 'redis: FLUSHALL',
    target: 'redis',
    keeping: ['nothing', 'snapshots'],
    async strike(world) {
      const before = await epochOf(world)
      await world.redis.command('FLUSHALL')
      world.took('redis: FLUSHALL')
      return newEpoch(world, before)
    },
  },
  {
    name: 'redis: the clock is evicted',
    target: 'redis',
    keeping: LOSING,
    async strike(world) {
      const before = await epochOf(world)
      const since = Date.now()
      await world.redis.command('DEL', CLOCK)
      world.disturbed('redis: the clock is evicted', since)
      return newEpoch(world, before)
    },
  },
  {
    name: 'redis: a log is evicted',
    target: 'redis',
    keeping: LOSING,
    async strike(world, draw) {
      const channel = log(Math.floor(draw() * CHANNELS))
      const gone = Number(await world.redis.command('DEL', `{rt:0}:log:${channel}`))
      world.took('redis: a log is evicted', undefined, channel)
      // The channel goes on.
      await seen(async () => some(Number(await world.redis.command('XLEN', `{rt:0}:log:${channel}`)), 'entries'))
      return some(gone, 'log is gone')
    },
  },
  {
    name: 'redis: a newest id is evicted',
    target: 'redis',
    keeping: LOSING,
    async strike(world, draw) {
      const channel = log(Math.floor(draw() * CHANNELS))
      const since = Date.now()
      const gone = Number(await world.redis.command('DEL', `{rt:0}:last:${channel}`))
      const back = await seen(async () =>
        some(Number(await world.redis.command('EXISTS', `{rt:0}:last:${channel}`)), 'newest id was gone and is back'),
      )
      world.disturbed('redis: a newest id is evicted', since, channel)
      return gone > 0 ? back : null
    },
  },
  {
    name: 'redis: out of memory',
    target: 'redis',
    async strike(world, draw) {
      const before = await errorsOf(world, 'OOM')
      await world.redis.command('CONFIG', 'SET', 'maxmemory', 1)
      await pause(between(draw, 500, 3000))
      await world.redis.command('CONFIG', 'SET', 'maxmemory', 0)
      return moreErrors(world, 'OOM', before)
    },
  },
  {
    name: 'redis: SCRIPT FLUSH',
    target: 'redis',
    async strike(world) {
      const before = await errorsOf(world, 'NOSCRIPT')
      await world.redis.command('SCRIPT', 'FLUSH')
      return seen(() => moreErrors(world, 'NOSCRIPT', before))
    },
  },
  {
    name: 'redis: CLIENT KILL, listening links',
    target: 'redis',
    weight: 2,
    strike: async ({ redis }) => some(Number(await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')), 'links closed'),
  },
  {
    name: 'redis: CLIENT KILL, command links',
    target: 'redis',
    strike: async ({ redis }) => some(Number(await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')), 'links closed'),
  },
  {
    name: 'redis: its stored clock jumps ahead',
    target: 'redis',
    async strike(world) {
      const ahead = Number(await world.redis.command('HINCRBY', CLOCK, 'ms', 60_000))
      return seen(async () => {
        const now = Number(await world.redis.command('HGET', CLOCK, 'n'))
        return ahead > Date.now() && now > 0 ? 'the clock is a minute ahead' : null
      })
    },
  },
  {
    name: 'link to redis: cut',
    target: 'node',
    strike: async (_, _draw, { redis }) => some(redis.cut(), 'connections cut'),
  },
  {
    name: 'link to redis: half-open',
    target: 'node',
    async strike(_, draw, { redis }) {
      const before = redis.withheld
      const count = redis.halve()
      await pause(between(draw, 1000, 4000))
      return redis.withheld > before ? some(count, 'connections with one end') : null
    },
  },
  {
    name: 'link to redis: held',
    target: 'node',
    async strike(_, draw, { redis }) {
      const before = redis.withheld
      redis.hold()
      await pause(between(draw, 300, 4000))
      redis.release()
      return some(redis.withheld - before, 'bytes came late')
    },
  },
  {
    name: 'link to redis: deaf',
    target: 'node',
    weight: 2,
    async strike(_, _draw, { redis }) {
      const before = redis.withheld
      const count = redis.deafen()
      // It is found by the probe: silence and patience.
      await pause(3000)
      return count > 0 ? some(redis.withheld - before, 'bytes of pushes swallowed') : null
    },
  },
  {
    name: 'link of the worker to redis: cut',
    target: 'people',
    strike: async ({ workerLink }) => some(workerLink.cut(), 'connections cut'),
  },
  {
    name: 'link to clients: cut',
    target: 'node',
    strike: async (_, _draw, { clients }) => some(clients.cut(), 'connections cut'),
  },
  {
    name: 'link to clients: half-open',
    target: 'node',
    strike: async (_, _draw, { clients }) => some(clients.halve(), 'connections with one end'),
  },
  {
    name: 'link to clients: black hole',
    target: 'node',
    async strike(_, draw, { clients }) {
      const before = clients.withheld
      clients.hold()
      await pause(between(draw, 500, 6000))
      clients.release()
      return some(clients.withheld - before, 'bytes came late')
    },
  },
  {
    name: 'slow readers',
    target: 'clients',
    async strike({ nodes, worker }, draw) {
      const node = draw(nodes)
      const looks = () => Promise.race([node.look(), pause(2000).then(() => null)]).catch(() => null)
      const before = await looks()
      node.clients.stop()
      const over = worker.next('burst over')
      worker.ask({ type: 'burst' })
      await Promise.race([over, pause(8000)])
      const after = await looks()
      node.clients.go()
      return before === null || after === null
        ? null
        : some(after.overflows - before.overflows, 'streams went to the log')
    },
  },
  {
    name: 'clients switch',
    target: 'clients',
    weight: 2,
    async strike({ subscribers }, draw) {
      const switched = subscribers.next('switched')
      subscribers.ask({ type: 'switch', to: Array.from({ length: 40 }, () => (draw() < 0.5 ? draw(rungs) : null)) })
      const told = await Promise.race([switched, pause(15_000)])
      return some(told?.count ?? 0, 'clients moved')
    },
  },
  {
    name: 'members: SIGKILL',
    target: 'people',
    async strike(world) {
      const next = world.doomed.find(({ names }) => !world.vanished.includes(names[0] as string))
      if (next === undefined) return null
      const { signal } = await next.clients.kill()
      world.vanish(next.names)
      return signal === 'SIGKILL' ? some(next.names.length, 'members ended') : null
    },
  },
]
