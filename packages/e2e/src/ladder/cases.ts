/** The failure bench as a table: what a network does, how that is done here, and what the client owes its user then. Run by run.ts. */

import type { TransportName } from '@rt/client'
import { full } from '../../../../.vitest/shared.mjs'
import {
  bufferUntilClose,
  cutAfter,
  cutAtAge,
  cutIdle,
  delay,
  dropUpgrade,
  halfOpen,
  holdLastChunk,
  resetMidFrame,
  swallowAfterHandshake,
  throttle,
  together,
} from './faults.ts'
import { up } from './names.ts'
import { passUpgrade } from './nginx.ts'
import { outage, type Stage, type StageOptions } from './stage.ts'

export interface Case {
  readonly name: string
  /** The starting rung that it hurts most; null: the client's own order. */
  readonly hurts: TransportName | null
  /** Seconds to the first message after the fault. */
  readonly within: number
  /** The rungs that do not work while it lasts: the client is shown on the best of the others. Null: it depends. */
  readonly blocks: readonly TransportName[] | null
  /** Each of them is shown on the way. */
  readonly shows?: readonly string[]
  /** None of them is shown on the way. */
  readonly never?: readonly string[]
  /** `client.problem` on the way. */
  readonly problem?: string
  /** A gap is told, and nothing is missing all the same. */
  readonly gap?: true
  readonly needs?: readonly ('RT_NGINX' | 'RT_HAPROXY' | 'RT_NETNS')[]
  /** Which nodes: shared ones with a heartbeat of 20 s or 1 s, or ones of its own. Default `calm`. */
  readonly world?: 'calm' | 'brisk' | 'own'
  /** Where the client is. Default: in the test's process. */
  readonly client?: StageOptions['client']
  readonly token?: StageOptions['token']
  /** Milliseconds between two publications. Default 100. */
  readonly pace?: number
  /** The way to the nodes, laid before the client begins. The time to the first message begins with the client, unless there is a `strike`. */
  readonly path?: (stage: Stage) => Promise<void> | void
  /** The strike comes with the client, before it is connected. */
  readonly cold?: true
  /** Strikes when the client is connected and hears. Resolves when the time to the first message begins: with the fault, or with its end. */
  readonly strike?: (stage: Stage) => Promise<void> | void
  /** Makes the network well again. Default: straight to the nodes. */
  readonly heal?: (stage: Stage) => Promise<void> | void
  /** Looked at in the end; throws where something is wrong. */
  readonly check?: (stage: Stage) => Promise<void> | void
}

const bad = ['reconnecting', 'degraded', 'failed', 'closed']

/** At most so many WebSockets were asked for before the network was well again. */
const fewUpgrades = (count: number) => (stage: Stage) => {
  const { upgrades } = stage.proxy
  if (upgrades.length > count) throw new Error(`${upgrades.length} WebSockets were asked for, not ${count}.`)
}

const page = '<!doctype html><title>Welcome</title><p>Please sign in to use this network.'

/** A TCP port on which nobody listens. */
const nobody = 1

/** Those that take longest come first, since they run side by side. */
export const cases: readonly Case[] = [
  {
    name: 'half-open link (fault proxy)',
    hurts: 'sse',
    // 35 s, the first pause, and a new link.
    within: 38,
    blocks: null,
    shows: ['reconnecting'],
    never: ['failed'],
    strike: ({ proxy }) => proxy.strike(halfOpen),
  },
  {
    name: 'half-open link, own publications under way (network namespace, iptables DROP for 36 s)',
    hurts: 'websocket',
    // The bound of the issue is 35 s until it is noticed; then it can only wait for the network.
    within: 15,
    blocks: null,
    shows: ['reconnecting'],
    never: ['failed'],
    client: 'network',
    needs: ['RT_NETNS'],
    async strike(stage) {
      const before = await stage.publish()
      if (before !== null) throw new Error(`publish: ${before}`)
      stage.network.drop(stage.proxy.port, true)
      unanswered.set(stage, [stage.publish(), stage.publish()])
      const { subject } = stage
      const heardAt = subject.seen.findLast(({ type }) => type === 'message')?.at ?? 0
      await subject.until('reconnecting', () => subject.status === 'reconnecting', 40)
      const noticed = (Date.now() - heardAt) / 1000
      // 35 s, and what a busy machine adds.
      if (noticed > 37) throw new Error(`It noticed after ${noticed} s.`)
      await outage(1)
      stage.network.drop(stage.proxy.port, false)
    },
    async check(stage) {
      const refusals = await Promise.all(unanswered.get(stage) ?? [])
      if (refusals.some((refusal) => refusal !== null)) throw new Error(`publish: ${refusals}`)
      await ownOnce(stage, 3)
    },
  },
  {
    name: 'the address of the client changes (network namespace)',
    hurts: 'websocket',
    within: 38,
    blocks: null,
    never: ['failed'],
    client: 'network',
    needs: ['RT_NETNS'],
    strike: ({ network }) => network.moveTo(3),
  },
  {
    name: 'delay of 150 ms each way',
    hurts: 'websocket',
    within: 3,
    blocks: [],
    never: bad,
    path: ({ proxy }) => {
      proxy.fault = delay(150)
    },
  },
  {
    name: 'the proxy drops Upgrade (fault proxy)',
    hurts: 'websocket',
    within: 3,
    blocks: ['websocket'],
    never: bad,
    path: ({ proxy }) => {
      proxy.fault = dropUpgrade
    },
  },
  {
    name: 'the proxy drops Upgrade (nginx, default settings)',
    hurts: 'websocket',
    within: 3,
    blocks: ['websocket'],
    never: bad,
    needs: ['RT_NGINX'],
    path: (stage) => stage.throughNginx({}),
  },
  {
    name: 'the proxy drops Upgrade (HAProxy, del-header)',
    hurts: 'websocket',
    within: 3,
    blocks: ['websocket'],
    never: bad,
    needs: ['RT_HAPROXY'],
    path: (stage) => stage.throughHaproxy({ frontend: ['http-request del-header upgrade'] }),
  },
  {
    name: 'nginx that passes Upgrade',
    hurts: 'websocket',
    within: 3,
    blocks: [],
    never: bad,
    needs: ['RT_NGINX'],
    path: (stage) => stage.throughNginx({ location: passUpgrade }),
  },
  {
    name: 'HAProxy, default settings',
    hurts: 'websocket',
    within: 3,
    blocks: [],
    never: bad,
    needs: ['RT_HAPROXY'],
    path: (stage) => stage.throughHaproxy({}),
  },
  {
    name: 'upgrade accepted, frames swallowed',
    hurts: 'websocket',
    within: 3,
    blocks: ['websocket'],
    never: bad,
    path: ({ proxy }) => {
      proxy.fault = swallowAfterHandshake
    },
    check: fewUpgrades(2),
  },
  {
    name: 'upgrade answered with 200 and a page',
    hurts: 'websocket',
    within: 3,
    blocks: ['websocket'],
    never: bad,
    needs: ['RT_HAPROXY'],
    path: (stage) =>
      stage.throughHaproxy({
        frontend: [
          `http-request return status 200 content-type text/html string "${page.replace(/[ ]/g, '\\ ')}" if { hdr(upgrade) -m found }`,
        ],
      }),
  },
  {
    name: 'SSE buffered until it ends, no Upgrade (fault proxy)',
    hurts: null,
    within: 5,
    blocks: ['websocket', 'sse'],
    never: bad,
    // So few that no buffer is full before the client has judged.
    pace: 500,
    heal: (stage) => stage.leave(),
    path: ({ proxy }) => {
      proxy.fault = together(dropUpgrade, bufferUntilClose)
    },
  },
  {
    name: 'SSE buffered (nginx that ignores X-Accel-Buffering)',
    hurts: 'sse',
    within: 5,
    blocks: ['websocket', 'sse'],
    never: bad,
    needs: ['RT_NGINX'],
    // So few that no buffer is full before the client has judged.
    pace: 500,
    heal: (stage) => stage.leave(),
    path: (stage) => stage.throughNginx({ location: 'proxy_ignore_headers X-Accel-Buffering;' }),
  },
  {
    // Its buffers fill again and again: the frames of the proof come through, and what is published last stays there.
    name: 'SSE held in blocks, while much is published (nginx that ignores X-Accel-Buffering)',
    hurts: 'sse',
    // Two links of each of the two rungs are looked at.
    within: 9,
    blocks: ['websocket', 'sse'],
    never: bad,
    needs: ['RT_NGINX'],
    heal: (stage) => stage.leave(),
    path: (stage) => stage.throughNginx({ location: 'proxy_ignore_headers X-Accel-Buffering;' }),
  },
  {
    name: 'the last chunk of a stream is held, no Upgrade',
    hurts: 'sse',
    within: 3,
    blocks: null,
    never: bad,
    path: ({ proxy }) => {
      proxy.fault = together(dropUpgrade, holdLastChunk)
    },
  },
  {
    name: 'gzip of event streams (nginx that heeds our headers)',
    hurts: 'sse',
    within: 3,
    blocks: ['websocket'],
    never: bad,
    needs: ['RT_NGINX'],
    path: (stage) => stage.throughNginx({ http: gzip }),
  },
  {
    name: 'gzip holds SSE (nginx that ignores our headers)',
    hurts: null,
    within: 5,
    blocks: ['websocket', 'sse'],
    never: bad,
    needs: ['RT_NGINX'],
    // So few that no buffer is full before the client has judged.
    pace: 500,
    heal: (stage) => stage.leave(),
    path: (stage) => stage.throughNginx({ http: gzip, location: 'proxy_ignore_headers X-Accel-Buffering;' }),
  },
  {
    name: 'idle kill after 3 s, heartbeat of 1 s (HAProxy, timeout tunnel)',
    hurts: 'websocket',
    within: 6,
    blocks: [],
    never: bad,
    world: 'brisk',
    needs: ['RT_HAPROXY'],
    pace: 4500,
    path: (stage) =>
      stage.throughHaproxy({ defaults: ['timeout tunnel 3s', 'timeout client 3s', 'timeout server 30s'] }),
    strike: (stage) => quiet(stage, 5),
  },
  {
    name: 'idle kill after 2 s, heartbeat of 20 s (nginx, proxy_read_timeout)',
    hurts: 'websocket',
    within: 3,
    blocks: null,
    never: ['failed'],
    needs: ['RT_NGINX'],
    path: (stage) => stage.throughNginx({ location: `${passUpgrade}\n proxy_read_timeout 2s;`, server: 'max_fails=0' }),
    strike: (stage) => quiet(stage, 5),
  },
  {
    name: 'idle kill after 2 s, heartbeat of 20 s (fault proxy)',
    hurts: 'sse',
    within: 3,
    blocks: null,
    never: ['failed'],
    path: ({ proxy }) => {
      proxy.fault = cutIdle(2000)
    },
    strike: (stage) => quiet(stage, 5),
  },
  {
    name: 'each connection is cut at the age of 3 s',
    hurts: 'sse',
    within: 3,
    blocks: null,
    never: ['failed'],
    path: ({ proxy }) => {
      proxy.fault = cutAtAge(3000)
    },
    strike: () => outage(8),
  },
  {
    name: 'link down for 3 s (network namespace)',
    hurts: 'websocket',
    // TCP sends again 0.2, 0.4, 0.8 … s after the last time.
    within: 4,
    blocks: null,
    never: ['failed'],
    client: 'network',
    needs: ['RT_NETNS'],
    async strike({ network }) {
      network.plug('down')
      await outage(3)
      network.plug('up')
    },
  },
  {
    name: 'reset in the middle of a frame',
    hurts: 'websocket',
    within: 3,
    blocks: null,
    never: ['failed'],
    strike: ({ proxy }) => proxy.strike(resetMidFrame),
  },
  {
    name: 'each connection is cut after 20 kB',
    hurts: 'long-poll',
    within: 5,
    blocks: null,
    never: ['failed'],
    path: ({ proxy }) => {
      proxy.fault = cutAfter(20_000)
    },
    async strike({ publisher }) {
      publisher.bytes = 1000
      await outage(8)
    },
  },
  {
    name: 'slow link: 64 kbit/s, more published than comes through',
    hurts: 'websocket',
    // What was published in 5 s takes 12 s.
    within: 15,
    blocks: null,
    never: ['failed'],
    path: ({ proxy }) => {
      proxy.fault = throttle(8000)
    },
    async strike({ publisher }) {
      publisher.bytes = 2000
      await outage(5)
      publisher.bytes = 10
    },
  },
  {
    name: 'a node is killed (behind HAProxy)',
    hurts: 'websocket',
    within: 3,
    blocks: null,
    never: ['failed'],
    world: 'own',
    needs: ['RT_HAPROXY'],
    path: (stage) => stage.throughHaproxy({}),
    async strike({ world }) {
      await world.kill(0)
      await world.restart(0)
      await world.kill(1)
    },
    heal: (stage) => stage.world.restart(1).then(() => stage.heal()),
  },
  {
    name: 'a node is drained',
    hurts: 'sse',
    within: 3,
    blocks: null,
    never: ['failed'],
    world: 'own',
    async strike({ world }) {
      await world.drain(0)
      await world.restart(0)
      await world.drain(1)
    },
    heal: (stage) => stage.world.restart(1).then(() => stage.heal()),
  },
  {
    name: 'Redis is killed, and back with its data after 2 s',
    hurts: 'sse',
    within: 6,
    blocks: null,
    shows: ['degraded'],
    never: ['failed', 'reconnecting'],
    gap: true,
    world: 'own',
    async strike({ world }) {
      await world.redis.kill()
      await outage(2)
      await world.redis.start()
    },
  },
  {
    name: 'Redis is killed, and back without its data',
    hurts: 'websocket',
    within: 6,
    blocks: null,
    shows: ['degraded'],
    never: ['failed', 'reconnecting'],
    gap: true,
    world: 'own',
    async strike(stage) {
      const { world, publisher, subject } = stage
      // What was not heard yet would be lost for good, and told by the gap.
      await publisher.hold()
      await subject.until('all heard', () => subject.sequences.includes(publisher.stored), 5)
      await world.redis.kill()
      await world.redis.erase()
      await outage(1)
      await world.redis.start()
      publisher.pace = 100
    },
  },
  {
    name: `sleep of ${full ? 60 : 10} s, the link lives (SIGSTOP)`,
    hurts: 'websocket',
    within: 3,
    blocks: null,
    never: ['failed'],
    client: 'process',
    strike: (stage) => sleep(stage, full ? 60 : 10),
    check: oneResume,
  },
  {
    name: `sleep of ${full ? 300 : 8} s, the link ended meanwhile (SIGSTOP)`,
    hurts: 'websocket',
    within: 3,
    blocks: null,
    never: ['failed'],
    client: 'process',
    world: 'brisk',
    strike: (stage) => sleep(stage, full ? 300 : 8),
    check: oneResume,
  },
  {
    name: '502 and a page, until it is told (nginx without nodes)',
    hurts: 'sse',
    within: 8,
    blocks: null,
    shows: ['reconnecting'],
    never: ['failed'],
    problem: 'server',
    needs: ['RT_NGINX'],
    async strike(stage) {
      await stage.throughNginx({}, [nobody])
      stage.proxy.cut()
      await told(stage, 'server')
      stage.leave()
    },
  },
  {
    name: '504 while a poll is held (nginx, proxy_read_timeout 1s)',
    hurts: 'long-poll',
    within: 4,
    blocks: null,
    never: ['failed'],
    needs: ['RT_NGINX'],
    path: (stage) => stage.throughNginx({ location: 'proxy_read_timeout 1s;', server: 'max_fails=0' }),
    strike: (stage) => quiet(stage, 4),
  },
  {
    name: 'captive portal from the beginning, until it is told (nginx)',
    hurts: 'websocket',
    within: 12,
    blocks: [],
    never: ['failed'],
    problem: 'captive-portal',
    needs: ['RT_NGINX'],
    cold: true,
    path: (stage) => stage.throughNginx(portal),
    async strike(stage) {
      await told(stage, 'captive-portal')
      stage.leave()
    },
  },
  {
    name: 'captive portal in mid-stream, until it is told (nginx)',
    hurts: 'websocket',
    within: 12,
    blocks: null,
    shows: ['reconnecting'],
    never: ['failed'],
    problem: 'captive-portal',
    needs: ['RT_NGINX'],
    async strike(stage) {
      await stage.throughNginx(portal)
      stage.proxy.cut()
      await told(stage, 'captive-portal')
      stage.leave()
    },
  },
  {
    name: 'nobody there, until it is told (connections end at once)',
    hurts: 'poll',
    within: 8,
    blocks: null,
    shows: ['reconnecting'],
    never: ['failed'],
    problem: 'offline',
    async strike(stage) {
      stage.route([nobody])
      stage.proxy.cut()
      await told(stage, 'offline')
      stage.heal()
    },
  },
  {
    name: 'the token expires every 4 s',
    hurts: 'websocket',
    within: 3,
    blocks: [],
    never: ['failed'],
    token: { life: 4000, good: Number.MAX_SAFE_INTEGER },
    strike: ({ subject }) => {
      const tokens = () => subject.seen.filter(({ type }) => type === 'token').length
      return subject.until('a third token', () => tokens() === 3, 15)
    },
    check: ({ subject }) => {
      const times = subject.seen.filter(({ type }) => type === 'token').map(({ at }) => at)
      const soon = times.findIndex((at, i) => i > 0 && at - (times[i - 1] as number) < 3000)
      if (soon > 0) throw new Error(`Token ${soon + 1} was fetched while the one before was good.`)
    },
  },
  {
    name: 'the token expires and no new one is good',
    hurts: 'sse',
    within: 3,
    blocks: [],
    shows: ['failed'],
    problem: 'unauthorized',
    token: { life: 3000, good: 1 },
    async strike({ subject, proxy }) {
      await subject.until('failed', () => subject.status === 'failed', 10)
      // What it had begun before may still come.
      await outage(1)
      const { opened } = proxy
      await outage(3)
      if (proxy.opened > opened) throw new Error('It went on trying.')
      subject.connect()
    },
  },
  {
    name: '413 for a publication of 2 kB (nginx, client_max_body_size 1k)',
    hurts: 'sse',
    within: 3,
    blocks: ['websocket'],
    never: bad,
    needs: ['RT_NGINX'],
    path: (stage) => stage.throughNginx({ location: 'client_max_body_size 1k;' }),
    async strike(stage) {
      const large = await stage.publish(2000)
      if (large !== 'payload_too_large') throw new Error(`A publication that is too large: ${large}`)
      const small = await stage.publish(10)
      if (small !== null) throw new Error(`A small one behind it: ${small}`)
    },
  },
  {
    name: '429 with Retry-After for publications (nginx, limit_req)',
    hurts: 'sse',
    within: 3,
    blocks: ['websocket'],
    never: bad,
    needs: ['RT_NGINX'],
    path: (stage) =>
      stage.throughNginx({
        http: `
          map $request_method $posts { POST posts; default ''; }
          limit_req_zone $posts zone=posts:1m rate=30r/m;
          limit_req_status 429;`,
        location: 'limit_req zone=posts burst=1 nodelay; add_header Retry-After 3 always;',
      }),
    async strike(stage) {
      const sent: Promise<string | null>[] = []
      for (let n = 0; n < 5; n++) {
        sent.push(stage.publish())
        await outage(0.1)
      }
      unanswered.set(stage, sent)
    },
    async check(stage) {
      const refusals = await Promise.all(unanswered.get(stage) ?? [])
      if (refusals.some((refusal) => refusal !== null)) throw new Error(`publish: ${refusals}`)
      await ownOnce(stage, 5)
    },
  },
]

const gzip = 'gzip on; gzip_types text/event-stream application/json; gzip_proxied any; gzip_min_length 0;'

const portal = { location: `return 200 '${page}'; default_type text/html;` }

/** Publications whose answers a case awaits in the end. */
const unanswered = new WeakMap<Stage, readonly Promise<string | null>[]>()

/** Nothing is published for so long; then it goes on. */
async function quiet({ publisher }: Stage, seconds: number): Promise<void> {
  publisher.pace = Number.POSITIVE_INFINITY
  await outage(seconds)
  publisher.pace = 100
}

/** The user is told what is wrong. */
const told = ({ subject }: Stage, problem: string): Promise<void> =>
  subject.until(`told: ${problem}`, () => subject.problem === problem, 15)

async function sleep({ subject, proxy }: Stage, seconds: number): Promise<void> {
  subject.freeze()
  await outage(seconds)
  openedAsleep.set(proxy, proxy.opened)
  subject.thaw()
}

/** Connections that there were when the client woke up. */
const openedAsleep = new WeakMap<Stage['proxy'], number>()

/** Expired timers and lost links make one resume, and no flood: a stream, and what a look at it costs. */
function oneResume({ proxy }: Stage): void {
  const more = proxy.opened - (openedAsleep.get(proxy) ?? 0)
  if (more > 4) throw new Error(`${more} connections after it woke up.`)
}

/** What the client published is stored, all of it, in order, once. */
async function ownOnce({ world, run }: Stage, count: number): Promise<void> {
  const stored = (await world.worker.history(up(run), { last: 1000 })).map(({ data }) => data.sequence)
  const expected = Array.from({ length: count }, (_, i) => i + 1)
  if (stored.join() !== expected.join()) throw new Error(`Of its own publications ${stored} are stored.`)
}
