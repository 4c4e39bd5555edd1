/** `npm run bench`: measures every kind of server in turn, prints a table, writes docs/benchmarks.md and results/. Options: see `usage`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { startProgram, startScript } from './process.mjs'
import { describe, markdown, summarise, table } from './report.mjs'

const usage = `npm run bench -- [--runs 3] [--only fan-out,burst,sse,…] [--kinds rt,ws-limit,…] [--subscribers 1000] [--dry]
--dry: prints only, writes nothing.
RT_BENCH_NODE_ARGS: arguments of the servers' node, such as --cpu-prof.`

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    kinds: { type: 'string' },
    subscribers: { type: 'string', default: '1000' },
    dry: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(usage)
  process.exit(0)
}

const SERVER_CORE = 0
const OTHER_CORE = 1

const single = { warmUp: { ticks: 15, burst: 1, interval: 35 }, measured: { ticks: 30, burst: 1, interval: 35 } }
// The interval leaves the slowest kind room to finish each burst.
const burst = { warmUp: { ticks: 3, burst: 16, interval: 200 }, measured: { ticks: 6, burst: 16, interval: 200 } }

/** `kinds`: file in kinds/ → protocol of the generator. The first is ours. */
const works = {
  'fan-out': {
    title: 'WebSocket, 1 → {n}, one message a tick',
    pace: single,
    kinds: { rt: 'rt', 'ws-limit': 'ws', 'ws-naive': 'ws', 'socket-io': 'socket.io' },
  },
  burst: {
    title: 'WebSocket, 1 → {n}, bursts of 16 a tick',
    pace: burst,
    kinds: { rt: 'rt', 'ws-limit': 'ws', 'ws-naive': 'ws', 'socket-io': 'socket.io' },
  },
  sse: {
    title: 'SSE, 1 → {n}, one message a tick',
    pace: single,
    kinds: { rt: 'rt-sse', 'sse-limit': 'sse', 'http-sse': 'sse' },
  },
  'sse-burst': {
    title: 'SSE, 1 → {n}, bursts of 16 a tick',
    pace: burst,
    kinds: { rt: 'rt-sse', 'sse-limit': 'sse', 'http-sse': 'sse' },
  },
  redis: {
    title: 'Two nodes over Redis, WebSocket, 1 → {n}, one message a tick',
    pace: single,
    redis: true,
    kinds: { rt: 'rt', 'ws-limit': 'ws', 'socket-io': 'socket.io' },
  },
  'redis-burst': {
    title: 'Two nodes over Redis, WebSocket, 1 → {n}, bursts of 16 a tick',
    pace: burst,
    redis: true,
    kinds: { rt: 'rt', 'ws-limit': 'ws', 'socket-io': 'socket.io' },
  },
}

const subscribers = Number(options.subscribers)
const generator = startScript('generator.mjs', [], OTHER_CORE)

/** One server, one work: microseconds of its process for each delivery. Throws when a message did not reach every subscriber. */
async function measure(kind, protocol, { warmUp, measured }, url) {
  const args = url === undefined ? [kind] : [kind, url]
  const server = startScript('server.mjs', args, SERVER_CORE)
  // Over Redis another node publishes, so that only what the subscribers' node does is counted.
  const publisher = url === undefined ? server : startScript('server.mjs', args, OTHER_CORE)
  try {
    await publisher.ask('port')
    await generator.ask('open', { port: await server.ask('port'), protocol, count: subscribers })
    const warm = warmUp.ticks * warmUp.burst
    await publisher.ask('publish', { first: 1, ...warmUp })
    await generator.ask('complete', { last: warm })
    await server.ask('startCounting')
    await publisher.ask('publish', { first: warm + 1, ...measured })
    const count = measured.ticks * measured.burst
    await generator.ask('complete', { last: warm + count })
    const { user, system } = await server.ask('stopCounting')
    const deliveries = count * subscribers
    return { user: user / deliveries, system: system / deliveries, total: (user + system) / deliveries, deliveries }
  } finally {
    if (publisher !== server) await publisher.stop()
    await server.stop()
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

const names = options.only?.split(',') ?? Object.keys(works)
const chosenKinds = options.kinds?.split(',')
const samples = []
const load = [loadavg()[0]]

let stopRedis = null
let url
if (names.some((name) => works[name].redis)) {
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '']
  stopRedis = await startProgram(
    process.env.REDIS_SERVER ?? 'redis-server',
    args,
    OTHER_CORE,
    'Ready to accept connections',
  )
  url = `redis://127.0.0.1:${port}`
}

const began = Date.now()
// Interleaved: what the machine does meanwhile hits all kinds alike.
for (let run = 1; run <= Number(options.runs); run++) {
  for (const name of names) {
    const { kinds, pace, redis } = works[name]
    for (const [kind, protocol] of Object.entries(kinds)) {
      if (chosenKinds !== undefined && !chosenKinds.includes(kind)) continue
      const cost = await measure(kind, protocol, pace, redis ? url : undefined)
      samples.push({ work: name, kind, run, ...cost })
      console.error(
        `run ${run}  ${name.padEnd(12)} ${kind.padEnd(10)} ${cost.total.toFixed(2)} µs, ${cost.user.toFixed(2)} of it user`,
      )
    }
  }
}
load.push(loadavg()[0])
await generator.stop()
await stopRedis?.()

const results = {
  ...describe(),
  load,
  seconds: Math.round((Date.now() - began) / 1000),
  subscribers,
  works: names.map((name) => ({ name, title: works[name].title.replace('{n}', subscribers.toLocaleString('en')) })),
  samples,
}
const summary = summarise(results)
console.log(table(summary))
if (!options.dry) {
  const folder = new URL('../results/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL('fan-out.json', folder), `${JSON.stringify(results, null, 1)}\n`)
  const page = new URL('../../../docs/benchmarks.md', import.meta.url)
  // What presence.mjs measured stands below and stays.
  const [presence = ''] = /^## Presence[\s\S]*/m.exec(readFileSync(page, 'utf8')) ?? []
  writeFileSync(page, `${markdown(results, summary)}${presence && `\n${presence}`}`)
}
