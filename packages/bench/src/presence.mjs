/** 10,000 members in one channel on Redis: what enter, update, list, beat and sweep cost. `npm run pnpm -- --filter @rt/bench run presence`; prints the table of docs/benchmarks.md. */
import { setTimeout as pause } from 'node:timers/promises'
import { redis } from '@rt/server/redis'
import { RedisServer } from '@rt/server/testing'

const MEMBERS = Number(process.argv[2] ?? 10_000)
const UPDATES = Math.min(1000, MEMBERS)
const CHANNEL = 'room:1'
const server = await RedisServer.start()
const broker = redis(server.url)
let notices = 0
let bytes = 0
let heard = () => {}
await new Promise((up) => {
  broker.start({
    publication() {},
    live() {},
    presence({ changes }) {
      notices += JSON.parse(changes).length
      bytes += changes.length
      heard()
    },
    up,
    down() {},
  })
})
const { presence } = broker
const partition = broker.partition(CHANNEL)
await presence.watch(partition, [CHANNEL])
// Before the first seat, or its absence would count as an outage.
await presence.pulse(partition, { epoch: null, ttl: 60_000, gap: 60_000 })

/** Microseconds that Redis spent in scripts so far. */
async function spent() {
  const info = String(await server.command('INFO', 'commandstats'))
  return [...info.matchAll(/^cmdstat_eval(?:sha)?:calls=\d+,usec=(\d+)/gm)].reduce((sum, [, us]) => sum + Number(us), 0)
}

async function measure(name, count, run) {
  const before = { at: performance.now(), us: await spent(), notices, bytes }
  await run()
  const ms = performance.now() - before.at
  const us = (await spent()) - before.us
  const wire = notices === before.notices ? 0 : Math.round((bytes - before.bytes) / (notices - before.notices))
  console.log(`| ${name} | ${count} | ${ms.toFixed(0)} | ${(us / count).toFixed(1)} | ${wire || '–'} |`)
}

const everyone = Array.from({ length: MEMBERS }, (_, i) => i)
const seat = (i) => ({ channel: CHANNEL, member: `user-${i}`, client: 'tab' })
const enter = (i, state, ttl = 60_000) =>
  presence.enter({ ...seat(i), state: JSON.stringify(state), owner: 'stream', ttl })
const told = (count) =>
  new Promise((resolve) => {
    heard = () => notices >= count && resolve()
    heard()
  })

console.log('| what | operations | ms in all | Redis µs each | bytes of a change |')
console.log('| --- | --: | --: | --: | --: |')
await measure('enter', MEMBERS, async () => {
  await Promise.all(everyone.map((i) => enter(i, { name: `User ${i}` })))
  await told(MEMBERS)
})
await measure(`update, ${MEMBERS} members there`, UPDATES, async () => {
  await Promise.all(everyone.slice(0, UPDATES).map((i) => enter(i, { name: `User ${i}`, typing: true })))
  await told(MEMBERS + UPDATES)
})
await measure('beat (touch, 200 to a call)', MEMBERS, async () => {
  for (let i = 0; i < MEMBERS; i += 200)
    await presence.touch(
      partition,
      everyone.slice(i, i + 200).map((n) => ({ ...seat(n), owner: null, ttl: 60_000 })),
    )
})
await measure(`list of ${MEMBERS}`, 10, async () => {
  for (let i = 0; i < 10; i++) await presence.members(CHANNEL)
})
for (let i = 0; i < MEMBERS; i += 200)
  await presence.touch(
    partition,
    everyone.slice(i, i + 200).map((n) => ({ ...seat(n), owner: null, ttl: 1 })),
  )
await pause(50)
await measure('sweep (200 to a call)', MEMBERS, async () => {
  await presence.pulse(partition, { epoch: null, ttl: 60_000, gap: 60_000 })
  while (await presence.sweep(CHANNEL));
  await told(2 * MEMBERS + UPDATES)
})
await broker.close()
await server.close()
