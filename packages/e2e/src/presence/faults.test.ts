// Presence while nodes are killed and frozen and Redis goes away: real processes, and a checker that knows only what callbacks said.
import { type Client, createClient, type Rung } from '@rt/client'
import { RedisServer } from '@rt/server/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { full } from '../../../../.vitest/shared.mjs'
import { openWebSocket, type PlainSocket } from '../plain-client'
import { Balancer } from '../processes/balancer.ts'
import { ServerProcess } from '../server-process'

const MEMBERS = full ? 300 : 24
/** Every fourth member has as many tabs. */
const TABS = 3
/** Members whose socket is cut, and who never come back. */
const VANISHING = full ? 30 : 4
/** Milliseconds. */
const TTL = 6000
const GRACE = 3000
const ROOM = 'lobby:1'
const rungs: readonly Rung[] = ['websocket', 'sse', 'long-poll', 'websocket']

let redis: RedisServer
let balancer: Balancer
const nodes: ServerProcess[] = []
/** Ports that get connections. */
const targets: number[] = []
const clients: Client[] = []
const vanishing: PlainSocket[] = []
let watchers: Watcher[] = []

const waiting = new Set<() => void>()
function until(check: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!check()) return
      waiting.delete(look)
      resolve()
    }
    waiting.add(look)
    look()
  })
}

const living = () => Array.from({ length: MEMBERS }, (_, i) => `u${i}`).sort()

/** Keeps all that the callback of one client said. */
class Watcher {
  readonly log: { readonly action: string; readonly member: string }[] = []
  readonly client = createClient(balancer.url, { token: 'user:watcher' })
  members: readonly string[] = []
  known = false
  /** How often it was said that nobody can tell. */
  unknown = 0

  constructor() {
    this.client.channel(ROOM).presence.subscribe((list, change) => {
      if (change !== null) this.log.push({ action: change.action, member: change.member.id })
      if (this.known && !list.known) this.unknown++
      this.known = list.known
      this.members = list.members.map(({ id }) => id).sort()
      for (const look of [...waiting]) look()
    })
  }

  agrees(members: readonly string[]): boolean {
    return this.known && this.members.join() === members.join()
  }

  count(action: string, member?: string): number {
    return this.log.filter((each) => each.action === action && (member === undefined || each.member === member)).length
  }
}

beforeAll(async () => {
  redis = await RedisServer.start()
  const options = { presence: { ttl: TTL, grace: GRACE }, heartbeat: 2000 }
  for (let i = 0; i < 3; i++) nodes.push(await ServerProcess.start({ redisUrl: redis.url, options }))
  targets.push(...nodes.map(({ port }) => port))
  balancer = await Balancer.start(targets)
  watchers = [new Watcher(), new Watcher(), new Watcher()]
  await until(() => watchers.every(({ known }) => known))
}, 60_000)

afterAll(async () => {
  for (const client of [...clients, ...watchers.map(({ client }) => client)]) client.close()
  for (const { ws } of vanishing) ws.terminate()
  await balancer.close()
  for (const node of nodes) await node.kill()
  await redis.close()
  const said = watchers.map(
    (watcher) => `${watcher.count('enter')} enters, ${watcher.count('leave')} leaves, ${watcher.unknown} times unknown`,
  )
  console.log(
    `presence under faults: ${MEMBERS} members with ${clients.length} clients, ${VANISHING} vanished; watchers: ${said.join('; ')}`,
  )
})

/** All lists are those of the living, and each watcher was told of each leave that there was, and of no other. */
async function converge(within: number): Promise<void> {
  const started = performance.now()
  await until(() => watchers.every((watcher) => watcher.agrees(living())))
  expect(performance.now() - started).toBeLessThan(within)
  noFlicker()
}

function noFlicker(): void {
  for (const watcher of watchers) {
    for (const member of living()) {
      expect([member, watcher.count('enter', member) <= 1, watcher.count('leave', member)]).toEqual([member, true, 0])
    }
  }
}

/** A whole life of a seat passes. */
const life = (ms = TTL) => new Promise<void>((resolve) => setTimeout(resolve, ms))

describe.skipIf(process.env['REDIS_SERVER'] === undefined)('presence on three nodes', () => {
  it('shows each member once, whatever the number of its tabs', async () => {
    for (const [i, member] of living().entries()) {
      for (let tab = 0; tab < (i % 4 === 0 ? TABS : 1); tab++) {
        const rung = rungs[(i + tab) % rungs.length] as Rung
        const client = createClient(balancer.url, { token: `user:${member}`, transports: [rung] })
        clients.push(client)
        await client.channel(ROOM).presence.enter({ name: member })
      }
    }
    await converge(30_000)
    for (const watcher of watchers) expect(watcher.count('enter') + watcher.count('leave')).toBeLessThanOrEqual(MEMBERS)
  }, 120_000)

  it('those who vanish leave once, after the grace, for everybody', async () => {
    for (let i = 0; i < VANISHING; i++) {
      const socket = await openWebSocket(balancer.url, { headers: { authorization: `Bearer user:gone${i}` } })
      socket.ws.send(
        JSON.stringify([{ type: 'enter', ref: 1, channel: ROOM, client: 'only', state: { name: 'gone' } }]),
      )
      await socket.events.next('result')
      vanishing.push(socket)
    }
    const all = [...living(), ...vanishing.map((_, i) => `gone${i}`)].sort()
    await until(() => watchers.every((watcher) => watcher.agrees(all)))
    for (const { ws } of vanishing) ws.terminate()
    await converge(GRACE + TTL)
    for (const watcher of watchers)
      for (let i = 0; i < VANISHING; i++) expect(watcher.count('leave', `gone${i}`)).toBe(1)
  }, 60_000)

  it('a node that is killed takes nobody along who comes back elsewhere', async () => {
    targets.splice(targets.indexOf((nodes[0] as ServerProcess).port), 1)
    await nodes[0]?.kill()
    await life(TTL + 2000)
    await converge(TTL)
  }, 60_000)

  it('nor does one that is frozen for longer than a seat lives, and then goes on', async () => {
    const frozen = nodes[1] as ServerProcess
    targets.splice(targets.indexOf(frozen.port), 1)
    frozen.signal('SIGSTOP')
    await life(TTL + 3000)
    await converge(TTL)
    frozen.signal('SIGCONT')
    targets.push(frozen.port)
    await life(TTL)
    await converge(TTL)
  }, 60_000)

  it('while Redis is out of memory nobody can tell, and nobody leaves', async () => {
    const before = watchers.map(({ unknown }) => unknown)
    await redis.command('CONFIG', 'SET', 'maxmemory', 1)
    await until(() => watchers.every(({ known }) => !known))
    await life(TTL + 2000)
    expect(watchers.every(({ known }) => !known)).toBe(true)
    await redis.command('CONFIG', 'SET', 'maxmemory', 0)
    await converge(3 * TTL)
    for (const [i, { unknown }] of watchers.entries()) expect(unknown).toBeGreaterThan(before[i] as number)
  }, 60_000)

  it('nor when Redis is gone for longer than a seat lives, and comes back empty', async () => {
    await redis.kill()
    await until(() => watchers.every(({ known }) => !known))
    await life(TTL + 1000)
    await redis.erase()
    await redis.start()
    await converge(5 * TTL)
    expect(await redis.command('EXISTS', 'user:u0:online')).toBe(1)
  }, 90_000)
})
