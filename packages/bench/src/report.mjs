/** From samples to tables: called by run.mjs. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, release, totalmem } from 'node:os'
import { canPin } from './process.mjs'

const NAMES = {
  rt: 'rt',
  'ws-limit': 'limit: framed once, one write',
  'ws-naive': '`ws`, `send(string)` in a loop',
  'socket-io': 'Socket.IO',
  'sse-limit': 'limit: one chunk, one write',
  'http-sse': 'node:http, `res.write` in a loop',
}

/** Machine and versions. */
export function describe() {
  const require = createRequire(import.meta.url)
  const version = (name) => {
    const path = require
      .resolve(name)
      .replace(/(node_modules\/(@[^/]+\/)?[^/]+)(?!.*node_modules).*/, '$1/package.json')
    return JSON.parse(readFileSync(path, 'utf8')).version
  }
  const versions = ['ws', 'socket.io', '@socket.io/redis-adapter', 'ioredis'].map((name) => [name, version(name)])
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      cpu: cpus()[0]?.model ?? process.arch,
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${process.platform} ${release()}`,
      pinned: canPin,
    },
    versions: { node: process.versions.node, ...Object.fromEntries(versions) },
  }
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Per work its kinds with median, least and most, and how often ours fits in: the median over the runs of ours ÷ theirs in the same run. */
export function summarise({ works, samples }) {
  return works.map(({ name, title }) => {
    const mine = samples.filter((sample) => sample.work === name)
    const ours = new Map(mine.filter(({ kind }) => kind === 'rt').map(({ run, total }) => [run, total]))
    const kinds = [...new Set(mine.map(({ kind }) => kind))].map((kind) => {
      const own = mine.filter((sample) => sample.kind === kind)
      const totals = own.map(({ total }) => total)
      return {
        kind,
        total: median(totals),
        least: Math.min(...totals),
        most: Math.max(...totals),
        user: median(own.map(({ user }) => user)),
        ratio: ours.size === 0 ? null : median(own.map(({ run, total }) => ours.get(run) / total)),
      }
    })
    return { name, title, kinds }
  })
}

function rowsOf({ kinds }) {
  return kinds.map(({ kind, total, least, most, user, ratio }) => [
    NAMES[kind] ?? kind,
    total.toFixed(2),
    `${least.toFixed(2)}–${most.toFixed(2)}`,
    user.toFixed(2),
    kind === 'rt' || ratio === null ? '' : ratio.toFixed(2),
  ])
}

const HEAD = ['', 'CPU µs per delivery', 'least–most', 'of it user', 'rt ÷ this']

/** For the terminal. */
export function table(summary) {
  return summary
    .map((work) => {
      const rows = [HEAD, ...rowsOf(work)]
      const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column].length)))
      const lines = rows.map((row) =>
        row
          .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
          .join('  '),
      )
      return `\n${work.title}\n${lines.join('\n')}`
    })
    .join('\n')
}

/** docs/benchmarks.md. */
export function markdown({ date, machine, versions, load, seconds, samples, subscribers }, summary) {
  const runs = Math.max(...samples.map(({ run }) => run))
  const tables = summary.map((work) => {
    const rows = rowsOf(work).map((row) => `| ${row.join(' | ')} |`)
    return `### ${work.title}\n\n| ${HEAD.join(' | ')} |\n| --- | --: | --: | --: | --: |\n${rows.join('\n')}\n`
  })
  const others = Object.entries(versions).filter(([name]) => name !== 'node')
  return `# Benchmarks

Written by \`npm run build && npm run bench\` (about ${Math.max(1, Math.round(seconds / 60))} min); the raw samples are in \`packages/bench/results/fan-out.json\`.

${date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}. Node ${versions.node}, ${others.map(([name, version]) => `${name} ${version}`).join(', ')}.
Load average ${load[0].toFixed(1)} before, ${load[1].toFixed(1)} after: above 2 or so others were at work, and absolute figures are too high.

## Fan-out

What it costs a server process to bring one message to one subscriber: user and system time of the process, from the operating system, divided by
deliveries. ${subscribers.toLocaleString('en')} subscribers of one channel, JSON payloads of 128 bytes. Medians of ${runs} interleaved runs, each with a fresh server; "rt ÷ this" is the median of the
ratios within a run, and below 1 rt is cheaper. Ratios closer than 15 % to 1 are no proven difference.

- A run counts only when every subscriber had every message once and in order, which the subscribers check.
${machine.pinned ? '- The server runs on one core; subscribers (raw sockets that look for the number in each message), publisher and Redis on another.\n' : ''}- Heartbeats are set to 5 minutes everywhere, so that none falls into a run.
- rt keeps history as by default and sends what resuming needs with each message: id, \`messageId\`, and a cursor per write. The others send the payload.
- The limit is a bare loop over the sockets that node:http hands out: bytes made once, one \`socket.write\` per socket and tick.
- Over Redis another node publishes; the subscribers' node is what is measured.

${tables.join('\n')}`
}
